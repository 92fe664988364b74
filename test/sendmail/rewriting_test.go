package sendmail

import (
	"fmt"
	"strings"
	"testing"

	"dojang/internal/testutil/filtertest"
)

// TestRewriting: Sendmail writes lists of addresses anew when it sends a message
// on, which is after the filter has signed it. What that breaks, and what helps,
// is the same with OpenDKIM.
func TestRewriting(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	const (
		relaxed = "Canonicalization relaxed/simple\n"
		omit    = relaxed + "OmitHeaders To,Cc,Reply-To\n"
		rules   = relaxed + "ReplaceRules DIR/rules\nReplaceHeaders To,Cc,Reply-To\n"
	)
	w.write("rules", ",[[:space:]]*\t, \n")
	filters := []entrance{
		behind("simple", w.filter(filtertest.Ours(t), w.unix("1"), "")),
		behind("relaxed", w.filter(filtertest.Ours(t), w.unix("2"), relaxed)),
		behind("omit", w.filter(filtertest.Ours(t), w.unix("3"), omit)),
		behind("opendkim-simple", w.filter(opendkim(t), w.unix("4"), "")),
		behind("opendkim-relaxed", w.filter(opendkim(t), w.unix("5"), relaxed)),
		behind("opendkim-omit", w.filter(opendkim(t), w.unix("6"), omit)),
		behind("rules", w.filter(filtertest.Ours(t), w.unix("7"), rules)), // OpenDKIM does not come back from such a rule
	}
	m.start(m.entrances(filters))
	cases := []struct{ field, sent, simple, relaxed, rules string }{
		{"To: a@example.com, Bob   Doe <b@example.com>", "", "pass", "pass", "pass"},
		{"To:\ta@example.com", "To: a@example.com", "fail", "pass", "pass"},
		{"To: \"Doe,Ann\" <a@example.com>", "", "pass", "pass", "fail"},
		{"To: 여우 <a@example.com>, b@example.com (Bob)", "", "pass", "pass", "pass"},
		{"Cc: a@example.com,\r\n b@example.com,\r\n\tc@example.com", "Cc: a@example.com, b@example.com, c@example.com", "fail", "pass", "pass"},
		{"Cc: a@example.com" + strings.Repeat(", Somebody <b@example.com>", 3),
			"Cc: a@example.com, Somebody <b@example.com>, Somebody <b@example.com>,\r\n        Somebody <b@example.com>", "fail", "pass", "pass"},
		{"To: a@example.com,b@example.com", "To: a@example.com, b@example.com", "fail", "fail", "pass"},
		{"Reply-To: a@example.com,b@example.com", "Reply-To: a@example.com, b@example.com", "fail", "fail", "pass"},
		{"Cc: root", "Cc: root@" + host, "fail", "fail", "fail"},
		{"Subject: a,b\r\n\tc", "", "pass", "pass", "pass"},
	}
	rcpt := func(e entrance, i int) string { return fmt.Sprintf("%s%d@example.net", e.name, i) }
	for _, e := range filters {
		session := m.dial(t, e.name, insideIP)
		for i, c := range cases {
			session.Send("user@example.com", rcpt(e, i),
				[]byte("From: Sender <user@example.com>\r\n"+c.field+"\r\nDate: Mon, 02 Nov 2026 09:30:00 +0900\r\n\r\nHello.\r\n"))
		}
		session.Quit()
	}
	var got [][]byte
	for i, c := range cases {
		for _, e := range filters {
			got = append(got, m.far.Await(t, rcpt(e, i)))
		}
		if c.sent == "" {
			c.sent = c.field
		}
		if last := got[len(got)-1]; !strings.Contains(string(last), "\r\n"+c.sent+"\r\n") {
			t.Errorf("Sendmail does not send %q but\n%s", c.sent, last)
		}
	}
	verdicts := w.verdicts(t, got...)
	for i, c := range cases {
		want := []string{c.simple, c.relaxed, "pass", c.simple, c.relaxed, "pass", c.rules}
		for j, e := range filters {
			if got := verdicts[i*len(filters)+j]; got != want[j]+" d=example.com s=s1 i=@example.com" {
				t.Errorf("%s, %q: Mail::DKIM says %q, want %s", e.name, c.field, got, want[j])
			}
		}
	}
}
