package service

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// manager is what systemd is told.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func (w *world) manager() *manager {
	w.t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.path("notify"), Net: "unixgram"})
	must(w.t, err)
	w.t.Cleanup(func() { conn.Close() })
	must(w.t, os.Chmod(w.path("notify"), 0o777))
	w.env = append(w.env, "NOTIFY_SOCKET="+w.path("notify"))
	return &manager{w.t, conn}
}

// next returns the next message, those about the watchdog left out.
func (m *manager) next() string {
	m.t.Helper()
	for {
		if s := m.any(); s != "WATCHDOG=1" {
			return s
		}
	}
}

func (m *manager) any() string {
	m.t.Helper()
	must(m.t, m.conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatalf("systemd is told nothing: %v", err)
	}
	return string(buf[:n])
}

var reloading = regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`)

func TestTypeNotify(t *testing.T) {
	w := newWorld(t)
	m := w.manager()
	w.env = append(w.env, "WATCHDOG_USEC=200000")
	must(t, os.Chmod(w.dir, 0o777))
	must(t, os.Chmod(w.path("key.private"), 0o644))
	// Background, AutoRestart and another user do not matter.
	w.configure("Background yes\nAutoRestart yes\nUserID nobody\nRequireSafeKeys no\n")
	p := proctest.Start(w.t, w.command("opendkim", "-x", "DIR/opendkim.conf"))
	if got := m.next(); got != "READY=1" {
		t.Fatalf("at first: %q", got)
	}
	w.signs()
	if c := children(t, p.Cmd.Process.Pid); len(c) != 0 {
		t.Errorf("it has children: %v", c)
	}
	for _, broken := range []bool{false, true} {
		if broken {
			w.write("opendkim.conf", "Nonsense\n")
		}
		p.Signal(syscall.SIGHUP)
		if got := m.next(); !reloading.MatchString(got) {
			t.Errorf("at a reload: %q", got)
		}
		if got := m.next(); got != "READY=1" {
			t.Errorf("after the reload: %q", got)
		}
	}
	if got := m.any(); got != "WATCHDOG=1" {
		t.Errorf("want a sign of life, got %q", got)
	}
	p.Signal(syscall.SIGTERM)
	if got := m.next(); got != "STOPPING=1" {
		t.Errorf("at the end: %q", got)
	}
	if code := p.Wait(patience); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// Within a chroot systemd's socket is out of sight.
func TestTypeNotifyFromAChroot(t *testing.T) {
	w := newWorld(t)
	m := w.manager()
	must(t, os.MkdirAll(w.path("root"+w.dir), 0o755))
	w.configure("ChangeRootDirectory DIR/root\n")
	p := proctest.Start(w.t, w.command("opendkim", "-x", "DIR/opendkim.conf"))
	if got := m.next(); got != "READY=1" {
		t.Fatalf("at first: %q", got)
	}
	p.Signal(syscall.SIGTERM)
	if got := m.next(); got != "STOPPING=1" {
		t.Errorf("at the end: %q", got)
	}
}

// activate starts the filter as systemd does that holds its sockets: as file
// descriptors 3 and up, with the process's own ID in LISTEN_PID.
func (w *world) activate(names string, listeners ...net.Listener) *proctest.Process {
	w.t.Helper()
	cmd := w.command("opendkim", "-x", "DIR/opendkim.conf")
	inside := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)...)
	inside.Dir = cmd.Dir
	inside.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(listeners)), "LISTEN_FDNAMES="+names)
	for _, l := range listeners {
		f, err := l.(interface{ File() (*os.File, error) }).File()
		must(w.t, err)
		defer f.Close()
		inside.ExtraFiles = append(inside.ExtraFiles, f)
	}
	return proctest.Start(w.t, inside)
}

func TestSocketActivation(t *testing.T) {
	w := newWorld(t)
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer tcp.Close()
	local, err := net.Listen("unix", w.path("held"))
	must(t, err)
	defer local.Close()
	w.configure("Mode sv\nAlwaysAddARHeader yes\n")
	p := w.activate("verify:sign", tcp, local)
	if got := w.sendTo("unix", w.path("held")); !strings.Contains(got, "s=sel;") {
		t.Errorf("not signed: %q", got)
	}
	out, err := w.dial("tcp", tcp.Addr().String()).Send(t.Context(), message())
	if err != nil || len(out.Edits) != 1 || out.Edits[0].Name != "Authentication-Results" {
		t.Errorf("the socket named verify: %+v, %v", out.Edits, err)
	}
	if _, err := os.Lstat(w.path("s")); !os.IsNotExist(err) {
		t.Errorf("the Socket of the file is opened too: %v", err)
	}
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Lstat(w.path("held")); err != nil {
		t.Errorf("systemd's socket was removed: %v", err)
	}
}

func TestCredentialsDirectoryHoldsKeys(t *testing.T) {
	w := newWorld(t)
	must(t, os.Mkdir(w.path("credentials"), 0o700))
	must(t, os.Rename(w.path("key.private"), w.path("credentials/seal")))
	w.env = append(w.env, "CREDENTIALS_DIRECTORY="+w.path("credentials"))
	w.write("KeyTable", "k example.com:sel:seal\n")
	p := w.serve("")
	w.signs()
	p.Signal(syscall.SIGTERM)
	p.Wait(patience)
	w.write("opendkim.conf", w.text("Domain example.com\nSelector sel\nKeyFile seal\nSocket local:DIR/s\n"))
	w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
	w.signs()
}

// Debian's unit: Type=forking with a PIDFile, started without a word about
// notification; its ExecReload is USR1, its stop TERM.
func TestTypeForking(t *testing.T) {
	w := newWorld(t)
	must(t, os.Mkdir(w.path("run"), 0o755))
	must(t, os.Chown(w.path("run"), uidOf(t, "nobody"), -1))
	must(t, os.Chmod(w.path("key.private"), 0o644))
	w.configure("RequireSafeKeys no\nUserID nobody\nUMask 007\nPidFile DIR/run/pid\nSocket local:DIR/run/s\n")
	if r := w.run("", "opendkim", "-x", "DIR/opendkim.conf"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	pid := w.pid("run/pid")
	if to, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || filepath.Base(to) != "dojang" {
		t.Errorf("the pid file names %s, %v", to, err)
	}
	must(t, syscall.Kill(pid, syscall.SIGUSR1))
	w.logged("configuration reloaded from")
	w.terminate(pid)
	for _, name := range []string{"run/pid", "run/s"} {
		if _, err := os.Lstat(w.path(name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}
