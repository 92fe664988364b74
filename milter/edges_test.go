package milter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestRepliesAreSMTPs: codes 400 to 599, lines of 512 octets with their ends (RFC 5321
// §4.5.3.1.5), 32 lines at most, as smfi_setmlreply has it.
func TestRepliesAreSMTPs(t *testing.T) {
	for code, want := range map[int]string{399: "tempfail", 400: "400 x", 599: "599 x", 600: "tempfail", 0: "tempfail"} {
		if got := Reply(code, "", "x").String(); got != want {
			t.Errorf("%d: %s", code, got)
		}
	}
	for _, n := range []int{1, 500, 501, 502, 1000} {
		line := Reply(550, "5.7.0", strings.Repeat("x", n)).String() + "\r\n"
		if want := min(n, 512-len("550-5.7.0 \r\n")) + len("550 5.7.0 \r\n"); len(line) != want || len(line) > 512 {
			t.Errorf("%d octets of text: a line of %d", n, len(line))
		}
		for _, text := range []string{"\xff", "é", "xé", "xx\U0001f511"} { // whole characters, whatever is cut
			line := Reply(550, "5.7.0", strings.Repeat(text, n)).String() + "\r\n"
			if len(line) > 512 || len(line) < min(512-3, n) || !utf8.ValidString(line) {
				t.Errorf("%d times %q: a line of %d", n, text, len(line))
			}
		}
	}
	for n, want := range map[int]int{1: 1, 32: 32, 33: 32} {
		text := strings.Repeat("x\n", n)
		if got := Reply(450, "", text); got != Reply(450, "", strings.TrimSuffix(text, "\n")) {
			t.Errorf("a line end behind the last of %d lines makes it %q", n, got)
		}
		lines := strings.Split(Reply(450, "", text).String(), "\r\n")
		for i, line := range lines {
			if separator := map[bool]byte{true: ' ', false: '-'}[i == len(lines)-1]; line[3] != separator {
				t.Errorf("line %d of %d: %q", i, n, line)
			}
		}
		if len(lines) != want {
			t.Errorf("%d lines of %d", len(lines), n)
		}
	}
	for text, want := range map[string]string{"a\tb": "a?b", "a\x1fb": "a?b", "a b~": "a b~",
		"a\x7fb": "a?b", "%s": "%s", "é": "é", "\xe9\xff": "??"} {
		if got := Reply(450, "", text).String(); got != "450 "+want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestResponsesInWords: each answer of the protocol, and what is none.
func TestResponsesInWords(t *testing.T) {
	for r, want := range map[Response]string{"": "continue", Continue: "continue", Accept: "accept", Discard: "discard", Reject: "reject",
		TempFail: "tempfail", Skip: "skip", Drop: "drop", "Z\x00": `"Z\x00"`} {
		if got := r.String(); got != want {
			t.Errorf("%q: %s", string(r), got)
		}
		if goes := want == "continue" || want == "skip"; r.goesOn() != goes {
			t.Errorf("%q goes on: %v", string(r), !goes)
		}
	}
	if got := Response(strings.Repeat("Z", 1000)).String(); len(got) != 256+2 {
		t.Errorf("%d octets", len(got))
	}
}

// TestMacrosKeepTheirPlaces in the one buffer, whichever stage is set again or given up,
// and never take more than their limit.
func TestMacrosKeepTheirPlaces(t *testing.T) {
	var m macroStore
	set := func(command byte, pairs string) {
		t.Helper()
		if err := m.set(command, []byte(pairs), 40); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(want string) {
		t.Helper()
		var got []string
		for _, name := range []string{"j", "h", "{i}", "r", "{", "{}"} {
			if v, ok := m.lookup(name); ok {
				got = append(got, name+"="+string(v))
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
	set('C', "j\x00J\x00")
	set('H', "{h}\x00H\x00")
	set('M', "i\x001\x00")
	set('R', "r\x00R\x00{\x00x\x00{a\x00open\x00a}\x00closed\x00")
	for name, want := range map[string]string{"{a": "open", "a}": "closed", "a": ""} {
		if v, _ := m.lookup(name); string(v) != want {
			t.Errorf("%s is %q", name, v)
		}
	}
	set('R', "r\x00R\x00{\x00x\x00")
	shows("j=J h=H {i}=1 r=R {=x")
	set('H', "h\x00longer\x00") // the spans behind it move
	shows("j=J h=longer {i}=1 r=R {=x")
	set('R', "")
	shows("j=J h=longer {i}=1")
	set('R', "i\x002\x00{}\x00e\x00") // the latest stage wins
	shows("j=J h=longer {i}=2 {}=e")
	used := len(m.buf)
	if err := m.set('T', make([]byte, 40-used+2), 40); !errors.Is(err, ErrProtocol) {
		t.Errorf("more than the limit: %v", err)
	}
	set('T', strings.Repeat("\x00", (40-used)/2*2))
	m.clearFrom(firstMessageMacro)
	shows("j=J h=longer")
	m.clearFrom(0)
	if shows(""); len(m.buf) != 0 {
		t.Errorf("%d octets are left", len(m.buf))
	}
	set('C', "j\x00J\x00")
	if err := m.set('M', []byte("long\x00"+strings.Repeat("x", 10_000)+"\x00"), 20_000); err != nil {
		t.Fatal(err)
	}
	m.clearFrom(firstMessageMacro) // however long the message's were
	shows("j=J")
}

// TestFramesOfEdits as libmilter writes them: an index below the first is the first, a
// body is cut at 65,535 octets, and without parameters there is no string for them.
func TestFramesOfEdits(t *testing.T) {
	body := strings.Repeat("b", 65_535)
	for name, c := range map[string]struct {
		do   func(*Edits) error
		want string // without lengths, frames separated by bars; "" for an error
	}{
		"insert before all":   {func(e *Edits) error { return e.InsertHeader(-1, "A", "b") }, "i\x00\x00\x00\x00A\x00b\x00"},
		"insert":              {func(e *Edits) error { return e.InsertHeader(2, "A", "b") }, "i\x00\x00\x00\x02A\x00b\x00"},
		"change":              {func(e *Edits) error { return e.ChangeHeader(0, "A", "b") }, "m\x00\x00\x00\x01A\x00b\x00"},
		"delete":              {func(e *Edits) error { return e.DeleteHeader(3, "A") }, "m\x00\x00\x00\x03A\x00\x00"},
		"add":                 {func(e *Edits) error { return e.AddHeader("A", " b") }, "hA\x00b\x00"},
		"no name":             {func(e *Edits) error { return e.AddHeader("", "b") }, ""},
		"no body":             {func(e *Edits) error { return e.ReplaceBody(nil) }, "b"},
		"a body":              {func(e *Edits) error { return e.ReplaceBody([]byte(body)) }, "b" + body},
		"a body of two":       {func(e *Edits) error { return e.ReplaceBody([]byte(body + "c")) }, "b" + body + "|bc"},
		"a recipient":         {func(e *Edits) error { return e.AddRcpt("<a@b>") }, "+<a@b>\x00"},
		"one with parameters": {func(e *Edits) error { return e.AddRcpt("<a@b>", "X", "Y=1") }, "2<a@b>\x00X Y=1\x00"},
		"one less":            {func(e *Edits) error { return e.DelRcpt("<a@b>") }, "-<a@b>\x00"},
		"a sender":            {func(e *Edits) error { return e.ChangeFrom("<a@b>") }, "e<a@b>\x00"},
		"with parameters":     {func(e *Edits) error { return e.ChangeFrom("<a@b>", "X") }, "e<a@b>\x00X\x00"},
		"a line end":          {func(e *Edits) error { return e.DelRcpt("<a@b>\r") }, ""},
		"a NUL":               {func(e *Edits) error { return e.Quarantine("a\x00b") }, ""},
	} {
		e := &Edits{conn: &Conn{negotiation: Negotiation{Actions: AllActions}}}
		if err := c.do(e); (err == nil) != (c.want != "") {
			t.Errorf("%s: %v", name, err)
		}
		var frames []string
		for out := e.conn.out; len(out) > 0; {
			n := int(out[0])<<24 | int(out[1])<<16 | int(out[2])<<8 | int(out[3])
			frames, out = append(frames, string(out[4:4+n])), out[4+n:]
		}
		if got := strings.Join(frames, "|"); got != c.want {
			t.Errorf("%s: %.60q", name, got)
		}
		none := &Edits{conn: &Conn{}}
		if err := c.do(none); !errors.Is(err, ErrNotGranted) || len(none.conn.out) > 0 {
			t.Errorf("%s, not granted: %v", name, err)
		}
	}
}

// TestPhasesOfAMessage: which step may follow which, by the protocol's own order.
func TestPhasesOfAMessage(t *testing.T) {
	order := "MRTLNB"
	phases := map[byte]phase{'M': phaseMail, 'R': phaseRcpt, 'T': phaseData, 'L': phaseHeader, 'N': phaseEndOfHeader, 'B': phaseBody}
	for _, from := range []byte(order) {
		for _, to := range []byte(order[1:]) {
			c := &Conn{phase: phases[from]}
			want := strings.IndexByte(order, from) < strings.IndexByte(order, to) || from == to && to != 'T' && to != 'N'
			if to == 'B' {
				want = from == 'N' || from == 'B'
			}
			err := c.enter(to, phases[to])
			if (err == nil) != want || want && c.phase != phases[to] || !want && c.phase != phases[from] {
				t.Errorf("%s: %v", fmt.Sprintf("%c after %c", to, from), err)
			}
		}
	}
	for _, p := range []phase{phaseNegotiate, phaseConnect, phaseBetween} {
		if err := (&Conn{phase: p}).enter('R', phaseRcpt); err == nil {
			t.Errorf("RCPT in phase %d", p)
		}
	}
	c := &Conn{phase: phaseBetween, skipBody: true, negotiation: Negotiation{Protocol: NoMail}}
	if err := c.enter('R', phaseRcpt); err != nil || c.phase != phaseRcpt || c.skipBody {
		t.Errorf("without MAIL, which is not wanted: %v", err)
	}
}

// TestPanicsNeverLetMailOn: who has failed cannot say that a message goes on.
func TestPanicsNeverLetMailOn(t *testing.T) {
	for answer, want := range map[Response]byte{Continue: ReplyTempFail, Skip: ReplyTempFail, "": ReplyTempFail, Reject: ReplyReject} {
		rec := &recorder{onCall: func(call string) {
			if call == "MAIL" {
				panic("by design")
			}
		}}
		h := start(t, "unix", Options{OnPanic: func(any, []byte) Response { return answer }}, rec)
		if o := send(t, h.dial(ClientOptions{}), sampleMessage()); o.Final.Kind != want || o.Step != CommandMail {
			t.Errorf("%q: %v at %c", string(answer), o.Final.String(), o.Step)
		}
	}
}
