package milter

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNumbersAreLibmilters: those of SMFIF_ and SMFIP_ in libmilter/mfapi.h and
// libmilter/mfdef.h of Sendmail 8.18.
func TestNumbersAreLibmilters(t *testing.T) {
	for i, action := range []ActionMask{ActionAddHeaders, ActionChangeBody, ActionAddRcpt, ActionDelRcpt,
		ActionChangeHeaders, ActionQuarantine,
		ActionChangeFrom, ActionAddRcptArgs, ActionSetMacros} {
		if action != 1<<i {
			t.Errorf("action %d is %#x", i, action)
		}
	}
	for i, bit := range []ProtocolMask{NoConnect, NoHelo, NoMail, NoRcpt, NoBody, NoHeaders, NoEndOfHeader, NoReplyHeader,
		NoUnknown, NoData,
		CanSkip, RejectedRcpts, NoReplyConnect, NoReplyHelo, NoReplyMail, NoReplyRcpt, NoReplyData, NoReplyUnknown, NoReplyEndOfHeader,
		NoReplyBody, HeaderLeadingSpace} {
		if bit != 1<<i {
			t.Errorf("protocol bit %d is %#x", i, bit)
		}
	}
	// SMFI_CURR_ACTS, SMFI_V1_ACTS, SMFI_CURR_PROT, SMFI_V1_PROT, SMFI_V2_PROT
	if AllActions != 0x1ff || actionsV1 != 0xf || allProtocol != 0x1fffff || protocolV1 != 0x3f || protocolV2 != 0x7f {
		t.Error("what is offered together is not what libmilter has")
	}
}

// TestWhatOldClientsOffer: an MTA of protocol 2 to 4 knows no more than six actions, and
// the steps that came with 3 and 4 not before (Postfix 3.7, milter8.c).
func TestWhatOldClientsOffer(t *testing.T) {
	for version, want := range map[uint32]struct {
		actions  ActionMask
		protocol ProtocolMask
	}{2: {0x3f, 0x7f}, 3: {0x3f, 0x17f}, 4: {0x3f, 0x37f}, 5: {0x3f, 0x37f}, 6: {0x1ff, 0x1fffff}, 0: {0x1ff, 0x1fffff}} {
		o := newRawClient(nil, ClientOptions{Version: version}).options
		if o.Actions != want.actions || o.Protocol != want.protocol || o.Timeout != 30*time.Second {
			t.Errorf("version %d offers %#x, %#x; waits %v", version, o.Actions, o.Protocol, o.Timeout)
		}
	}
	own := ClientOptions{Version: 6, Actions: 1, Protocol: 2, Timeout: time.Second}
	if o := newRawClient(nil, own).options; o.Actions != 1 || o.Protocol != 2 || o.Timeout != time.Second {
		t.Errorf("%+v", o)
	}
}

// TestMacrosAreAskedFor by who names some, where the MTA lets a filter ask.
func TestMacrosAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		macros map[Stage][]string
		offer  ActionMask
		want   ActionMask
	}{
		{nil, AllActions, 0}, {map[Stage][]string{}, AllActions, 0},
		{map[Stage][]string{StageConnect: {"j"}}, AllActions, 0x100}, {map[Stage][]string{StageConnect: {"j"}}, 0xff, 0},
	} {
		offer := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 6),
			uint32(c.offer)), 0x1fffff)
		n, err := negotiate(offer, &Options{Macros: c.macros})
		if err != nil || n.Actions != c.want {
			t.Errorf("%v of %#x: %#x, %v", c.macros, c.offer, n.Actions, err)
		}
	}
}

// TestSkipIsForBodies: where it was not negotiated, and at any other step, it means to go on.
func TestSkipIsForBodies(t *testing.T) {
	steps := []struct {
		call string
		do   func(*Client) (*Answer, error)
	}{
		{"CONNECT", func(c *Client) (*Answer, error) { return c.Connect("h", ConnAddr{}) }},
		{"HELO", func(c *Client) (*Answer, error) { return c.Helo("h") }},
		{"MAIL", func(c *Client) (*Answer, error) { return c.Mail("<a@x>") }},
		{"RCPT", func(c *Client) (*Answer, error) { return c.Rcpt("<b@x>") }},
		{"DATA", (*Client).Data},
		{"UNKNOWN", func(c *Client) (*Answer, error) { return c.Unknown("X") }},
		{"HEADER", func(c *Client) (*Answer, error) { return c.Header([]byte("A"), []byte("b")) }},
		{"EOH", (*Client).EndOfHeader},
		{"BODY", func(c *Client) (*Answer, error) { return c.Body([]byte("b")) }},
	}
	for _, negotiated := range []bool{false, true} {
		rec := &recorder{answers: map[string]Response{}}
		for _, s := range steps {
			rec.answers[s.call] = Skip
		}
		c := start(t, "unix", Options{WantSkip: negotiated}, rec).dial(ClientOptions{})
		for _, s := range steps {
			want := ReplyContinue
			if s.call == "BODY" && negotiated {
				want = ReplySkip
			}
			if a, err := s.do(c); err != nil || a.Kind != want {
				t.Errorf("%s, negotiated %v: %v, %v", s.call, negotiated, a, err)
			}
		}
	}
}

// TestMacrosWithBraces: the MTA's side takes names with and without them.
func TestMacrosWithBraces(t *testing.T) {
	var got []string
	rec := &recorder{}
	rec.onCall = func(call string) {
		if call == "MAIL" {
			got = []string{rec.conn.Macro("auth_type"), rec.conn.Macro("{auth_authen}"), rec.conn.Macro("i")}
		}
	}
	h := start(t, "unix", Options{}, rec)
	m := sampleMessage()
	m.Macros = map[string]string{"{auth_type}": "PLAIN", "auth_authen": "joe", "i": "Q"}
	send(t, h.dial(ClientOptions{}), m)
	if diff := cmp.Diff([]string{"PLAIN", "joe", "Q"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestEditsAsTheyStand: what each frame of an edit says, by libmilter's smfi functions:
// a changed field without a value is one deleted.
func TestEditsAsTheyStand(t *testing.T) {
	const one = "\x00\x00\x00\x01"
	for _, c := range []struct {
		kind    byte
		data    string
		leading bool
		want    Edit
		fails   bool
	}{
		{ReplyChangeHeader, one + "A\x00b\x00", false, Edit{Kind: 'm', Index: 1, Name: "A", Value: " b"}, false},
		{ReplyChangeHeader, one + "A\x00 b\x00", true, Edit{Kind: 'm', Index: 1, Name: "A", Value: " b"}, false},
		{ReplyChangeHeader, one + "A\x00\x00", false, Edit{Kind: 'm', Index: 1, Name: "A"}, false},
		{ReplyAddHeader, "A\x00\x00", false, Edit{Kind: 'h', Name: "A", Value: " "}, false},
		{ReplyAddHeader, "A\x00\x00", true, Edit{Kind: 'h', Name: "A"}, false},
		{ReplyInsertHeader, one + "A\x00\x00", false, Edit{Kind: 'i', Index: 1, Name: "A", Value: " "}, false},
		{ReplyInsertHeader, one + "A\x00b\x00", true, Edit{Kind: 'i', Index: 1, Name: "A", Value: "b"}, false},
		{ReplyAddRcpt, "<a@b>\x00", false, Edit{Kind: '+', Value: "<a@b>"}, false},
		{ReplyAddRcptArgs, "<a@b>\x00NOTIFY=NEVER\x00", false, Edit{Kind: '2', Value: "<a@b>", Args: "NOTIFY=NEVER"}, false},
		{ReplyQuarantine, "why\x00", false, Edit{Kind: 'q', Value: "why"}, false},
		{ReplyReplaceBody, "a\x00b", false, Edit{Kind: 'b', Value: "a\x00b"}, false},
		{ReplyInsertHeader, "\x00\x00\x01", false, Edit{}, true},
		{ReplyInsertHeader, one + "A\x00b", false, Edit{}, true},
		{ReplyAddHeader, "A", false, Edit{}, true},
		{ReplyAddRcpt, "<a@b>", false, Edit{}, true},
		{ReplyChangeFrom, "<a@b>\x00x", false, Edit{}, true},
	} {
		got, is, err := DecodeEdit(c.kind, []byte(c.data), c.leading)
		if c.fails {
			if !errors.Is(err, ErrProtocol) || !is {
				t.Errorf("%c %q: %+v, %v, %v", c.kind, c.data, got, is, err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil || !is {
			t.Errorf("%c %q: %v, %v (-want +got)\n%s", c.kind, c.data, is, err, diff)
		}
	}
	if _, is, err := DecodeEdit(ReplyContinue, nil, false); is || err != nil {
		t.Error("an answer is an edit")
	}
}

// TestProgressIsPassedOver by who waits for an answer.
func TestProgressIsPassedOver(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		_, _ = far.Write([]byte("\x00\x00\x00\x01p\x00\x00\x00\x01p\x00\x00\x00\x01a"))
		far.Close()
	}()
	c := newRawClient(near, ClientOptions{})
	if a, err := c.ReadReply(); err != nil || a.Kind != ReplyAccept {
		t.Errorf("%v, %v", a, err)
	}
}

// TestPanicWhileTheMTALeaves in the middle of a body: the connection ends with it.
func TestPanicWhileTheMTALeaves(t *testing.T) {
	rec := &recorder{}
	rec.onCall = func(call string) {
		if call == "BODY" {
			panic("by design")
		}
	}
	h := start(t, "unix", Options{}, rec)
	c := h.dial(ClientOptions{})
	for _, step := range []func() (*Answer, error){
		func() (*Answer, error) { return c.Connect("h", ConnAddr{}) }, func() (*Answer, error) { return c.Helo("h") },
		func() (*Answer, error) { return c.Mail("<a@x>") }, c.EndOfHeader,
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	c.queueRaw(append([]byte{0, 0, 16, 1, CommandBody}, strings.Repeat("b", 100)...)) // of 4096
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the panic", func() bool { return len(h.logged()) > 0 })
	c.Close()
	waitFor(t, "the end", func() bool { return h.server.Connections() == 0 })
}

// pipes is a listener of connections without a descriptor, as TLS has them.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestConnectionsWithoutDescriptor are read as others are, whole or octet by octet.
func TestConnectionsWithoutDescriptor(t *testing.T) {
	rec := &recorder{}
	s := NewServer(func(c *Conn) Session { rec.conn = c; return rec }, Options{})
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(p) }()
	near, far := net.Pipe()
	p.conns <- far
	c, err := NewClient(near, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := sampleMessage()
	m.Raw = append(m.Raw, strings.Repeat("x", 100_000)...)
	for range 3 {
		if o := send(t, c, m); o.Final.Kind != ReplyContinue {
			t.Errorf("%v", o.Final)
		}
	}
	frame := []byte("\x00\x00\x00\x08Mslow@\x00\x00")
	for i := range frame {
		if _, err := near.Write(frame[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := c.ReadReply(); err != nil || a.Kind != ReplyContinue {
		t.Errorf("%v, %v", a, err)
	}
	if calls := rec.all(); rec.body < 300_000 || calls[len(calls)-1] != "MAIL slow@" {
		t.Errorf("%d octets of bodies, at last %q", rec.body, calls[len(calls)-1])
	}
	near.Close()
	s.Close()
	if err := <-served; err != ErrServerClosed {
		t.Error(err)
	}
}

// TestConnectFrames as mlfi_connect gets them: host, family, port, address.
func TestConnectFrames(t *testing.T) {
	for frame, want := range map[string]string{
		"h\x00U":                             "h unknown",
		"h\x004\x00\x19192.0.2.1\x00":        "h [192.0.2.1]:25",
		"h\x006\x00\x19IPv6:2001:db8::1\x00": "h [2001:db8::1]:25",
		"h\x006\x00\x192001:db8::1\x00":      "h [2001:db8::1]:25",
		"h\x00L\x00\x00/run/s\x00":           "h /run/s",
		"h":                                  "no",
		"h\x00":                              "no",
		"h\x00X\x00\x19192.0.2.1\x00":        "no",
		"h\x004":                             "no: no port",
		"h\x004\x00":                         "no: no port",
		"h\x004\x00\x19":                     "no: string without NUL",
		"h\x004\x00\x19192.0.2.1":            "no: string without NUL",
		"h\x004\x00\x19192.0.2.\x00":         "no",
	} {
		host, addr, err := decodeConnect([]byte(frame))
		got := host + " unknown"
		switch {
		case err != nil:
			got = "no"
			if _, why, ok := strings.Cut(want, ": "); ok && strings.Contains(err.Error(), why) {
				got = want
			}
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%q: %v", frame, err)
			}
		case addr.Family == FamilyLocal:
			got = host + " " + addr.Path
		case addr.Addr.IsValid():
			got = host + " [" + addr.Addr.String() + "]:" + strconv.Itoa(int(addr.Port))
		}
		if got != want {
			t.Errorf("%q: %s, want %s (%v)", frame, got, want, err)
		}
	}
}

// TestFieldNames have neither blanks nor colons nor control characters (RFC 5322 §3.6.8).
func TestFieldNames(t *testing.T) {
	for c := range 128 {
		if want := c > ' ' && c < 0x7f && c != ':'; checkFieldName("X"+string(rune(c))+"Y") == nil != want {
			t.Errorf("%q: %v", rune(c), !want)
		}
	}
	if checkFieldName("") == nil {
		t.Error("no name is a name")
	}
}

// TestStepsOfOldVersions: DATA came with version 4 of the protocol, other commands with 3.
func TestStepsOfOldVersions(t *testing.T) {
	for version, want := range map[uint32]string{2: "", 3: "UNKNOWN X", 4: "DATA UNKNOWN X", 6: "DATA UNKNOWN X"} {
		rec := &recorder{}
		c := start(t, "unix", Options{}, rec).dial(ClientOptions{Version: version})
		if _, err := c.Connect("h", ConnAddr{}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() (*Answer, error){func() (*Answer, error) { return c.Helo("h") },
			func() (*Answer, error) { return c.Mail("<a@x>") }, func() (*Answer, error) { return c.Rcpt("<b@x>") },
			c.Data, func() (*Answer, error) { return c.Unknown("X") }} {
			if _, err := step(); err != nil {
				t.Errorf("version %d: %v", version, err)
			}
		}
		var got []string
		for _, call := range rec.all() {
			if strings.HasPrefix(call, "DATA") || strings.HasPrefix(call, "UNKNOWN") {
				got = append(got, call)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("version %d: %q, want %q", version, got, want)
		}
	}
}

// TestClientTellsHowItEnded: between answers or within one, or because nobody waits.
func TestClientTellsHowItEnded(t *testing.T) {
	for text, want := range map[string]error{"": io.EOF, "\x00": io.ErrUnexpectedEOF,
		"\x00\x00\x00\x01": io.ErrUnexpectedEOF, "\x00\x00\x00\x02y": io.ErrUnexpectedEOF} {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Write([]byte(text))
			far.Close()
		}()
		if _, err := newRawClient(near, ClientOptions{}).ReadReply(); !errors.Is(err, want) {
			t.Errorf("after %q: %v, want %v", text, err, want)
		}
		near.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	rec := &recorder{}
	rec.onCall = func(call string) {
		if call == "MAIL" {
			cancel()
			<-rec.conn.Context().Done()
		}
	}
	c := start(t, "unix", Options{}, rec).dial(ClientOptions{})
	go func() { <-ctx.Done(); c.Close() }()
	if _, err := c.Send(ctx, sampleMessage()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := c.Send(ctx, sampleMessage()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}
