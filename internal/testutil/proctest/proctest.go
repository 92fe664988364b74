// Package proctest runs real programs for tests: it keeps what they say, waits
// until they serve, and ends them by their process.
package proctest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Output is a log that a test reads while somebody writes it.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Process is a program that a test started.
type Process struct {
	*Output // what it said on the streams that the command named no other place for
	Cmd     *exec.Cmd
	t       testing.TB
	ended   chan struct{}
}

// printed is how many octets of what a program said stand below a failed test.
const printed = 8000

// Start starts a program. It is killed when the test ends, or dies; what it said is
// printed when the test failed. A command whose Stderr is an Output goes on there.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, t: t, ended: make(chan struct{})}
	if p.Output, _ = cmd.Stderr.(*Output); p.Output == nil {
		p.Output = new(Output)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = p.Output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.Output
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	dieWithTest(cmd.SysProcAttr)
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		if said := p.String(); t.Failed() && said != "" {
			t.Logf("%s said:\n%s", cmd, said[max(0, len(said)-printed):])
		}
	})
	return p
}

// run starts the program on a thread that lives as long as it does: with that thread,
// not with this process, the system has it die, and threads come and go.
func (p *Process) run() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.Cmd.Start()
		started <- err
		if err == nil {
			_ = p.Cmd.Wait()
			close(p.ended)
		}
	}()
	return <-started
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Await waits until ready reports true. The error tells that the program has ended
// before, and how, or that it took longer than limit.
func (p *Process) Await(limit time.Duration, ready func() bool) error {
	for end := time.Now().Add(limit); !ready(); time.Sleep(5 * time.Millisecond) {
		switch {
		case p.Ended():
			return fmt.Errorf("%s ended: %v\n%s", p.Cmd, p.Cmd.ProcessState, p)
		case time.Now().After(end):
			return fmt.Errorf("%s is not ready after %v\n%s", p.Cmd, limit, p)
		}
	}
	return nil
}

// Listens waits until the program listens at an address, and returns it.
func (p *Process) Listens(limit time.Duration, network, address string) *Process {
	p.t.Helper()
	if err := p.Await(limit, Dials(network, address)); err != nil {
		p.t.Fatalf("nobody listens at %s: %v", address, err)
	}
	return p
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v: %v\n%s", s, err, p)
	}
}

// Wait waits until the program has ended and returns its exit status, -1 when a
// signal ended it.
func (p *Process) Wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.t.Fatalf("%s, process %d, does not end\n%s", p.Cmd, p.Cmd.Process.Pid, p)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Dials reports whether somebody listens at an address.
func Dials(network, address string) func() bool {
	return func() bool {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
}

// Until waits until f reports true.
func Until(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// Run runs a program to its end, which must be a good one, and returns what it said
// on both streams.
func Run(t testing.TB, stdin, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// Ask is Run that returns what the program said on its standard output alone.
func Ask(t testing.TB, stdin, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &errors)
	}
	return string(out)
}

// FreeAddress is a TCP address of loopback that nobody listens at just now. Its port is
// below those that Linux gives to connections: one of many of other tests could take
// it before its server does.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const lowest, ephemeral = 10000, 32768
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(ephemeral-lowest))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal(err)
	return ""
}

// FreePort is the port of a FreeAddress.
func FreePort(t testing.TB) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(FreeAddress(t))
	return port
}
