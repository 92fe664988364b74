package rotate

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func (w *world) emergency(keep time.Duration, domains ...string) (Outcome, error) {
	for _, s := range w.servers {
		for name := range s.has {
			w.exempt[name] = true
		}
	}
	for _, d := range []string{"a.example", "p.example"} {
		for _, s := range []string{"20261129", "20261129b", "20261129c", "20261129d"} {
			w.exempt[recordName(s, d)] = true
		}
	}
	return w.do(func(r *Rotator) (Outcome, error) { return r.Emergency(context.Background(), keep, domains...) })
}

// An emergency needs no adoption, and ends by itself with the old record revoked and the
// old key deleted.
func TestEmergency(t *testing.T) {
	w := newWorld(t, "Zone * p\n", twoDomains)
	if out, err := w.emergency(0); err != nil || out.Blocked+out.Retry > 0 {
		t.Fatalf("%+v, %v\n%s", out, err, w.states())
	}
	w.expect("a.example: old=revoked 20261129=signing; p.example: one=revoked 20261129=signing; ")
	for _, s := range []string{"old._domainkey.a.example", "one._domainkey.p.example", "two._domainkey.p.example"} {
		if text, _ := w.servers[1].at(s); !isRevoked(text) {
			t.Errorf("%s is %q", s, text)
		}
	}
	for _, gone := range []string{"a.private", "p1.private", "p2.private"} {
		if _, err := os.Stat(w.dir + "/" + gone); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	w.finish()
}

func TestEmergencyKeepsOldForAWhile(t *testing.T) {
	w := newOne(t, "")
	w.start("a.example") // one that is on its way is given up
	if _, err := w.emergency(100*time.Second, "a.example"); err != nil {
		t.Fatal(err)
	}
	w.expect("a.example: old=resting 20261129b=signing; ")
	w.runFor(4, "")
	w.expect("old=resting")
	w.runFor(4, "")
	w.expect("old=revoked")
	w.finish()
}

// A lagging host keeps neither the emergency nor the revocation; its key file stays until
// it has switched.
func TestEmergencyWithLaggingHost(t *testing.T) {
	w := newOne(t, "")
	w.filters[1].lags = true
	if _, err := w.emergency(0, "a.example"); err != nil {
		t.Fatal(err)
	}
	w.expect("old=revoked 20261129=signing")
	if _, err := os.Stat(w.dir + "/a.private"); err != nil {
		t.Error("the key was deleted under a host that uses it")
	}
	w.filters[1].lags = false
	w.filters[1].read()
	w.runFor(1, "")
	if _, err := os.Stat(w.dir + "/a.private"); err == nil {
		t.Error("the key is still there")
	}
	w.finish()
}

// A key that was lost or exchanged before its row was written is given up, by hand or by
// an emergency, and mail goes on being signed.
func TestLostKeyIsGivenUp(t *testing.T) {
	for name, spoil := range map[string]func(path, old string) error{
		"gone":     func(path, _ string) error { return os.Remove(path) },
		"another":  func(path, old string) error { return os.WriteFile(path, must(os.ReadFile(old)), 0o600) },
		"half":     func(path, _ string) error { return os.Truncate(path, 40) },
		"a pipe":   func(path, _ string) error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)) },
		"a folder": func(path, _ string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newOne(t, "")
			w.start("a.example")
			path := w.dir + "/a.example.20261129.private"
			if err := spoil(path, w.dir+"/a.private"); err != nil {
				t.Fatal(err)
			}
			w.runFor(20, "(cannot-write-table")
			w.expect("old=signing 20261129=switching(cannot-write-table")
			if !strings.Contains(w.log.String(), "dojang rotate abort a.example") {
				t.Errorf("it does not say what to do:\n%s", &w.log)
			}
			if name == "half" {
				if _, err := w.emergency(0, "a.example"); err != nil {
					t.Fatal(err)
				}
				w.expect("20261129b=signing")
			} else if _, err := w.do(func(r *Rotator) (Outcome, error) { return r.Abort(t.Context(), "a.example") }); err != nil {
				t.Fatal(err)
			} else {
				w.reach(60, "a.example: old=signing; ")
			}
			w.finish()
		})
	}
}

// What keeps an emergency is told once, however often it is tried.
func TestEmergencyComplainsOnce(t *testing.T) {
	w := newOne(t, "")
	w.filters[0].down = true
	if out, err := w.emergency(0); err != nil || out.Retry != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if n := strings.Count(w.log.String(), "was not told"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &w.log)
	}
}
