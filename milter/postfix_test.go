package milter

import (
	"bytes"
	"fmt"
	"net/smtp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// Postfix drives our server, and Apply does to a message what Postfix does.
func TestPostfix(t *testing.T) {
	raw := []byte("From: a@example.com\r\nX-A: 1\r\nX-A: 2\r\n\tfolded\r\nX-A:3\r\nTo: b@example.org\r\nDate: Thu, 01 " +
		"Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nSubject: one\r\n\r\nHello\r\n")
	type edit func(e *Edits) error
	edits := map[string][]edit{
		"nothing":          nil,
		"insert first":     {func(e *Edits) error { return e.InsertHeader(0, "X-New", " a\r\n\tb") }},
		"insert twice":     {func(e *Edits) error { return e.InsertHeader(0, "X-1", "1") }, func(e *Edits) error { return e.InsertHeader(0, "X-2", "2") }},
		"insert third":     {func(e *Edits) error { return e.InsertHeader(2, "X-New", " a") }},
		"insert far":       {func(e *Edits) error { return e.InsertHeader(99, "X-New", " a") }},
		"insert after two": {func(e *Edits) error { return e.InsertHeader(0, "X-1", "1") }, func(e *Edits) error { return e.InsertHeader(1, "X-2", "2") }},
		"add":              {func(e *Edits) error { return e.AddHeader("X-New", " a") }, func(e *Edits) error { return e.AddHeader("X-New", "b") }},
		"delete second":    {func(e *Edits) error { return e.DeleteHeader(2, "x-a") }},
		"delete back to front": {func(e *Edits) error { return e.DeleteHeader(3, "X-A") }, func(e *Edits) error { return e.DeleteHeader(1, "X-A") },
			func(e *Edits) error { return e.InsertHeader(1, "X-New", "a") }},
		"delete front to back":   {func(e *Edits) error { return e.DeleteHeader(1, "X-A") }, func(e *Edits) error { return e.DeleteHeader(2, "X-A") }},
		"delete what is not":     {func(e *Edits) error { return e.DeleteHeader(4, "X-A") }, func(e *Edits) error { return e.DeleteHeader(1, "X-B") }},
		"change":                 {func(e *Edits) error { return e.ChangeHeader(2, "X-A", " two\n\tfolded") }},
		"change what is not":     {func(e *Edits) error { return e.ChangeHeader(4, "X-A", " four") }},
		"insert, change, delete": {func(e *Edits) error { return e.InsertHeader(0, "X-A", "0") }, func(e *Edits) error { return e.ChangeHeader(1, "X-A", "zero") }, func(e *Edits) error { return e.DeleteHeader(2, "X-A") }},
		"new body":               {func(e *Edits) error { return e.ReplaceBody([]byte("new\r\n")) }, func(e *Edits) error { return e.ReplaceBody([]byte("body\r\n")) }},
	}
	for _, protocol := range []string{"2", "6"} {
		t.Run("milter_protocol "+protocol, func(t *testing.T) {
			t.Parallel()
			testutil.Need(t, "postfix", "postconf")
			var now []edit
			var header bytes.Buffer
			rec := &recorder{answers: map[string]Response{"RCPT <no@example.org>": Reply(550, "5.7.0", "100% refused %s")}}
			rec.atEnd = func(c *Conn, e *Edits) Response {
				header.Reset()
				for _, call := range rec.all() {
					if f, ok := strings.CutPrefix(call, "HEADER "); ok {
						header.WriteString(f + "\n")
					}
				}
				if c.Macro("i") == "" || c.Macro("{daemon_name}") != "mx.example.com" || c.Macro("j") != "mx.example.com" {
					t.Errorf("macros %q, %q, %q", c.Macro("i"), c.Macro("daemon_name"), c.Macro("j"))
				}
				for _, f := range now {
					if err := f(e); err != nil {
						t.Error(err)
					}
				}
				return Accept
			}
			h := start(t, "tcp", Options{Actions: AllActions, WantHeaderLeadingSpace: true, WantSkip: true,
				NoReply: StepHeader, Skip: StepUnknown | StepData}, rec)
			far, smtpd := smtptest.NewSink(t), proctest.FreeAddress(t)
			smtptest.StartPostfix(t, testutil.SecureDir(t), far,
				"myhostname = mx.example.com\nmilter_default_action = tempfail\nsmtpd_milters = inet:"+
					h.address+"\nmilter_protocol = "+protocol+"\n", smtpd)
			// The connection that found Postfix ready must not be taken for a message's.
			waitFor(t, "the first connection to go", func() bool { return slices.Contains(rec.all(), "CLOSE") })
			sent := 0
			for name, list := range edits {
				now = list
				rec.mu.Lock()
				rec.calls = nil
				rec.mu.Unlock()
				rcpt := fmt.Sprintf("b%d@example.org", sent)
				sent++
				if err := smtp.SendMail(smtpd, nil, "a@example.com", []string{rcpt}, raw); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got := strings.ReplaceAll(string(far.Await(t, rcpt)), "\r\n", "\n")
				// The client's view of the same edits, from a server of the same session.
				c := h.dial(ClientOptions{})
				m := sampleMessage()
				m.Raw, m.Macros = raw, map[string]string{"i": "1", "j": "mx.example.com", "daemon_name": "mx.example.com"}
				o := send(t, c, m)
				c.Quit()
				want := strings.ReplaceAll(string(Apply(raw, o.Edits)), "\r\n", "\n")
				if d := cmp.Diff(want, withoutReceived(got)); d != "" {
					t.Errorf("%s: Apply (-), Postfix (+):\n%s", name, d)
				}
			}
			if protocol == "6" && !strings.Contains(header.String(), "X-A:3\n") {
				t.Errorf("fields as Postfix gave them: %q", header.String())
			}
			if err := smtp.SendMail(smtpd, nil, "a@example.com", []string{"no@example.org"}, raw); err == nil ||
				!strings.Contains(err.Error(), "5.7.0 100% refused %s") {
				t.Errorf("refusal: %v", err)
			}
			now = nil
			endsHeader(t, h, smtpd, far)
			if n := rec.agreed().Version; fmt.Sprint(n) != protocol && n != 6 {
				t.Errorf("version %d", n)
			}
			if l := h.logged(); len(l) > 0 {
				t.Error(l)
			}
		})
	}
}

// endsHeader: what is no field ends the header, and the client and Apply take for a field
// what Postfix does.
func endsHeader(t *testing.T, h *harness, smtpd string, far *smtptest.Sink) {
	t.Helper()
	const fields = "From: a@example.com\r\nTo: b@example.org\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
	seen := func(send func()) (told string) {
		h.rec.mu.Lock()
		h.rec.calls = nil
		h.rec.mu.Unlock()
		send()
		for _, call := range h.rec.all() {
			if strings.HasPrefix(call, "HEADER ") || strings.HasPrefix(call, "BODY ") {
				told += call + "\n"
			}
		}
		return told
	}
	version := h.rec.agreed().Version
	for i, odd := range []string{
		"no field\r\nX-A: 1\r\n\r\nHello\r\n", "X A: 1\r\n\r\nHello\r\n", ": 1\r\n\r\nHello\r\n",
		"X-\x80: 1\r\nX-A: 2\r\n\r\nHello\r\n", "X\tA: 1\r\n\r\n",
		"X-A:\r\n \r\n\t\r\nX-B: 1\r\n\r\nHello\r\n", "no end\r\n", "\r\n",
	} {
		whole, rcpt := []byte(fields+odd), fmt.Sprintf("odd%d@example.org", i)
		byPostfix := seen(func() {
			if err := smtp.SendMail(smtpd, nil, "a@example.com", []string{rcpt}, whole); err != nil {
				t.Fatalf("%q: %v", odd, err)
			}
		})
		delivered := strings.ReplaceAll(string(far.Await(t, rcpt)), "\r\n", "\n")
		byClient := seen(func() {
			c := h.dial(ClientOptions{Version: version})
			m := sampleMessage()
			m.Raw, m.Macros = whole, map[string]string{"i": "1", "j": "mx.example.com", "daemon_name": "mx.example.com"}
			send(t, c, m)
			c.Quit()
		})
		if d := cmp.Diff(byPostfix, byClient); d != "" {
			t.Errorf("%q: Postfix (-), client (+):\n%s", odd, d)
		}
		if d := cmp.Diff(withoutReceived(delivered), strings.ReplaceAll(string(Apply(whole, nil)), "\r\n", "\n")); d != "" {
			t.Errorf("%q: Postfix (-), Apply (+):\n%s", odd, d)
		}
	}
}

// withoutReceived takes off the field Postfix makes itself.
func withoutReceived(message string) string {
	var b strings.Builder
	rest := []byte(message)
	for {
		field, next := nextField(rest)
		if field == nil {
			return b.String() + string(rest)
		}
		if !bytes.HasPrefix(field, []byte("Received:")) {
			b.Write(rest[:len(rest)-len(next)])
		}
		rest = next
	}
}
