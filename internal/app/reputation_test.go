package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
	"dojang/milter"
)

// What ReputationCache and FlowData are for: a domain at its limit is still there
// after a restart.
func TestCountsOutliveARestart(t *testing.T) {
	for _, c := range []struct {
		option, limit, deferred string
		also                    string // files that keep nothing
	}{
		{"ReputationCache", "ReputationLimits csl:unsigned=1\n", "450 4.7.1 too much mail", "FlowData"},
		{"FlowData", "RateLimits csl:.=1\n", "tempfail", "ReputationCache"},
	} {
		for _, keeps := range []bool{true, false} {
			dir := t.TempDir()
			path := filepath.Join(dir, "counts")
			option := c.option
			if !keeps {
				option = c.also
			}
			s := newServer(t, c.limit+option+" "+path+"\n")
			for restart, over := range []bool{false, keeps} {
				m := stranger
				m.Raw = append(m.Raw[:len(m.Raw):len(m.Raw)], byte('a'+restart), '\r', '\n')
				out, err := s.dial().Send(t.Context(), m)
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Contains(out.Final.String(), c.deferred); got != over {
					t.Errorf("%s after %d restarts, kept %v: %s, want over %v", c.option, restart, keeps, out.Final.String(), over)
				}
				s.halt()
				s.start()
			}
			info, err := os.Stat(path)
			if keeps != (err == nil) || keeps && info.Mode().Perm() != 0o600 {
				t.Errorf("%s, kept %v: %v, %v", c.option, keeps, info, err)
			}
		}
	}
}

var stranger = milter.Message{
	Envelope: milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1")},
		From: "a@example.net", Rcpts: []string{"b@example.org"}},
	Macros: map[string]string{"i": "JOB", "j": "mx.example.com"},
	Raw:    []byte("From: a@example.net\r\nTo: b@example.org\r\nSubject: s\r\n\r\nhello\r\n"),
}

// A crash loses little: the file is written while the filter serves.
func TestCountsAreWrittenNowAndThen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	s := newServer(t, "RateLimits csl:.=1\nFlowData db:"+path+"\n")
	s.halt()
	s.every = 10 * time.Millisecond
	s.start()
	if _, err := s.dial().Send(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	proctest.Until(t, time.Minute, "the file", func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// A file that is no file of counts is told and left alone; the filter serves.
func TestForeignCountsAreLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	if err := os.WriteFile(path, []byte("precious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "RateLimits csl:.=1\nFlowData "+path+"\n")
	if _, err := s.dial().Send(t.Context(), stranger); err != nil {
		t.Error(err)
	}
	s.halt()
	if text, err := os.ReadFile(path); string(text) != "precious\n" {
		t.Errorf("%q, %v", text, err)
	}
	if want := "FlowData: " + path + ": no file of counts"; !strings.Contains(s.log.String(), want) {
		t.Errorf("not told: %s\n%s", want, s.log)
	}
}

// A file that cannot be written is told once, and keeps nobody from serving.
func TestCountsThatCannotBeWritten(t *testing.T) {
	s := newServer(t, "")
	s.halt()
	s.every = 10 * time.Millisecond
	s.write("opendkim.conf", s.text("relaxed/simple")+"RateLimits csl:.=1\nFlowData /nonexistent/folder/counts\n")
	s.start()
	if _, err := s.dial().Send(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	const told = "FlowData: counts not written: "
	proctest.Until(t, time.Minute, told, func() bool { return strings.Contains(s.log.String(), told) })
	s.halt() // which writes them once more
	if n := strings.Count(s.log.String(), told); n != 1 {
		t.Errorf("told %d times:\n%s", n, s.log)
	}
}
