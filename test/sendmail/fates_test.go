package sendmail

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/smtptest"
)

// strict are options with an effect on each kind of mail from outside.
const (
	strict = "On-BadSignature reject\nOn-KeyNotFound tempfail\nOn-NoSignature discard\n"
	moves  = "RedirectFailuresTo abuse.%@example.com\n"
	hold   = "On-BadSignature quarantine\nCaptureUnknownErrors yes\n"
)

// TestFates: what is done with bad mail, and in which words Sendmail tells it,
// is the same with OpenDKIM.
func TestFates(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	m.start(m.entrances([]entrance{
		behind("dojang", w.filter(filtertest.Ours(t), w.unix("ours"), strict)),
		behind("opendkim", w.filter(opendkim(t), w.unix("theirs"), strict)),
		behind("dojang-moves", w.filter(filtertest.Ours(t), w.unix("ours-moves"), strings.Replace(moves, "%", "dojang", 1))),
		behind("opendkim-moves", w.filter(opendkim(t), w.unix("theirs-moves"), strings.Replace(moves, "%", "opendkim", 1))),
		behind("dojang-hold", w.filter(filtertest.Ours(t), w.unix("ours-hold"), hold)),
		behind("opendkim-hold", w.filter(opendkim(t), w.unix("theirs-hold"), hold)),
	}))
	good := w.signOutside(t, letter("a@example.org", "", "Hello.\r\n"), "relaxed/simple")[0]
	bad := bytes.Replace(good, []byte("Hello"), []byte("Hallo"), 1)
	keyless := bytes.Replace(good, []byte("s=org"), []byte("s=lost"), 1)
	for _, e := range []string{"dojang", "opendkim"} {
		t.Run(e, func(t *testing.T) {
			c := m.dial(t, e, outsideIP)
			data := func(code int, message []byte, want string) {
				t.Helper()
				c.Envelope("a@example.org", "strict."+e+"@example.com")
				if got := c.Data(code, message); got != want {
					t.Errorf("%d %s, want %s", code, got, want)
				}
			}
			data(550, bad, "5.7.0 bad DKIM signature data")
			data(451, keyless, "4.7.5 DKIM key retrieval failed")
			c.Send("a@example.org", "discarded."+e+"@example.com", letter("a@example.org", "", "Hello.\r\n"))
			c.Send("a@example.org", "good."+e+"@example.com", good)
			c.Quit()
			m.far.Await(t, "good."+e+"@example.com")
			for _, rcpt := range []string{"strict.", "discarded."} {
				if got := m.far.Look(rcpt + e + "@example.com"); got != nil {
					t.Errorf("%s was delivered: %q", rcpt, got)
				}
			}
		})
		t.Run(e+" redirects", func(t *testing.T) {
			c := m.dial(t, e+"-moves", outsideIP)
			c.Send("a@example.org", "moved."+e+"@example.com", bad)
			c.Quit()
			got := smtptest.Fields(m.far.Await(t, "abuse."+e+"@example.com"), "Original-Recipient")
			if len(got) != 1 || got[0] != "rfc822;moved."+e+"@example.com" {
				t.Errorf("Original-Recipient %q", got)
			}
			if got := m.far.Look("moved." + e + "@example.com"); got != nil {
				t.Errorf("it went to its recipient: %q", got)
			}
		})
		t.Run(e+" quarantines", func(t *testing.T) {
			c := m.dial(t, e+"-hold", outsideIP)
			id := c.Send("a@example.org", "held."+e+"@example.com", bad)
			c.Quit()
			// Sendmail keeps what is held under another name, hf for qf, with the reason
			// behind a q.
			held, err := os.ReadFile(m.path("queue/hf" + id))
			must(t, err)
			for _, want := range []string{"\nqopendkim\n", "dkim=fail"} {
				if !strings.Contains(string(held), want) {
					t.Errorf("no %q in\n%s", want, held)
				}
			}
			if got := m.far.Look("held." + e + "@example.com"); got != nil {
				t.Errorf("it was delivered: %q", got)
			}
		})
	}
	listed, err := m.command("-C", m.path("sendmail.cf"), "-bp", "-qQ").CombinedOutput()
	must(t, err)
	if n := strings.Count(string(listed), "QUARANTINE: opendkim"); n != 2 {
		t.Errorf("mailq -qQ lists %d:\n%s", n, listed)
	}
	left, err := filepath.Glob(m.path("queue/[qdt]f*"))
	must(t, err)
	if len(left) != 2 { // the bodies of the two that are held
		t.Errorf("left in the queue: %q", left)
	}
}
