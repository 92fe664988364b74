package rehearse

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// TestEndCountsAll: connections that our half has not yet accepted when the rehearsal is
// ended are compared like the others.
func TestEndCountsAll(t *testing.T) {
	s := newStage(t)
	configuration := s.configured("")
	old := filtertest.Start(t, filtertest.Ours(t), testutil.SecureDir(t), configuration, nil)
	r := s.rehearse(t, old.Socket, "", configuration)
	half := r.half(t)
	kill(t, half, syscall.SIGSTOP)
	defer syscall.Kill(half, syscall.SIGCONT) // it may have ended
	const connections = 400
	for i := range connections {
		c, err := milter.Dial("unix", r.socket, milter.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), numbered(s.mail(t)["ours"], fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if err := c.Quit(); err != nil {
			t.Fatal(err)
		}
	}
	r.Signal(os.Interrupt)
	kill(t, half, syscall.SIGCONT)
	if code := r.Wait(2 * patience); code != 0 {
		t.Errorf("dojang rehearse ends with %d: %s", code, r.Process)
	}
	if _, n := r.told(t); n.Messages != connections || n.Same != connections {
		t.Errorf("of %d messages: %+v", connections, n)
	}
}

// TestLivingFilterReloads: the filter in service is not there when the rehearsal begins,
// comes, reads its configuration again in the middle of mail, goes and comes again. The
// mail fares as it would without a rehearsal, and what was whole is compared.
func TestLivingFilterReloads(t *testing.T) {
	for name, program := range map[string]string{"opendkim": testutil.Need(t, "opendkim"), "ours": filtertest.Ours(t)} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			configuration := s.configured("Mode s\n") // OpenDKIM forgets TestPublicKeys when it reloads
			dir := testutil.SecureDir(t)
			r := s.rehearse(t, filepath.Join(dir, "s"), "", configuration)
			if c, err := milter.Dial("unix", r.socket, milter.ClientOptions{}); err == nil {
				c.Close()
				t.Error("a filter that is not there negotiates")
			}
			old := filtertest.Start(t, program, dir, configuration, nil)
			sent := load(t, r.socket, s.mail(t), 3, 10)
			stop, reloading := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(reloading)
				for {
					select {
					case <-stop:
						return
					default:
						old.Signal(syscall.SIGUSR1)
						proctest.Dials("unix", old.Socket)() // opendkim looks for the signal when it is connected to
					}
				}
			}()
			sent += load(t, r.socket, s.mail(t), 3, 20)
			close(stop)
			<-reloading
			old.Signal(syscall.SIGKILL)
			old.Wait(patience)
			if err := os.Remove(old.Socket); err != nil {
				t.Fatal(err)
			}
			filtertest.Start(t, program, dir, configuration, nil)
			sent += load(t, r.socket, s.mail(t), 3, 10)
			reports, n := r.end(t)
			for i, report := range reports {
				for _, d := range report.Differences {
					if d.Documented == "" && i < 5 {
						t.Errorf("%s: %+v\n%q", report.Job, d, report.Log)
					}
				}
			}
			if n.Messages < sent || n.Messages != n.Same+n.Documented || n.Dropped != 0 || n.Restarts != 0 {
				t.Errorf("of %d messages: %+v", sent, n)
			}
		})
	}
}
