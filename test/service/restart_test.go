package service

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// worker waits for the one child of a supervisor that is not the given one.
func (w *world) worker(supervisor, not int) (pid int) {
	w.t.Helper()
	w.until("a worker that listens", func() bool {
		for _, child := range children(w.t, supervisor) {
			if child == not {
				continue
			}
			if conn, err := net.Dial("unix", w.path("s")); err == nil {
				conn.Close()
				pid = child
				return true
			}
		}
		return false
	})
	return pid
}

func TestAutoRestart(t *testing.T) {
	w := newWorld(t)
	supervisor := w.background("AutoRestart yes\n")
	w.signs()
	first := w.worker(supervisor, 0)
	for _, pid := range []int{supervisor, first} {
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) != "opendkim\n" {
			t.Errorf("ps and pgrep know process %d as %q, %v", pid, name, err)
		}
	}
	must(t, syscall.Kill(first, syscall.SIGKILL))
	w.logged("notice terminated with signal 9, restarting")
	second := w.worker(supervisor, first)
	w.signs()
	w.until("a second start line", func() bool { return w.log.count("info OpenDKIM Filter v2.11.0 starting (args: ") == 2 })
	if pid := w.pid("pid"); pid != supervisor {
		t.Errorf("the pid file has %d, not the supervisor's %d", pid, supervisor)
	}
	// Signals for the filter reach it.
	w.write("KeyTable", "k example.com:new:"+w.path("key.private")+"\n")
	must(t, syscall.Kill(supervisor, syscall.SIGUSR1))
	w.logged("info configuration reloaded from " + w.path("opendkim.conf"))
	if got := w.send(); !strings.Contains(got, "s=new;") {
		t.Errorf("after USR1 to the supervisor: %q", got)
	}
	w.terminate(supervisor)
	if runs(second) {
		t.Error("the worker outlives TERM to its supervisor")
	}
	w.logged("terminating with status 0")
	for _, name := range []string{"pid", "s"} {
		if _, err := os.Lstat(w.path(name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

func TestAutoRestartEndsWithItsSupervisor(t *testing.T) {
	w := newWorld(t)
	must(t, os.Chmod(w.dir, 0o777))
	must(t, os.Chmod(w.path("key.private"), 0o644))
	supervisor := w.background("AutoRestart yes\nUserID nobody\nRequireSafeKeys no\n")
	worker := w.worker(supervisor, 0)
	must(t, syscall.Kill(supervisor, syscall.SIGKILL))
	w.until("the worker's end", func() bool { return !runs(worker) })
}

func TestAutoRestartLimits(t *testing.T) {
	for which, more := range map[string]string{"count": "AutoRestartCount 1\n", "rate": "AutoRestartRate 1/1h\n"} {
		t.Run(which, func(t *testing.T) {
			w := newWorld(t)
			w.configure("AutoRestart yes\n" + more)
			p := w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", w.path("s"))
			worker := 0
			for range 2 {
				worker = w.worker(p.Cmd.Process.Pid, worker)
				must(t, syscall.Kill(worker, syscall.SIGKILL))
			}
			if code := p.Wait(patience); code != 69 {
				t.Errorf("exit %d, want 69", code)
			}
			w.logged("err maximum restart " + which + " exceeded")
			if n := w.log.count("restarting"); n != 1 {
				t.Errorf("restarted %d times, want once:\n%s", n, w.log)
			}
		})
	}
}

// A filter that cannot even start is not tried again and again.
func TestAutoRestartGivesUpAtOnceOnAnError(t *testing.T) {
	w := newWorld(t)
	w.configure("AutoRestart yes\nSocket local:DIR/nowhere/s\n")
	r := w.run("", "opendkim", "-f", "-x", "DIR/opendkim.conf")
	if r.code != 69 || strings.Count(r.err, "nowhere/s") != 1 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
