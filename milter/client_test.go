package milter

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errBroken = errors.New("broken by design")

// breaking is a connection that fails for good at its nth read or write, and counts what
// is tried after that.
type breaking struct {
	net.Conn
	left  int
	after int
}

func (b *breaking) step() error {
	if b.left--; b.left < 0 {
		b.after++
		return errBroken
	}
	return nil
}

func (b *breaking) Read(p []byte) (int, error) {
	if err := b.step(); err != nil {
		return 0, err
	}
	return b.Conn.Read(p)
}

func (b *breaking) Write(p []byte) (int, error) {
	if err := b.step(); err != nil {
		return 0, err
	}
	return b.Conn.Write(p)
}

// TestClientStopsAtAnError: whatever read or write fails, its error is the client's, and
// nothing more is tried on the connection.
func TestClientStopsAtAnError(t *testing.T) {
	m := sampleMessage()
	m.Raw = append(m.Raw, strings.Repeat("x", 100_000)...)
	for name, do := range map[string]func(*Client) error{
		"Send":     func(c *Client) error { _, err := c.Send(t.Context(), m); return err },
		"SendPart": func(c *Client) error { return c.SendPart(&m, len(m.Raw), new(Outcome)) },
	} {
		const plenty = 1 << 20
		total := 0 // reads and writes when none fails
		for n := plenty; n != total; n = (n + 1) % (plenty + 1) {
			s := NewServer(func(*Conn) Session { return &recorder{} }, Options{})
			near, far := net.Pipe()
			go s.serve(s.add(far))
			conn := &breaking{Conn: near, left: n}
			c, err := NewClient(conn, ClientOptions{})
			if err == nil {
				err = do(c)
			}
			near.Close()
			s.Close()
			if n == plenty {
				if total = plenty - conn.left; err != nil || total < 20 {
					t.Fatalf("%s: %v, by %d reads and writes", name, err, total)
				}
				continue
			}
			if !errors.Is(err, errBroken) || conn.after != 1 {
				t.Errorf("%s, broken at %d: %v; %d times tried", name, n, err, conn.after)
			}
		}
	}
}

// TestSendPart: the header whole, however few octets are asked for, and of the body so
// many that all is as long as that; the filter is left waiting.
func TestSendPart(t *testing.T) {
	m := sampleMessage()
	headerBytes := len(m.Raw) - len("Hello\r\n")
	for octets, body := range map[int]int{-1: 0, 0: 0, headerBytes: 0, headerBytes + 1: 1, headerBytes + 6: 6,
		len(m.Raw): 7, len(m.Raw) + 9: 7} {
		rec := &recorder{}
		macro := ""
		rec.onCall = func(call string) {
			if call == "MAIL" {
				macro = rec.conn.Macro("i")
			}
		}
		h := start(t, "unix", Options{NoReply: StepBody}, rec)
		c := h.dial(ClientOptions{})
		o := Outcome{Step: 'x', Edits: []Edit{{}}}
		if err := c.SendPart(&m, octets, &o); err != nil || o.Final.Kind != 0 || o.Step != 0 || len(o.Edits) > 0 || len(c.macros) > 0 {
			t.Errorf("%d octets: %+v, %v", octets, o, err)
		}
		c.Close()
		waitFor(t, "the end", func() bool { calls := rec.all(); return calls[len(calls)-1] == "CLOSE" })
		calls := strings.Join(rec.all(), "\n")
		if rec.body != body || !strings.Contains(calls, "\nEOH\n") || strings.Contains(calls, "EOM") ||
			!strings.HasSuffix(calls, "ABORT\nCLOSE") || macro != "4XyZ" {
			t.Errorf("%d octets: %d of the body\n%s", octets, rec.body, calls)
		}
	}
	for call, step := range map[string]byte{"MAIL": 'M', "HEADER": 'L', "EOH": 'N', "BODY": 'B'} {
		c := start(t, "unix", Options{}, &recorder{answers: map[string]Response{call: Reject}}).dial(ClientOptions{})
		var o Outcome
		if err := c.SendPart(&m, len(m.Raw), &o); err != nil || o.Final.Kind != ReplyReject || o.Step != step {
			t.Errorf("%s: %+v, %v", call, o, err)
		}
	}
}

// TestRecipientsThatAreRefused: a message goes on with those that are left, and is given
// up without any.
func TestRecipientsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		rcpts, answers string // c: taken, r, t and y: not
		step           byte
		kind           byte
	}{
		{"", "", 'E', 'c'}, {"c", "c", 'E', 'c'}, {"cr", "cr", 'E', 'c'}, {"rc", "rc", 'E', 'c'}, {"tyc", "tyc", 'E', 'c'},
		{"r", "r", 'R', 'r'}, {"rt", "rt", 'R', 't'}, {"try", "try", 'R', 'y'}, {"cd", "cd", 'R', 'd'}, {"ac", "a", 'R', 'a'},
	} {
		rec := &recorder{answers: map[string]Response{}}
		m := sampleMessage()
		m.Rcpts = nil
		for i, kind := range []byte(c.rcpts) {
			rcpt := "r" + strconv.Itoa(i) + "@x"
			m.Rcpts = append(m.Rcpts, rcpt)
			rec.answers["RCPT <"+rcpt+">"] = Response(kind)
			if kind == 'y' {
				rec.answers["RCPT <"+rcpt+">"] = Reply(550, "5.1.1", "no")
			}
		}
		client := start(t, "unix", Options{}, rec).dial(ClientOptions{})
		for range 2 {
			o := send(t, client, m)
			got := ""
			for _, a := range o.Rcpts {
				got += string(a.Kind)
			}
			if got != c.answers || o.Step != c.step || o.Final.Kind != c.kind {
				t.Errorf("%q: recipients %q, %c at %c", c.rcpts, got, o.Final.Kind, o.Step)
			}
		}
		calls := strings.Join(rec.all(), " ")
		if given := strings.Trim(c.rcpts, "rty") == "" && c.rcpts != ""; strings.Contains(calls, "ABORT") != given {
			t.Errorf("%q: %s", c.rcpts, calls)
		}
	}
	// Where RCPT is not answered, nobody knows.
	o := send(t, start(t, "unix", Options{NoReply: StepRcpt}, &recorder{}).dial(ClientOptions{}), sampleMessage())
	if diff := cmp.Diff([]Answer{{}}, o.Rcpts); diff != "" || o.Step != 'E' {
		t.Errorf("%+v", o)
	}
}

// TestTextAsPostfixSendsIt: folds with LF, the body with CRLF, the first blank left out
// where it was not asked for (smfi_setmlreply and xxfi_header of libmilter).
func TestTextAsPostfixSendsIt(t *testing.T) {
	for raw, want := range map[string]string{
		"A: b\r\n\tc\r\n\r\nd\r\ne\r\n": `A:b` + "\n\t" + `c|d\r\ne\r\n`,
		"A: b\n\tc\n\nd\ne\n":           `A:b` + "\n\t" + `c|d\r\ne\r\n`,
		"A:b\n\nd\r\ne\n":               `A:b|d\r\ne\n`, // which has CRLF already
		"A:\tb\n\nd":                    "A:\tb|d",
		"A:  b\n":                       "A: b|",
		"A: b":                          "A:b|",
		"A:\n\n\n":                      `A:|\r\n`,
		"A\n\nd":                        `|A\r\n\r\nd`,
		"From a b:c\nA:b\n\nd":          "A:b|d",
		"\nd":                           "|d",
		"\r\nd\r\n":                     `|d\r\n`,
		"":                              "|",
	} {
		rec := &recorder{}
		c := start(t, "unix", Options{}, rec).dial(ClientOptions{})
		m := sampleMessage()
		m.Raw = []byte(raw)
		send(t, c, m)
		fields, body := "", ""
		for _, call := range rec.all() {
			if f, ok := strings.CutPrefix(call, "HEADER "); ok {
				fields += f
			}
			if b, ok := strings.CutPrefix(call, "BODY "); ok {
				body += strings.Trim(b, `"`)
			}
		}
		if got := fields + "|" + body; got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// TestClientJudgesNegotiations: an answer that takes what was not offered, or is cut, is
// an error that says what is wrong; lists of macros of unknown stages are passed over.
func TestClientJudgesNegotiations(t *testing.T) {
	const plain = "\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00\x00\x00"
	for _, c := range []struct{ answer, want string }{
		{"\x00\x00\x00\x0dO" + plain, ""},
		{"\x00\x00\x00\x0dO\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00", "wants version 7"},
		{"\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x02\x00\x00\x00\x00\x00", "actions 0x200"},
		{"\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x00\x00\x20\x00\x00", "protocol 0x200000"},
		{"\x00\x00\x00\x0cO" + plain[:11], "negotiation answered with"},
		{"\x00\x00\x00\x01c", `negotiation answered with "c"`},
		{"\x00\x00\x00\x00c", "reply of length 0"},
		{"\x00\x40\x00\x01O", "reply of length 4194305"},
		{"\x00\x00\x00\x12O" + plain + "\x00\x00\x00\x00\x00", ""},
		{"\x00\x00\x00\x11O" + plain + "\x00\x00\x00\x00", "short macro list"},
		{"\x00\x00\x00\x12O" + plain + "\x00\x00\x00\x00j", "string without NUL"},
		{"\x00\x00\x00\x14O" + plain + "\x00\x00\x00\x63j \x00", ""},
		{"\x00\x00\x00\x14O" + plain + "\x00\x00\x00\x07j \x00", ""}, // the first that there is not
		{"\x00\x00\x00\x1cO" + plain + "\x00\x00\x00\x02i j\x00\x00\x00\x00\x05\x00\x00\x00", "short macro list"},
	} {
		near, far := net.Pipe()
		go func() {
			_, _ = io.ReadFull(far, make([]byte, len(offer)))
			_, _ = io.WriteString(far, c.answer)
			far.Close()
		}()
		_, err := NewClient(near, ClientOptions{Timeout: patience})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.answer, err)
		case c.want != "" && (!errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: %v, want %s", c.answer, err, c.want)
		}
		near.Close()
	}
}

// TestContextEndsAMessage that waits for the filter, with the context's own error.
func TestContextEndsAMessage(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newRawClient(near, ClientOptions{Timeout: time.Hour})
	c.negotiation = Negotiation{Version: 6}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = io.ReadFull(far, make([]byte, frameHeadBytes)); cancel() }()
	if _, err := c.Send(ctx, sampleMessage()); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

// TestContextThatIsOver sends nothing, and the client can be used further.
func TestContextThatIsOver(t *testing.T) {
	rec := &recorder{}
	c := start(t, "unix", Options{}, rec).dial(ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Send(ctx, sampleMessage()); err != context.Canceled || len(rec.all()) > 1 { // the negotiation
		t.Errorf("%v, %q", err, rec.all())
	}
	send(t, c, sampleMessage())
}

// TestDialLeavesNothingOpen where the filter does not negotiate.
func TestDialLeavesNothingOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			_, _ = io.WriteString(conn, "\x00\x00\x00\x01x")
			_, err = io.Copy(io.Discard, conn)
		}
		end <- err
	}()
	if _, err := Dial("tcp", l.Addr().String(), ClientOptions{}); !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
	if err := <-end; err != nil {
		t.Error(err)
	}
}

// TestAnswersAreRead as libmilter writes them: a code of three digits at least, and a NUL
// behind it; what is no answer is an error that shows it.
func TestAnswersAreRead(t *testing.T) {
	c := newRawClient(nil, ClientOptions{})
	for data, want := range map[string]string{"y550\x00": "550", "y450 4.7.1 50%% off\x00": "450 4.7.1 50% off", "c": "continue",
		"a": "accept", "r": "reject", "t": "tempfail", "d": "discard", "s": "skip", "4": "drop", "y55\x00": "", "y550": "", "y": "", "z": "", "i": ""} {
		a, err := c.toReply(data[0], []byte(data[1:]))
		if want == "" {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%q: %v, %v", data, a, err)
			}
			continue
		}
		if err != nil || a.String() != want || a.Final() != (want != "continue" && want != "skip") {
			t.Errorf("%q: %v, %v", data, a, err)
		}
	}
	if (*Answer)(nil).Final() || (*Answer)(nil).String() != "no answer" {
		t.Error("no answer is one")
	}
}

// TestWhatIsNotSent: macros without a value, and a body's rest after it was skipped.
func TestWhatIsNotSent(t *testing.T) {
	rec := &recorder{answers: map[string]Response{"BODY": Skip}}
	var known []string
	rec.onCall = func(call string) {
		if call == "BODY" {
			for _, name := range []string{"i", "j", "v", "_", "empty"} {
				if v, ok := rec.conn.LookupMacro(name); ok {
					known = append(known, name+"="+string(v))
				}
			}
		}
	}
	o := Options{WantSkip: true, Macros: map[Stage][]string{StageConnect: {"j", "v", "{empty}"}}}
	c := start(t, "unix", o, rec).dial(ClientOptions{Macros: func(_ byte, name string) (string, bool) {
		v, ok := map[string]string{"i": "ID", "j": "here", "empty": ""}[name]
		return v, ok
	}})
	c.Connect("h", ConnAddr{})
	c.Mail("<a@x>")
	c.EndOfHeader()
	for i, want := range []byte{ReplySkip, 0, 0} {
		a, err := c.Body([]byte("text"))
		if err != nil || (a != nil) != (want != 0) || a != nil && a.Kind != want {
			t.Errorf("chunk %d: %v, %v", i, a, err)
		}
	}
	if diff := cmp.Diff([]string{"i=ID", "j=here", "empty="}, known); diff != "" || rec.body != 4 {
		t.Errorf("%d octets; macros (-want +got)\n%s", rec.body, diff)
	}
}
