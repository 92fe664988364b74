package service

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/testutil/proctest"
)

func TestBaseDirectory(t *testing.T) {
	w := newWorld(t)
	must(t, os.Mkdir(w.path("sub"), 0o755))
	w.write("sub/KeyTable", "k example.com:sel:../key.private\n")
	w.write("opendkim.conf", w.text("Syslog yes\nSyslogSocket DIR/log\nMode s\nBaseDirectory sub\nKeyTable "+
		"file:KeyTable\nSigningTable refile:../SigningTable\nSocket local:s\nPidFile pid\n"))
	for _, more := range []string{"", "AutoRestart yes\n"} {
		text, err := os.ReadFile(w.path("opendkim.conf"))
		must(t, err)
		w.write("opendkim.conf", string(text)+more)
		// Both the file's path and BaseDirectory are relative to where it is started.
		if r := w.run("", "opendkim", "-x", "opendkim.conf"); r.code != 0 {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
		pid := w.pid("sub/pid")
		if got := w.sendTo("unix", w.path("sub/s")); !strings.Contains(got, "s=sel;") {
			t.Errorf("not signed: %q", got)
		}
		w.write("sub/KeyTable", "k example.com:new:../key.private\n")
		must(t, syscall.Kill(pid, syscall.SIGUSR1))
		w.until("a reload", func() bool { return strings.Contains(w.sendTo("unix", w.path("sub/s")), "s=new;") })
		w.write("sub/KeyTable", "k example.com:sel:../key.private\n")
		w.terminate(pid)
	}
	w.write("opendkim.conf", "BaseDirectory nowhere\nSocket local:s\n")
	if r := w.run("", "opendkim", "-f", "-x", "opendkim.conf"); r.code != 78 ||
		!strings.Contains(r.err, "opendkim.conf:1: BaseDirectory: nowhere: chdir(): No such file or directory") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestChangeRootDirectory(t *testing.T) {
	w := newWorld(t)
	root := w.path("root")
	// Inside, all paths are the same as outside.
	inside := filepath.Join(root, w.dir)
	must(t, os.MkdirAll(inside, 0o755))
	uid := uidOf(t, "nobody")
	copyIn := func() {
		for _, name := range []string{"opendkim.conf", "KeyTable", "SigningTable", "keys", "key.private"} {
			text, err := os.ReadFile(w.path(name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(inside, name), text, 0o600))
			must(t, os.Chown(filepath.Join(inside, name), uid, -1))
		}
	}
	log := listenSyslog(t, filepath.Join(inside, "log"))
	must(t, os.Mkdir(filepath.Join(inside, "run"), 0o777))
	must(t, os.Chmod(filepath.Join(inside, "run"), 0o777))
	w.configure("ChangeRootDirectory DIR/root\nUserID nobody\nRequireSafeKeys no\nPidFile DIR/pid\nSocket local:DIR/run/s\n")
	copyIn()
	if r := w.run("", "opendkim", "-x", "DIR/opendkim.conf"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	pid := w.pid("pid")
	if to, err := os.Readlink(fmt.Sprintf("/proc/%d/root", pid)); to != root {
		t.Errorf("its root is %s, %v", to, err)
	}
	// A folder that is open is a way out (openat(2) with "..").
	descriptors := fmt.Sprintf("/proc/%d/fd", pid)
	list, err := os.ReadDir(descriptors)
	must(t, err)
	for _, fd := range list {
		if info, err := os.Stat(filepath.Join(descriptors, fd.Name())); err == nil && info.IsDir() {
			to, _ := os.Readlink(filepath.Join(descriptors, fd.Name()))
			t.Errorf("descriptor %s is the folder %s", fd.Name(), to)
		}
	}
	socket := filepath.Join(inside, "run/s")
	if got := w.sendTo("unix", socket); !strings.Contains(got, "s=sel;") {
		t.Errorf("not signed: %q\n%s%s", got, log, w.log)
	}
	w.log = log
	w.logged("DKIM-Signature field added (s=sel, d=example.com)")
	w.write("KeyTable", "k example.com:new:"+w.path("key.private")+"\n")
	copyIn()
	must(t, syscall.Kill(pid, syscall.SIGUSR1))
	w.logged("configuration reloaded from " + w.path("opendkim.conf"))
	if got := w.sendTo("unix", socket); !strings.Contains(got, "s=new;") {
		t.Errorf("after the reload: %q", got)
	}
	w.terminate(pid)
	w.logged("terminating with status 0")
	if text, err := os.ReadFile(w.path("pid")); err == nil && len(text) > 0 {
		t.Errorf("the pid file still holds %q", text)
	}
}

func TestEnableCoredumps(t *testing.T) {
	for option, owner := range map[string]string{"no": "0:0", "yes": "65534:65534"} {
		t.Run(option, func(t *testing.T) {
			w := newWorld(t)
			must(t, os.Chmod(w.dir, 0o777))
			must(t, os.Chmod(w.path("key.private"), 0o644))
			p := w.serve("RequireSafeKeys no\nUserID nobody\nEnableCoredumps " + option + "\n")
			// The files in /proc of a process that may not be dumped are root's (proc(5)).
			if got := ownerOf(t, fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid)); got != owner {
				t.Errorf("dumpable as %s, want %s", got, owner)
			}
		})
	}
}

func TestConnectAndCloseIsHarmless(t *testing.T) {
	w := newWorld(t)
	w.serve("")
	for range 50 {
		conn, err := net.Dial("unix", w.path("s"))
		must(t, err)
		conn.Close()
	}
	w.signs()
	if n := w.log.count("connection from"); n != 0 {
		t.Errorf("a monitor's look is told of %d times:\n%s", n, w.log)
	}
}

// A container has no file: everything is in the environment, and the log goes to
// the standard streams.
func TestEnvironmentAlone(t *testing.T) {
	w := newWorld(t)
	port := proctest.FreePort(t)
	w.env = []string{"OPENDKIM_Socket=inet:" + port + "@127.0.0.1", "OPENDKIM_Mode=s",
		"OPENDKIM_Domain=example.com", "OPENDKIM_Selector=sel",
		"OPENDKIM_KeyFile=" + w.path("key.private"), "OPENDKIM_StdoutLog=yes", "OPENDKIM_SyslogSuccess=yes", "OPENDKIM_On_BadSignature=reject"}
	p := w.start(w.command("dojang", "serve"), "tcp", "127.0.0.1:"+port)
	if got := w.sendTo("tcp", "127.0.0.1:"+port); !strings.Contains(got, "s=sel;") {
		t.Errorf("not signed: %q\n%s", got, p)
	}
	w.until("the log on standard output", func() bool {
		return strings.Contains(p.String(), "JOB: DKIM-Signature field added (s=sel, d=example.com)\n")
	})
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	w.env = append(w.env, "OPENDKIM_NoSuch=1")
	if r := w.run("", "dojang", "serve"); r.code != 78 || !strings.Contains(r.err, `environment: unknown option "NoSuch"`) {
		t.Errorf("an unknown name: exit %d: %s", r.code, r.err)
	}
}
