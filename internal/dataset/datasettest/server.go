package datasettest

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// Folder is a new folder directly below the system's temporary one, with a
// short name: the path of a socket may have 107 bytes. mode lets other users in.
func Folder(t testing.TB, mode os.FileMode) string {
	t.Helper()
	dir, err := testutil.TempDir("", "ds")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
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
	now  *proctest.Process
	// Ready reports whether the server answers; it is asked until it does.
	Ready func() bool
}

// Start starts a server and waits until it is ready.
func Start(t testing.TB, ready func() bool, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, args: args, Ready: ready}
	p.Start()
	t.Cleanup(p.Stop)
	return p
}

// Start starts the server again after Stop or Kill.
func (p *Process) Start() {
	p.t.Helper()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.now = proctest.Start(p.t, cmd)
	if err := p.now.Await(30*time.Second, p.Ready); err != nil {
		p.t.Fatal(err)
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

// Pid is the process's number.
func (p *Process) Pid() int { return p.now.Cmd.Process.Pid }

// Stop ends the server and waits for it.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Kill ends the server without a word.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// end ends the server with the processes that it started.
func (p *Process) end(signal syscall.Signal) {
	group := -p.now.Cmd.Process.Pid
	if p.now.Ended() {
		return
	}
	_ = syscall.Kill(group, signal)
	if err := p.now.Await(10*time.Second, p.now.Ended); err != nil {
		_ = syscall.Kill(group, syscall.SIGKILL)
		p.now.Wait(10 * time.Second)
	}
}

// Localhost are the addresses by which "localhost" may be reached here, for servers that
// are asked by that name: 127.0.0.1, and ::1 where the hosts file has it, as Debian's does,
// and the machine has it too.
func Localhost() []string {
	addresses, _ := net.LookupHost("localhost") // without it there is 127.0.0.1
	if slices.Contains(addresses, "::1") {
		if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
			l.Close()
			return []string{"127.0.0.1", "::1"}
		}
	}
	return []string{"127.0.0.1"}
}

// AsUser puts what runs a program as another user in front of its arguments when the
// test runs as root, and gives that user the folders.
func AsUser(t testing.TB, account string, folders []string, args ...string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		return args
	}
	if _, err := user.Lookup(account); err != nil {
		testutil.Need(t, "the server of user "+account) // whose package makes it
	}
	for _, f := range folders {
		proctest.Run(t, "", "chown", "-R", account, f)
	}
	setpriv := testutil.Need(t, "setpriv")
	return append([]string{setpriv, "--reuid=" + account, "--regid=" + account, "--clear-groups", "--"}, args...)
}
