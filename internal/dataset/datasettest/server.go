package datasettest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// FreePort is a TCP port of loopback that nobody listens on just now.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// Folder is a new folder directly below the system's temporary one, with a
// short name: the path of a socket may have 107 bytes. mode lets other users in.
func Folder(t testing.TB, mode os.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ds")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Command runs a program to its end and fails the test when it fails.
func Command(t testing.TB, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// Find is testutil.Need that looks in further folders first ("/usr/lib/postgresql/*/bin").
func Find(t testing.TB, program string, folders ...string) string {
	t.Helper()
	for _, f := range folders {
		if paths, _ := filepath.Glob(filepath.Join(f, program)); len(paths) > 0 {
			return paths[len(paths)-1]
		}
	}
	return testutil.Need(t, program)
}

// Process is a server that a test started, and stops at its end.
type Process struct {
	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  *output
	// Ready reports whether the server answers; it is asked until it does.
	Ready func() bool
}

// output collects what a server writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string { o.mu.Lock(); defer o.mu.Unlock(); return o.buf.String() }

// Start starts a server and waits until it is ready.
func Start(t testing.TB, ready func() bool, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, args: args, Ready: ready}
	p.Start()
	t.Cleanup(p.Stop)
	return p
}

// Dials is a Ready that connects.
func Dials(network, address string) func() bool {
	return func() bool {
		c, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
}

// Start starts the server again after Stop or Kill.
func (p *Process) Start() {
	p.t.Helper()
	p.out = &output{}
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); !p.Ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not answer:\n%s", p.args[0], p.out)
		}
	}
}

// Arg is the argument behind the flag given.
func (p *Process) Arg(flag string) string {
	for i, a := range p.args[:len(p.args)-1] {
		if a == flag {
			return p.args[i+1]
		}
	}
	return ""
}

// Stop ends the server and waits for it.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Kill ends the server without a word.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

func (p *Process) end(signal syscall.Signal) {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	_ = syscall.Kill(-p.cmd.Process.Pid, signal)
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
	p.cmd = nil
}

// AsUser puts what runs a program as another user in front of its arguments when the
// test runs as root, and gives that user the folders.
func AsUser(t testing.TB, user string, folders []string, args ...string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return args
	}
	for _, f := range folders {
		Command(t, "", "chown", "-R", user, f)
	}
	setpriv := testutil.Need(t, "setpriv")
	return append([]string{setpriv, "--reuid=" + user, "--regid=" + user, "--clear-groups", "--"}, args...)
}
