package service

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func TestBackgroundReturnsWhenTheSocketListens(t *testing.T) {
	w := newWorld(t)
	w.configure("PidFile DIR/pid\n")
	if r := w.run("", "opendkim", "-x", "DIR/opendkim.conf"); r.code != 0 || r.err != "" || r.out != "" {
		t.Fatalf("exit %d, %q, %q", r.code, r.out, r.err)
	}
	w.signs() // at once, without waiting
	pid := w.pid("pid")
	if session, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil ||
		strings.Fields(string(session))[5] != strconv.Itoa(pid) {
		t.Errorf("no session of its own: %s, %v", session, err)
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) != "opendkim\n" {
		t.Errorf("ps and pgrep know it as %q, %v", name, err)
	}
	for fd := range 3 {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); to != "/dev/null" {
			t.Errorf("file descriptor %d is %s, %v", fd, to, err)
		}
	}
	w.logged("info OpenDKIM Filter v2.11.0 starting (args: -x " + w.path("opendkim.conf") + ")")
	w.terminate(pid)
	w.logged("info OpenDKIM Filter v2.11.0 terminating with status 0, errno = 0")
	for _, name := range []string{"pid", "s"} {
		if _, err := os.Lstat(w.path(name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

// `opendkim | cat` must end although the filter goes on.
func TestBackgroundLetsGoOfTheTerminal(t *testing.T) {
	w := newWorld(t)
	for _, more := range []string{"", "AutoRestart yes\n"} {
		w.configure("PidFile DIR/pid\n" + more)
		cmd := w.command("opendkim", "-x", "DIR/opendkim.conf")
		pipe := exec.Command("sh", "-c", `"$@" 2>&1 | cat`, "sh", cmd.Path, "-x", w.path("opendkim.conf"))
		pipe.Env = cmd.Env
		if r := runToEnd(t, pipe); r.code != 0 || r.out != "" {
			t.Errorf("exit %d: %s", r.code, r.out)
		}
		w.terminate(w.pid("pid"))
	}
}

func TestBackgroundStarterTellsWhyItFails(t *testing.T) {
	for _, restart := range []string{"no", "yes"} {
		t.Run("AutoRestart "+restart, func(t *testing.T) {
			w := newWorld(t)
			w.configure("PidFile DIR/pid\nAutoRestart " + restart + "\nSocket local:DIR/nowhere/s\n")
			r := w.run("", "opendkim", "-x", "DIR/opendkim.conf")
			if r.code != 69 || !strings.Contains(r.err, "opendkim: socket "+w.path("nowhere/s")+": ") ||
				!strings.Contains(r.err, "no such file or directory") {
				t.Errorf("exit %d: %s", r.code, r.err)
			}
			w.logged("err socket " + w.path("nowhere/s"))
			if _, err := os.Lstat(w.path("pid")); !os.IsNotExist(err) {
				t.Errorf("a pid file is left: %v", err)
			}
		})
	}
}

func TestPidFile(t *testing.T) {
	w := newWorld(t)
	must(t, os.Mkdir(w.path("run"), 0o755))
	must(t, os.Chown(w.path("run"), uidOf(t, "nobody"), -1))
	must(t, os.Chmod(w.dir, 0o777))
	w.write("opendkim.conf", w.text(base+"RequireSafeKeys no\nPidFile DIR/run/pid\nUserID nobody\nUMask 077\nSocket local:DIR/s\n"))
	must(t, os.Chmod(w.path("key.private"), 0o644))
	if r := w.run("", "opendkim", "-x", "DIR/opendkim.conf"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	pid := w.pid("run/pid")
	info, err := os.Stat(w.path("run/pid"))
	must(t, err)
	// DIR is everybody's here, who might put another folder in the place of run:
	// root does not write there.
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != uidOf(t, "nobody") || info.Mode() != 0o644 {
		t.Errorf("owner %d, mode %v: want nobody and 0644", owner, info.Mode())
	}
	// A second start fails and leaves the first one's file alone.
	if r := w.run("", "opendkim", "-x", "DIR/opendkim.conf"); r.code != 69 || !strings.Contains(r.err, "another process answers there") {
		t.Errorf("second start: exit %d: %s", r.code, r.err)
	}
	if again := w.pid("run/pid"); again != pid {
		t.Errorf("the pid file has %d after a failed second start, not %d", again, pid)
	}
	w.terminate(pid)
	if _, err := os.Lstat(w.path("run/pid")); !os.IsNotExist(err) {
		t.Errorf("the pid file is left: %v", err)
	}
	// The folder is the user's, who might plant a link.
	w.write("precious", "text")
	must(t, os.Symlink(w.path("precious"), w.path("run/pid")))
	p := w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
	w.logged("err can't write pid to " + w.path("run/pid"))
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	if text, _ := os.ReadFile(w.path("precious")); string(text) != "text" {
		t.Errorf("root wrote through the link: %q", text)
	}
}

// accounts runs cmd where /etc/passwd and /etc/group have a user with groups of
// its own.
func (w *world) accounts(cmd *exec.Cmd) *exec.Cmd {
	w.t.Helper()
	testutil.Need(w.t, "unshare")
	for name, more := range map[string]string{"passwd": "sealer:x:60001:60002::/:/bin/false\n",
		"group": "sealer:x:60002:\nextra:x:60003:sealer\nmore:x:60004:sealer,nobody\nother:x:60005:\n"} {
		text, err := os.ReadFile("/etc/" + name)
		must(w.t, err)
		w.write(name, string(text)+more)
	}
	inside := exec.Command("unshare", append([]string{"-m", "--propagation", "private", "sh", "-c",
		`mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"`, w.dir, cmd.Path}, cmd.Args[1:]...)...)
	inside.Dir, inside.Env = cmd.Dir, cmd.Env
	return inside
}

func TestUserIDGivesAllRightsAway(t *testing.T) {
	for _, c := range []struct{ user, uid, gid, groups string }{
		{"sealer", "60001", "60002", "60002 60003 60004"},
		// OpenDKIM loses the user's groups here.
		{"sealer:other", "60001", "60005", "60002 60003 60004 60005"},
		{"60001:60005", "60001", "60005", "60002 60003 60004 60005"},
	} {
		t.Run(c.user, func(t *testing.T) {
			w := newWorld(t)
			must(t, os.Mkdir(w.path("run"), 0o777))
			must(t, os.Chmod(w.path("run"), 0o777))
			must(t, os.Chown(w.path("key.private"), 60001, -1))
			w.configure("UserID " + c.user + "\nSocket local:DIR/run/s\n")
			p := w.start(w.accounts(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf")), "unix", w.path("run/s"))
			got := procStatus(t, p.Cmd.Process.Pid)
			for name, want := range map[string]string{
				"Uid": strings.Repeat(c.uid+" ", 4), "Gid": strings.Repeat(c.gid+" ", 4), "Groups": c.groups,
				"CapEff": "0000000000000000", "CapPrm": "0000000000000000",
			} {
				if got[name] != strings.TrimSpace(want) {
					t.Errorf("%s: %s, want %s", name, got[name], want)
				}
			}
			threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Cmd.Process.Pid))
			if err != nil || len(threads) < 2 {
				t.Fatalf("threads: %v, %v", threads, err)
			}
			for _, path := range threads {
				if s := readStatus(t, path); s["Uid"] != got["Uid"] || s["Groups"] != got["Groups"] {
					t.Errorf("a thread keeps rights: %s: %s, groups %s", path, s["Uid"], s["Groups"])
				}
			}
			if owner := ownerOf(t, w.path("run/s")); owner != c.uid+":"+c.gid {
				t.Errorf("the socket is %s's, want %s:%s", owner, c.uid, c.gid)
			}
			if got := w.sendTo("unix", w.path("run/s")); !strings.Contains(got, "s=sel;") {
				t.Errorf("not signed: %q\n%s", got, w.log)
			}
		})
	}
}

func TestUMaskOnTheSocket(t *testing.T) {
	for umask, want := range map[string]os.FileMode{"": 0o755, "UMask 007": 0o770, "UMask 002": 0o775, "UMask 0117": 0o660} {
		t.Run(umask, func(t *testing.T) {
			w := newWorld(t)
			w.serve(umask + "\n")
			if got := modeOf(t, w.path("s")); got != want {
				t.Errorf("mode %v, want %v", got, want)
			}
		})
	}
}

func TestSocketAttributes(t *testing.T) {
	w := newWorld(t)
	must(t, os.Chmod(w.dir, 0o777))
	must(t, os.Chmod(w.path("key.private"), 0o644))
	w.serve("RequireSafeKeys no\nUserID nobody\nUMask 077\nSocket local:DIR/s\n" +
		"Socket local:DIR/both mode=0660 owner=postfix group=mail\nSocket local:DIR/group mode=0620 " +
		"group=postfix\nSocket local:DIR/mode mode=0606\n")
	for name, want := range map[string]string{
		"s":     fmt.Sprintf("%d:65534 -rwx------", uidOf(t, "nobody")),
		"both":  fmt.Sprintf("%d:8 -rw-rw----", uidOf(t, "postfix")),
		"group": fmt.Sprintf("%d:%d -rw--w----", uidOf(t, "nobody"), gidOf(t, "postfix")),
		"mode":  fmt.Sprintf("%d:65534 -rw----rw-", uidOf(t, "nobody")),
	} {
		if got := ownerOf(t, w.path(name)) + " " + modeOf(t, w.path(name)).String(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestSeveralSocketsWithRoles(t *testing.T) {
	w := newWorld(t)
	port := proctest.FreePort(t)
	w.serve("AlwaysAddARHeader yes\nSocket local:DIR/s sign\nSocket local:DIR/v verify\nSocket inet:" + port + "@127.0.0.1 both\n")
	w.signs()
	if got := w.sendTo("tcp", "127.0.0.1:"+port); !strings.Contains(got, "s=sel;") {
		t.Errorf("both: not signed: %q", got)
	}
	out, err := w.dial("unix", w.path("v")).Send(t.Context(), message())
	if err != nil || len(out.Edits) != 1 || out.Edits[0].Name != "Authentication-Results" {
		t.Errorf("verify: %+v, %v", out.Edits, err)
	}
	foreign := message()
	foreign.Addr.Addr = netipAddr("192.0.2.1")
	out, err = w.dial("unix", w.path("s")).Send(t.Context(), foreign)
	if err != nil || len(out.Edits) != 0 {
		t.Errorf("sign, of a foreign client: %+v, %v", out.Edits, err)
	}
}

func TestStaleSocketsAreRemovedOthersAreNot(t *testing.T) {
	w := newWorld(t)
	p := w.serve("")
	if r := w.run("", "opendkim", "-f", "-x", "DIR/opendkim.conf"); r.code != 69 ||
		!strings.Contains(r.err, "opendkim: socket "+w.path("s")+": another process answers there; stop it first") {
		t.Errorf("a live socket: exit %d: %s", r.code, r.err)
	}
	w.signs()
	p.Signal(syscall.SIGKILL)
	p.Wait(patience)
	if _, err := os.Lstat(w.path("s")); err != nil {
		t.Fatalf("nothing is stale: %v", err)
	}
	p = w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
	w.signs()
	p.Signal(syscall.SIGTERM)
	p.Wait(patience)
	w.write("s", "precious")
	if r := w.run("", "opendkim", "-f", "-x", "DIR/opendkim.conf"); r.code != 69 || !strings.Contains(r.err, "is no socket") {
		t.Errorf("a plain file: exit %d: %s", r.code, r.err)
	}
	if text, _ := os.ReadFile(w.path("s")); string(text) != "precious" {
		t.Errorf("the file is %q now", text)
	}
}

func TestABusyPortIsToldOf(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	w.configure(fmt.Sprintf("Socket inet:%d@127.0.0.1\n", port))
	if r := w.run("", "opendkim", "-f", "-x", "DIR/opendkim.conf"); r.code != 69 || !strings.Contains(r.err, "address already in use") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	w.logged("err socket 127.0.0.1:")
}
