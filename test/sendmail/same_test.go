package sendmail

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"dojang/internal/testutil/filtertest"
	"dojang/internal/testutil/smtptest"
)

// letter is a message with further header fields.
func letter(from, fields, body string) []byte {
	return []byte("From: Sender <" + from +
		">\r\nTo: friend@example.com\r\nSubject: a letter\r\nDate: Mon, 02 Nov 2026 09:30:00 +0900\r\n" +
		"Message-ID: <1@client.example>\r\n" + fields + "\r\n" + body)
}

// awkward are header fields and a body that a change of one octet on the way,
// or between Sendmail and filter, would spoil.
const (
	awkward = "X-One:no blank\r\nX-Two:  two blanks\r\nX-Three:\ttab\r\nX-Four: folded\r\n  twice,\r\n\tthe second time by a tab  \r\n" +
		"X-Five:\r\nX-Six:   \r\nX-Seven:\r\n text on the second line, 여우개 \xff\xfe\r\n"
	awkwardBody = "여우개, 도장 \xff\xfe\x80\r\n.dot\r\n..\r\n\ttab and blanks  \r\n \r\n\r\n\r\n"
)

// TestSame: dojang over TCP and over a UNIX socket, and OpenDKIM, do the same
// behind the same Sendmail, and it is the right thing.
func TestSame(t *testing.T) {
	m, w := newMTA(t), newWorld(t)
	filters := []entrance{
		behind("dojang-inet", w.filter(filtertest.Ours(t), w.tcp(), "AlwaysAddARHeader yes\n")),
		behind("dojang-local", w.filter(filtertest.Ours(t), w.unix("ours"), "AlwaysAddARHeader yes\n")),
		behind("opendkim", w.filter(opendkim(t), w.unix("theirs"), "AlwaysAddARHeader yes\n")),
	}
	m.start(m.entrances(filters))
	letters := w.letters(t)
	for _, e := range filters {
		t.Run(e.name, func(t *testing.T) { m.passages(t, w, e.name, letters) })
	}
}

// passage is a message's way through Sendmail and what is seen at its end.
type passage struct {
	name    string
	from    string // address of the client, or "login"
	message []byte
	signed  string   // Mail::DKIM's verdicts
	results []string // Authentication-Results, top down
}

const (
	ourSignature = "pass d=example.com s=s1 i=@example.com"
	passed       = host + "; dkim=pass (2048-bit key) header.d=example.org header.i=@example.org header.a=rsa-sha256 " +
		"header.s=org header.b=B"
	damaged = host + `; dkim=fail reason="signature verification failed" (2048-bit key) header.d=example.org header.i=@example.org header.a=rsa-sha256 header.s=org header.b=B`
	theirs  = "mx.example.org; spf=pass smtp.mailfrom=a@example.org"
)

func (w *world) letters(t *testing.T) []passage {
	our := func(fields, body string) []byte { return letter("user@example.com", fields, body) }
	far := w.signOutside(t, letter("a@example.org", awkward, awkwardBody), "simple/simple", "relaxed/relaxed")
	claim := "Authentication-Results: " + host + "; dkim=pass header.d=bank.example\r\n"
	return []passage{
		{"inside", insideIP, our("", "Hello.\r\n"), ourSignature, nil},
		{"login", "login", our("", "Hello.\r\n"), ourSignature, nil},
		{"outside", outsideIP, our("", "Hello.\r\n"), "", []string{host + "; dkim=none"}},
		{"awkward", insideIP, our(awkward, awkwardBody), ourSignature, nil},
		{"empty", insideIP, our("", ""), ourSignature, nil},
		{"blank lines", insideIP, our("", "\r\n\r\n\r\n"), ourSignature, nil},
		{"long lines", insideIP, our("", strings.Repeat(strings.Repeat("x", 900)+"\r\n", 300)), ourSignature, nil},
		{"no date", insideIP, bytes.Replace(our("", "Hello.\r\n"), []byte("Date: Mon, 02 Nov 2026 09:30:00 +0900\r\n"), nil, 1), ourSignature, nil},
		{"signed simple", outsideIP, far[0], "pass d=example.org s=org i=@example.org", []string{passed}},
		{"signed relaxed", outsideIP, far[1], "pass d=example.org s=org i=@example.org", []string{passed}},
		{"damaged", outsideIP, bytes.Replace(far[1], []byte(".dot"), []byte(".dog"), 1), "fail d=example.org s=org i=@example.org", []string{damaged}},
		{"forged", outsideIP, append([]byte(claim+"X-Between: 1\r\n"+claim+"Authentication-Results: "+theirs+"\r\n"+claim), letter("a@example.org", "", "Hello.\r\n")...),
			"", []string{host + "; dkim=none", theirs}},
	}
}

// passages sends messages by an entrance and looks at what arrives.
func (m *mta) passages(t *testing.T, w *world, entrance string, list []passage) {
	var got [][]byte
	for _, p := range list {
		from := p.from
		if from == "login" {
			from = outsideIP
		}
		c := m.dial(t, entrance, from)
		if p.from == "login" {
			login(c)
		}
		c.Send("user@example.net", p.rcpt(entrance), p.message)
		c.Quit()
	}
	for _, p := range list { // Sendmail takes its time over each delivery, and makes them at once
		got = append(got, m.far.Await(t, p.rcpt(entrance)))
	}
	verdicts := w.verdicts(t, got...)
	for i, p := range list {
		if verdicts[i] != p.signed {
			t.Errorf("%s: Mail::DKIM says %q, want %q of:\n%.3000q", p.name, verdicts[i], p.signed, got[i])
		}
		if results := strings.Join(results(got[i]), "\n"); results != strings.Join(p.results, "\n") {
			t.Errorf("%s: Authentication-Results:\n%s\nwant\n%s", p.name, results, strings.Join(p.results, "\n"))
		}
	}
}

func (p passage) rcpt(entrance string) string {
	return strings.ReplaceAll(p.name, " ", ".") + "." + entrance + "@example.com"
}

// results are a message's Authentication-Results, without what is the
// signature's own and the result that only OpenDKIM gives (docs/differences.md).
func results(message []byte) []string {
	values := smtptest.Fields(message, "Authentication-Results")
	for i, v := range values {
		values[i] = strings.TrimSuffix(shortB.ReplaceAllString(v, "header.b=B"), "; dkim-atps=neutral")
	}
	return values
}

var shortB = regexp.MustCompile(`header\.b="?[A-Za-z0-9+/]{8}"?`)
