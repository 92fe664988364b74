package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// patience is how long anything may take before it counts as not happening.
const patience = time.Minute

// world is a folder with a key, tables and a syslog socket.
type world struct {
	t   *testing.T
	bin string
	dir string
	env []string
	log syslog
}

func newWorld(t *testing.T) *world {
	t.Helper()
	testutil.NeedRoot(t)
	t.Parallel()
	return newWorldBeside(t)
}

// newWorldBeside is newWorld for a test that has a parallel part already.
func newWorldBeside(t *testing.T) *world {
	t.Helper()
	testutil.NeedRoot(t)
	w := &world{t: t, bin: testutil.Build(t), dir: testutil.SecureDir(t)}
	w.log = listenSyslog(t, w.path("log"))
	w.write("key.private", testutil.KeyPEM(testutil.RSAKey()))
	record := testutil.KeyRecord(testutil.RSAKey())
	w.write("keys", "sel._domainkey.example.com "+record+"\nnew._domainkey.example.com "+record+"\n")
	w.write("KeyTable", "k example.com:sel:"+w.path("key.private")+"\n")
	w.write("SigningTable", "*@example.com k\n")
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), modeFor(name)); err != nil {
		w.t.Fatal(err)
	}
}

// text fills DIR in.
func (w *world) text(s string) string { return strings.ReplaceAll(s, "DIR", w.dir) }

// base is a configuration that signs and verifies.
const base = `Syslog yes
SyslogSocket DIR/log
SyslogSuccess yes
Mode sv
KeyTable DIR/KeyTable
SigningTable refile:DIR/SigningTable
`

// configure writes opendkim.conf: base and more, with a socket DIR/s unless more
// names one.
func (w *world) configure(more string) {
	w.t.Helper()
	if !strings.Contains("\n"+more, "\nSocket ") {
		more += "\nSocket local:DIR/s\n"
	}
	w.write("opendkim.conf", w.text(base+more))
}

// result is how a program ended.
type result struct {
	code     int
	out, err string
}

// command prepares the program under one of its names.
func (w *world) command(name string, args ...string) *exec.Cmd {
	for i := range args {
		args[i] = w.text(args[i])
	}
	cmd := exec.Command(filepath.Join(w.bin, name), args...)
	cmd.Dir = w.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, w.env...)
	return cmd
}

// run runs a program that ends.
func (w *world) run(stdin, name string, args ...string) result {
	w.t.Helper()
	cmd := w.command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	return runToEnd(w.t, cmd)
}

func runToEnd(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		t.Fatalf("%v does not end\n%s", cmd.Args, errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// serve starts `opendkim -f -x opendkim.conf` and returns when it listens.
func (w *world) serve(more string, args ...string) *proctest.Process {
	w.t.Helper()
	w.configure(more)
	return w.start(w.command("opendkim", append([]string{"-f", "-x", "DIR/opendkim.conf"}, args...)...), "unix", w.path("s"))
}

// start starts cmd and returns when it listens at an address.
func (w *world) start(cmd *exec.Cmd, network, address string) *proctest.Process {
	w.t.Helper()
	return proctest.Start(w.t, cmd).Listens(patience, network, address)
}

// background starts the filter as an init script does and returns the process
// in its pid file.
func (w *world) background(more string) int {
	w.t.Helper()
	w.configure("PidFile DIR/pid\n" + more)
	if r := w.run("", "opendkim", "-x", "DIR/opendkim.conf"); r.code != 0 {
		w.t.Fatalf("exit %d: %s", r.code, r.err)
	}
	return w.pid("pid")
}

func (w *world) pid(file string) int {
	w.t.Helper()
	text, err := os.ReadFile(w.path(file))
	if err != nil {
		w.t.Fatalf("the starter ended, and there is no pid file: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSuffix(string(text), "\n"))
	if err != nil || pid < 2 {
		w.t.Fatalf("pid file: %q", text)
	}
	w.t.Cleanup(func() { w.terminate(pid) })
	return pid
}

// terminate ends a process that is not our child, hard when it must be.
func (w *world) terminate(pid int) {
	if !runs(pid) {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !runs(pid) {
			return
		}
	}
	w.t.Errorf("process %d does not end", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// runs reports whether a process lives, and is no zombie.
func runs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	after := text[bytes.LastIndexByte(text, ')')+1:]
	return !bytes.HasPrefix(after, []byte(" Z"))
}

// until polls.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("does not happen: %s\nlog:\n%s", what, w.log)
		}
	}
}

// logged waits for a line in syslog.
func (w *world) logged(text string) {
	w.t.Helper()
	w.until("log line "+text, func() bool { return strings.Contains(w.log.String(), text) })
}

// message is one that the filter signs.
func message() milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("127.0.0.1")},
			From: "a@example.com", Rcpts: []string{"b@example.org"}},
		Macros: map[string]string{"i": "JOB", "j": "mx.example.com"},
		Raw: []byte("From: a@example.com\r\nTo: b@example.org\r\nSubject: s\r\nDate: Mon, 23 Nov 2026 12:00:00 " +
			"+0000\r\n\r\nhello\r\n"),
	}
}

func (w *world) dial(network, address string) *milter.Client {
	w.t.Helper()
	c, err := milter.Dial(network, address, milter.ClientOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// send sends the message over a connection of its own and returns the signature
// it gets, "" for none.
func (w *world) send() string {
	w.t.Helper()
	return w.sendTo("unix", w.path("s"))
}

func (w *world) sendTo(network, address string) string {
	w.t.Helper()
	return w.over(w.dial(network, address))
}

func (w *world) over(c *milter.Client) string {
	w.t.Helper()
	out, err := c.Send(w.t.Context(), message())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range out.Edits {
		if e.Name == "DKIM-Signature" {
			return strings.Join(strings.Fields(e.Value), " ")
		}
	}
	return ""
}

// signs fails the test unless the filter signs.
func (w *world) signs() {
	w.t.Helper()
	if got := w.send(); !strings.Contains(got, "s=sel;") {
		w.t.Errorf("not signed: %q\nlog:\n%s", got, w.log)
	}
}

// modeFor lets other users read what is no secret: a filter that gave up root
// reads it again at a reload.
func modeFor(name string) os.FileMode {
	if strings.HasSuffix(name, ".private") {
		return 0o600
	}
	return 0o644
}
