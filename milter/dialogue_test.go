package milter

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wholeOptions() Options {
	return Options{
		Actions: AllActions, NoReply: StepHeader, WantSkip: true, WantHeaderLeadingSpace: true,
		Skip: StepHelo | StepUnknown | StepData,
	}
}

func TestWholeMessage(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			rec := &recorder{atEnd: func(c *Conn, e *Edits) Response {
				for _, want := range [][2]string{{"j", "filter.example"}, {"{j}", "filter.example"},
					{"daemon_name", "smtpd"}, {"i", "4XyZ"}, {"{auth_type}", "PLAIN"}, {"none", ""}} {
					if got := c.Macro(want[0]); got != want[1] {
						t.Errorf("macro %s = %q, want %q", want[0], got, want[1])
					}
				}
				e.InsertHeader(0, "X-One", " a\r\n\tb")
				e.AddHeader("X-Two", "c")
				e.DeleteHeader(1, "To")
				return Accept
			}}
			h := start(t, network, wholeOptions(), rec)
			c := h.dial(ClientOptions{})
			m := sampleMessage()
			m.Addr = ConnAddr{Family: FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 1025}
			o := send(t, c, m)
			if o.Final.Kind != ReplyAccept || o.Step != CommandEndOfMessage {
				t.Errorf("final %v at %c", o.Final, o.Step)
			}
			want := []Edit{
				{Kind: ReplyInsertHeader, Name: "X-One", Value: " a\n\tb"},
				{Kind: ReplyAddHeader, Name: "X-Two", Value: " c"},
				{Kind: ReplyChangeHeader, Index: 1, Name: "To"},
			}
			if d := cmp.Diff(want, o.Edits); d != "" {
				t.Error(d)
			}
			c.Quit()
			waitFor(t, "the close", func() bool { return h.server.Connections() == 0 })
			if d := cmp.Diff([]string{
				"NEGOTIATED 6", "CONNECT mx.example.com 192.0.2.1:1025", "MAIL <a@example.com> SIZE=9", "RCPT <b@example.org>",
				"HEADER From: a@example.com", "HEADER To: b@example.org", "HEADER Subject: one\n\ttwo", "EOH", `BODY "Hello\r\n"`, "EOM", "CLOSE",
			}, rec.all()); d != "" {
				t.Error(d)
			}
			if l := h.logged(); len(l) > 0 {
				t.Error(l)
			}
			applied := string(Apply(m.Raw, o.Edits))
			if applied != "X-One: a\r\n\tb\r\nFrom: a@example.com\r\nSubject: one\r\n\ttwo\r\nX-Two: c\r\n\r\nHello\r\n" {
				t.Errorf("%q", applied)
			}
		})
	}
}

func TestOldProtocolVersions(t *testing.T) {
	for version := uint32(2); version <= 6; version++ {
		rec := &recorder{atEnd: func(c *Conn, e *Edits) Response {
			e.InsertHeader(0, "X", " a")
			return Accept
		}}
		h := start(t, "unix", wholeOptions(), rec)
		c := h.dial(ClientOptions{Version: version})
		o := send(t, c, sampleMessage())
		if o.Final.Kind != ReplyAccept {
			t.Errorf("version %d: %v", version, o.Final)
		}
		if d := cmp.Diff([]Edit{{Kind: ReplyInsertHeader, Name: "X", Value: " a"}}, o.Edits); d != "" {
			t.Errorf("version %d: %s", version, d)
		}
		if n := rec.agreed(); n.Version != version || n.LeadingSpace != (version == 6) || n.Actions == 0 {
			t.Errorf("%+v", n)
		}
		want := "HEADER From:a@example.com"
		if version == 6 {
			want = "HEADER From: a@example.com"
		}
		found := false
		for _, call := range rec.all() {
			found = found || call == want
		}
		if !found {
			t.Errorf("version %d: no %q in %q", version, want, rec.all())
		}
	}
}
