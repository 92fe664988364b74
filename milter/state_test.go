package milter

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTrap05StateSurvivesNothing: macros, the body's skip and a verdict of one
// message are gone in the next, however the one before ended.
func TestTrap05StateSurvivesNothing(t *testing.T) {
	var seen []string
	rec := &recorder{}
	rec.answers = map[string]Response{"MAIL <skip@x>": Continue, `BODY "skip"`: Skip, "MAIL <reject@x>": Reject}
	rec.onCall = func(call string) {
		switch call {
		case "MAIL", "EOM", "HELO", "ABORT", "UNKNOWN":
			var macros []string
			for _, name := range []string{"j", "h", "i", "r", "b"} {
				macros = append(macros, rec.conn.Macro(name))
			}
			seen = append(seen, call+" "+strings.Join(macros, ","))
		}
	}
	h := start(t, "unix", Options{WantSkip: true}, rec)
	c := h.dial(ClientOptions{})
	step := func(a *Answer, err error) *Answer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	c.Macro('C', "j", "J")
	step(c.Connect("host", ConnAddr{}))
	c.Macro('H', "h", "H")
	step(c.Helo("h"))

	c.Macro('M', "{i}", "1")
	step(c.Mail("<a@x>"))
	c.Macro('R', "{r}", "R", "i", "1b")
	step(c.Rcpt("<b@x>"))
	c.Abort()
	step(c.Unknown("NOOP"))

	// Macros for a MAIL that is given up before it comes.
	c.Macro('M', "i", "2")
	c.Abort()
	c.Macro('R', "r", "R")
	step(c.Mail("<no-macros@x>"))
	step(c.EndOfHeader())
	c.Macro('B', "b", "B")
	if a := step(c.Body([]byte("skip"))); a.Kind != ReplySkip {
		t.Errorf("skip: %v", a)
	}
	c.skipBody = false
	if a := step(c.Body([]byte("more"))); a.Kind != ReplyContinue {
		t.Errorf("after skip: %v", a)
	}
	c.EndOfMessage()
	step(c.Unknown("NOOP")) // between messages there are none

	c.Macro('M', "i", "3")
	step(c.Mail("<a@x>"))
	c.Macro('R', "r", "R")
	step(c.Rcpt("<b@x>"))
	step(c.EndOfHeader())
	step(c.Body([]byte("third")))
	// A new MAIL without ABORT, its macros before it.
	c.Macro('M', "i", "4")
	step(c.Mail("<a@x>"))
	step(c.EndOfHeader())
	c.EndOfMessage()

	c.Macro('M', "i", "5")
	if a := step(c.Mail("<reject@x>")); a.Kind != ReplyReject {
		t.Error(a)
	}
	step(c.Mail("<a@x>")) // macros of the rejected one must be gone
	step(c.EndOfHeader())
	c.EndOfMessage()

	c.Macro('M', "i", "gone")
	c.QuitNC()
	c.Macro('R', "r", "R")
	step(c.Connect("other", ConnAddr{Family: FamilyLocal, Path: "/run/x"}))
	step(c.Mail("<a@x>"))
	c.Macro('M', "i", "6")
	step(c.Mail("<a@x>"))
	c.Quit()
	waitFor(t, "the end", func() bool { return h.server.Connections() == 0 })

	want := []string{
		"HELO J,H,,,",
		"MAIL J,H,1,,", "ABORT J,H,1b,R,", "UNKNOWN J,H,,,",
		"MAIL J,H,,,", "EOM J,H,,,B", "UNKNOWN J,H,,,",
		"MAIL J,H,3,,", "ABORT J,H,4,,", "MAIL J,H,4,,", "EOM J,H,4,,",
		"MAIL J,H,5,,",
		"MAIL J,H,,,", "EOM J,H,,,",
		"MAIL ,,,,", "ABORT ,,6,,", "MAIL ,,6,,", "ABORT ,,6,,",
	}
	if d := cmp.Diff(want, seen); d != "" {
		t.Error(d)
	}
	checkOrder(t, rec)
}

// checkOrder wants the calls of TestTrap05StateSurvivesNothing.
func checkOrder(t *testing.T, rec *recorder) {
	t.Helper()
	calls := strings.Join(rec.all(), "\n")
	for _, want := range []string{`BODY "skip"` + "\nEOM", `BODY "third"` + "\nABORT\nMAIL",
		"EOM\nCLOSE\nNEGOTIATED 6\nCONNECT other local:\"/run/x\"", "ABORT\nCLOSE"} {
		if !strings.Contains(calls, want) {
			t.Errorf("no %q in\n%s", want, calls)
		}
	}
	if strings.Count(calls, "CLOSE") != 2 {
		t.Error("each session is closed once")
	}
}

func TestVerdicts(t *testing.T) {
	reply := Reply(550, "5.7.0", "100% bad\nreally\r\x00")
	if want := Response("y550-5.7.0 100%% bad\r\n550 5.7.0 really??\x00"); reply != want {
		t.Errorf("%q", reply)
	}
	if got := reply.String(); got != "550-5.7.0 100% bad\r\n550 5.7.0 really??" {
		t.Errorf("%q", got)
	}
	if Reply(250, "", "ok") != TempFail {
		t.Error("250 is no reply a filter may give")
	}
	cases := []struct {
		at     string
		answer Response
		step   byte
		kind   byte
		calls  string // the last ones
		second string // how the next message on the connection ends
	}{
		{"CONNECT", Accept, 'C', 'a', "CONNECT localhost unknown", "accept"},
		{"CONNECT", Reject, 'C', 'r', "CONNECT localhost unknown", "reject"},
		{"HELO", Reject, 'H', 'r', "HELO localhost", "reject"},
		{"MAIL", TempFail, 'M', 't', "MAIL <a@example.com>", "tempfail"},
		{"RCPT", reply, 'R', 'y', "RCPT <b@example.org>\nABORT", reply.String()},
		{"RCPT", Discard, 'R', 'd', "RCPT <b@example.org>", "discard"},
		{"DATA", Accept, 'T', 'a', "DATA", "accept"},
		{"HEADER", Accept, 'L', 'a', "HEADER From:a@example.com", "accept"},
		{"EOH", reply, 'N', 'y', "EOH", reply.String()},
		{"BODY", Discard, 'B', 'd', `BODY "Hello\r\n"`, "discard"},
		{"EOM", reply, 'E', 'y', "EOM", reply.String()},
		{"EOM", Skip, 'E', 'c', "EOM", "continue"},
		{"HEADER", Skip, 'E', 'c', "EOM", "continue"},
	}
	for _, tc := range cases {
		t.Run(tc.at+" "+tc.answer.String(), func(t *testing.T) {
			rec := &recorder{answers: map[string]Response{tc.at: tc.answer}}
			h := start(t, "unix", Options{}, rec)
			c := h.dial(ClientOptions{})
			m := sampleMessage()
			m.Host, m.FromArgs = "", nil
			o := send(t, c, m)
			if o.Final.Kind != tc.kind || o.Step != tc.step {
				t.Errorf("%v at %c", o.Final.String(), o.Step)
			}
			if tc.kind == 'y' && o.Final.Text != reply.String() {
				t.Errorf("%q", o.Final.Text)
			}
			waitFor(t, "the calls", func() bool { return strings.HasSuffix(strings.Join(rec.all(), "\n"), tc.calls) })
			o = send(t, c, m)
			if got := o.Final.String(); got != tc.second {
				t.Errorf("second message: %s, want %s", got, tc.second)
			}
		})
	}
}

// A response where the MTA reads none is given at the next step that is answered.
func TestResponseWhereNoneIsRead(t *testing.T) {
	for _, at := range []string{"CONNECT", "HELO", "MAIL", "RCPT", "HEADER", "EOH", "BODY"} {
		rec := &recorder{answers: map[string]Response{at: Reject}}
		h := start(t, "unix", Options{NoReply: StepConnect | StepHelo | StepMail | StepRcpt |
			StepData | StepHeader | StepEndOfHeader | StepBody}, rec)
		c := h.dial(ClientOptions{})
		for range 2 {
			o := send(t, c, sampleMessage())
			if o.Final.Kind != ReplyReject || o.Step != CommandEndOfMessage {
				t.Errorf("%s: %v at %c", at, o.Final, o.Step)
			}
		}
		if calls := strings.Join(rec.all(), "\n"); strings.Contains(calls, "EOM") {
			t.Errorf("%s: %s", at, calls)
		}
	}
}

func TestPanics(t *testing.T) {
	cases := []struct {
		at      string
		noReply StepMask
		step    byte // that is answered; 0 when the connection just ends
	}{
		{"NEGOTIATED", 0, 0}, {"CONNECT", 0, 'C'}, {"MAIL", 0, 'M'}, {"RCPT", 0, 'R'}, {"DATA", 0, 'T'}, {"HEADER", 0, 'L'},
		{"EOH", 0, 'N'}, {"BODY", 0, 'B'}, {"EOM", 0, 'E'},
		{"HEADER", StepHeader, 'N'}, {"EOH", StepEndOfHeader, 'B'}, {"BODY", StepBody, 'E'}, {"MAIL", StepMail | StepRcpt | StepData | StepHeader, 'N'},
	}
	for _, tc := range cases {
		rec := &recorder{onCall: func(call string) {
			if call == tc.at {
				panic("by design")
			}
		}}
		var stack string
		h := start(t, "unix", Options{NoReply: tc.noReply, OnPanic: func(v any, s []byte) Response {
			stack = string(s)
			return Reply(451, "4.7.0", "internal error")
		}}, rec)
		conn, err := Dial("unix", h.address, ClientOptions{Timeout: patience})
		if tc.step != 0 {
			var o Outcome
			o, err = conn.Send(context.Background(), sampleMessage())
			if err != nil || o.Step != tc.step || o.Final.Text != "451 4.7.0 internal error" {
				t.Errorf("%s: %v at %c, %v", tc.at, o.Final.String(), o.Step, err)
			}
		} else if err == nil {
			t.Errorf("%s: no error", tc.at)
		}
		waitFor(t, "the connection to go", func() bool { return h.server.Connections() == 0 })
		if !strings.Contains(stack, "state_test.go") {
			t.Errorf("%s: stack %q", tc.at, stack)
		}
		if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "by design") {
			t.Errorf("%s: %q", tc.at, l)
		}
		if calls := rec.all(); calls[len(calls)-1] != "CLOSE" {
			t.Errorf("%s: %q", tc.at, calls)
		}
		rec.onCall = nil
		send(t, h.dial(ClientOptions{}), sampleMessage())
	}
}

func TestNegotiation(t *testing.T) {
	all := Options{Actions: AllActions, NoReply: 0x1ff, Skip: StepHelo | StepData, WantSkip: true, WantHeaderLeadingSpace: true,
		Macros: map[Stage][]string{StageConnect: {"j", "{daemon_name}"}, StageEndOfMessage: {}}}
	cases := []struct {
		name  string
		o     Options
		offer [3]uint32
		want  Negotiation
		fails bool
	}{
		{"Postfix 6", all, [3]uint32{6, 0x1ff, 0x1fffff}, Negotiation{Version: 6, Actions: 0x1ff, Protocol: 0x1ff682, LeadingSpace: true, Skip: true}, false},
		{"Postfix 2", all, [3]uint32{2, 0x3f, 0x7f}, Negotiation{Version: 2, Actions: 0x3f, Protocol: 0x02}, false},
		{"no offer at all", all, [3]uint32{2, 0, 0}, Negotiation{Version: 2, Actions: 0x0f, Protocol: 0x02}, false},
		{"of the future", all, [3]uint32{7, 0xffffffff, 0xffffffff}, Negotiation{Version: 6, Actions: 0x1ff, Protocol: 0x1ff682, LeadingSpace: true, Skip: true}, false},
		{"nothing wanted", Options{}, [3]uint32{6, 0x1ff, 0x1fffff}, Negotiation{Version: 6}, false},
		{"required", Options{Required: ActionQuarantine}, [3]uint32{6, 0x1ff, 0}, Negotiation{Version: 6, Actions: ActionQuarantine}, false},
		{"required and missing", Options{Required: ActionQuarantine}, [3]uint32{6, 0x1f, 0}, Negotiation{}, true},
	}
	for _, tc := range cases {
		rec := &recorder{}
		h := start(t, "unix", tc.o, rec)
		c, err := Dial("unix", h.address, ClientOptions{Offer: &tc.offer})
		if (err != nil) != tc.fails && tc.offer != [3]uint32{2, 0, 0} {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.fails {
			continue
		}
		tc.want.OfferedActions, tc.want.OfferedProtocol = ActionMask(tc.offer[1]), ProtocolMask(tc.offer[2])
		waitFor(t, "the negotiation", func() bool { return len(rec.all()) > 0 })
		if d := cmp.Diff(tc.want, rec.agreed()); d != "" {
			t.Errorf("%s: %s", tc.name, d)
		}
		if err == nil {
			if d := cmp.Diff(tc.want, c.Negotiation()); d != "" {
				t.Errorf("%s: client: %s", tc.name, d)
			}
			names, asked := c.MacroNames(StageConnect)
			if wants := tc.want.Actions&ActionSetMacros != 0; asked != wants || wants && len(names) != 2 {
				t.Errorf("%s: macros %q", tc.name, names)
			}
			c.Close()
		}
	}
}

// TestOptionsOfAConnection are its own: what one asks for, the next does not.
func TestOptionsOfAConnection(t *testing.T) {
	asked := false
	rec := &recorder{asks: func(o *Options) {
		if o.Actions != 0 {
			t.Errorf("actions %#x are left of another connection", o.Actions)
		}
		if !asked {
			asked, o.Actions = true, ActionQuarantine
		}
	}}
	rec.atEnd = func(c *Conn, e *Edits) Response {
		if err := e.AddHeader("X", "y"); !errors.Is(err, ErrNotGranted) {
			t.Errorf("AddHeader: %v", err)
		}
		if err := e.Quarantine("because"); err != nil {
			t.Error(err)
		}
		return Accept
	}
	h := start(t, "unix", Options{}, rec)
	o := send(t, h.dial(ClientOptions{}), sampleMessage())
	if d := cmp.Diff([]Edit{{Kind: ReplyQuarantine, Value: "because"}}, o.Edits); d != "" {
		t.Error(d)
	}
	if n := h.dial(ClientOptions{}).Negotiation(); n.Actions != 0 {
		t.Errorf("the next connection was granted %#x", n.Actions)
	}
}
