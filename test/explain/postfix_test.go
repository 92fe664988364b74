package explain

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/explain"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// proofs explains what real programs made of messages, wants every failing part proved with
// one of the codes, and has dkimpy verify each message with the edits undone.
func proofs(t *testing.T, record string, arrived map[string]message, want map[string][]string) {
	t.Helper()
	var claims []claim
	for name, m := range arrived {
		s := story(t, m, record)
		now := m
		var got []string
		for _, c := range s.Causes {
			got = append(got, c.Code)
			if !c.Proved {
				t.Errorf("%s: not proved: %+v", name, c)
				continue
			}
			var err error
			if now, err = undo(now, c); err != nil {
				t.Errorf("%s: %+v: %v", name, c, err)
			}
		}
		for _, code := range want[name] {
			if !slices.Contains(got, code) {
				t.Errorf("%s: %q, want %q of\n%s", name, got, code, m)
			}
		}
		if len(want[name]) == 0 && !(s.HeaderOK && s.BodyOK) {
			t.Errorf("%s is broken: %q\n%s", name, got, m)
		}
		claims = append(claims, claim{name, now.String()})
	}
	verify(t, record, claims)
}

// eightBit is a message with 8-bit text in parts at several depths.
func eightBit(coding string) message {
	part := func(kind, text string) string {
		return "Content-Type: " + kind + "; charset=utf-8\r\n" + coding + "Content-Disposition: inline\r\n\r\n" + text
	}
	return message{[]string{
		"From: Joe Example <joe@example.com>", "To: ann@example.org", "Subject: 8-bit", "Date: Mon, 02 Nov 2026 09:30:00 +0900", "Message-ID: <1@example.com>",
		"MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="outer"`,
	}, "--outer\r\nContent-Type: multipart/alternative; boundary=\"inner\"\r\n\r\n--inner\r\n" +
		part("text/plain", "Grüße aus Wien = schön \r\n\r\n-- \r\nJoe\r\n") +
		"\r\n--inner\r\n" + part("text/html", "<p>Grüße</p>\r\n") + "\r\n--inner--\r\n\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n" +
		"From: ann@example.org\r\nMIME-Version: 1.0\r\n" + part("text/plain", "zurück\r\n") + "\r\n--outer--\r\n"}
}

// TestPostfix: what Postfix makes of 8-bit text for a server without 8BITMIME, and of long
// lines, is proved.
func TestPostfix(t *testing.T) {
	record := testutil.KeyRecord(testutil.ReadKey(t, keyFile))
	far := smtptest.NewPlainSink(t)
	address := proctest.FreeAddress(t)
	smtptest.StartPostfix(t, filepath.Join(testutil.SecureDir(t), "postfix"), far,
		"myhostname = mx.example.com\nrelay_domains = example.org\n", address)
	plain := message{eightBit("").fields[:5:5], "Grüße\r\n"}
	long := func(n int) message {
		m := message{slices.Clone(plain.fields), "short\r\n" + strings.Repeat("a long line, ", n/13+1)[:n] + "\r\n.short again\r\n"}
		return m
	}
	longField := long(10)
	longField.fields[1] = "To: " + strings.Repeat("ann.of.example@example.org, ", 60) + "ann@example.org"
	said := message{append(slices.Clone(plain.fields), "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: 8bit"), "Grüße aus Wien\r\n\r\n-- \r\nJoe\r\n"}
	recoded, broken := []string{explain.CodeTransferEncoding}, []string{explain.CodeLongLines}
	cases := []struct {
		name string
		m    message
		want []string
	}{
		{"parts that say 8bit", eightBit("Content-Transfer-Encoding: 8bit\r\n"), recoded},
		{"text that says 8bit", said, recoded},
		{"a line of 998", long(998), nil},
		{"a line of 999", long(999), broken},
		{"a line of 1500", long(1500), broken},
		{"a line of 5000", long(5000), broken},
		{"a long field", longField, broken},
	}
	c := smtptest.Dial(t, address, "127.0.0.1")
	c.Expect(220)
	c.Hello()
	arrived, want := map[string]message{}, map[string][]string{}
	for i, x := range cases {
		for _, way := range []dkim.Canonicalization{dkim.Relaxed, dkim.Simple} {
			name := fmt.Sprintf("%s, %s", x.name, way)
			rcpt := fmt.Sprintf("r%d%s@example.org", i, way)
			signed := sign(t, x.m, way, way, "From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding")
			c.Send("joe@example.com", rcpt, []byte(signed.String()))
			arrived[name], want[name] = parse(string(far.Await(t, rcpt))), x.want
		}
	}
	c.Quit()
	proofs(t, record, arrived, want)
}
