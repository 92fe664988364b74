package sendmail

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/explain"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
)

// TestRewritingIsExplained: what Sendmail makes of lists of addresses and of display names
// is proved, and Mail::DKIM verifies the message once it is undone.
func TestRewritingIsExplained(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	filters := []entrance{behind("relaxed", w.filter(filtertest.Ours(t), w.unix("1"), "Canonicalization relaxed/simple\n")),
		behind("simple", w.filter(filtertest.Ours(t), w.unix("2"), ""))}
	m.start(m.entrances(filters))
	fields := []string{
		"To: Joe O'Brien <a@example.com>", "To: Dr. Joe Doe <a@example.com>", "Cc: Dr. Joe Doe <a@example.com>, Ann O'Brien <b@example.com>, c@example.com",
		"To: a@example.com,b@example.com", "Reply-To: a@example.com,b@example.com", "Cc: a@example.com,\r\n b@example.com,\r\n\tc@example.com", "To:\ta@example.com",
		"Cc: Dr. Joe Doe <a@example.com>,Ann O'Brien <b@example.com>" + strings.Repeat(", Somebody <b@example.com>", 3),
	}
	var undone [][]byte
	broken := 0
	for _, e := range filters {
		session := m.dial(t, e.name, insideIP)
		for i, field := range fields {
			rcpt := fmt.Sprintf("x%s%d@example.net", e.name, i)
			session.Send("user@example.com", rcpt, []byte("From: Sender <user@example.com>\r\n"+field+"\r\nDate: Mon, 02 Nov "+
				"2026 09:30:00 +0900\r\n\r\nHello.\r\n"))
			text := string(m.far.Await(t, rcpt))
			s := explainOne(t, text)
			for _, c := range s.Causes {
				if !c.Proved || c.Is == "" || !strings.Contains(text, c.Is) {
					t.Errorf("%s, %q: %+v\n%s", e.name, field, c, text)
				}
				text = strings.Replace(text, c.Is, c.Was, 1)
				broken++
			}
			undone = append(undone, []byte(text))
		}
		session.Quit()
	}
	if broken < 8 {
		t.Errorf("Sendmail broke only %d", broken)
	}
	for i, verdict := range w.verdicts(t, undone...) {
		if !strings.HasPrefix(verdict, "pass ") {
			t.Errorf("Mail::DKIM says %q of\n%s", verdict, undone[i])
		}
	}
}

// TestNamesAreLeftAlone: with confMUST_QUOTE_CHARS as the walk-through has it, Sendmail puts no
// quotes around names, and signatures last.
func TestNamesAreLeftAlone(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	filters := []entrance{behind("relaxed", w.filter(filtertest.Ours(t), w.unix("1"), "Canonicalization relaxed/simple\n"))}
	m.start("define(`confMUST_QUOTE_CHARS', `%')dnl\n" + m.entrances(filters))
	session := m.dial(t, "relaxed", insideIP)
	session.Send("user@example.com", "names@example.net", []byte("From: Dr. O'Brien <user@example.com>\r\nTo: Dr. Joe Doe "+
		"<a@example.com>\r\nDate: Mon, 02 Nov 2026 09:30:00 +0900\r\n\r\nHello.\r\n"))
	session.Quit()
	text := m.far.Await(t, "names@example.net")
	if verdict := w.verdicts(t, text)[0]; !strings.HasPrefix(verdict, "pass ") || !strings.Contains(string(text), "From: Dr. O'Brien <") {
		t.Errorf("Mail::DKIM says %q of\n%s", verdict, text)
	}
}

// explainOne explains a message's one signature by the key of example.com.
func explainOne(t *testing.T, text string) explain.Signature {
	t.Helper()
	fields, body, err := header.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	v := dkim.NewVerifier(explain.Evidence(time.Now()), fields, &bodies)
	bodies.Write(body)
	bodies.Close()
	for _, q := range v.Queries() {
		v.SetKey(q, dkim.KeyAnswer{Texts: []string{testutil.KeyRecord(testutil.RSAKey())}})
	}
	stories := explain.Signatures(t.Context(), fields, body, v.Finish(), time.Now())
	if len(stories) != 1 {
		t.Fatalf("%d signatures of\n%s", len(stories), text)
	}
	return stories[0]
}
