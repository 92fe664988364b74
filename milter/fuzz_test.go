package milter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// script is a connection that reads from memory, in pieces, and counts what is
// written to it.
type script struct {
	net.Conn
	in     []byte
	piece  int
	out    bytes.Buffer
	writes int
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.in[:min(len(s.in), s.piece)])
	s.in = s.in[n:]
	return n, nil
}
func (s *script) Write(b []byte) (int, error)      { s.writes++; return s.out.Write(b) }
func (s *script) Close() error                     { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "script", Net: "unix"} }

// judge is a Session that fails when it is called out of order.
type judge struct {
	t       testing.TB
	conn    *Conn
	answers []byte // what to answer with, used up one by one
	n       Negotiation
	state   int // 0 new, 1 negotiated, 2 between, 3 mail, 4 rcpt, 5 data, 6 header, 7 end of header, 8 body, 9 closed
	over    bool
	skipped bool
}

// begun reports whether the state is from..to, or may as well be because steps
// the MTA was asked to leave out were.
func (j *judge) begun(from, to int) bool {
	state := j.state
	if state == 1 && j.n.Protocol&NoConnect != 0 {
		state = 2
	}
	if state == 2 && j.n.Protocol&NoMail != 0 && from > 2 && !j.over {
		state = 3
	}
	if state >= 3 && state < 7 && j.n.Protocol&NoEndOfHeader != 0 && from == 7 {
		state = 7
	}
	return state >= from && state <= to
}

func (j *judge) call(what string, ok bool) Response {
	if !ok {
		j.t.Errorf("%s in state %d", what, j.state)
	}
	j.conn.Macro("i")
	if len(j.answers) == 0 {
		return Continue
	}
	a := j.answers[0]
	j.answers = j.answers[1:]
	return [...]Response{Continue, "", Continue, Skip, Accept, Reject, TempFail, Discard, Drop, Reply(550, "5.7.0", "no")}[a%10]
}

// message notes an answer within a message.
func (j *judge) message(r Response, due StepMask, rcpt bool) Response {
	k := r.Kind()
	refusal := k == ReplyReject || k == ReplyTempFail || k == ReplyCode
	if !r.goesOn() && !(rcpt && refusal && j.n.Answered(due)) {
		j.state, j.skipped = 2, false
	}
	return r
}

func (j *judge) Negotiated(n Negotiation) {
	j.call("Negotiated", j.state == 0)
	j.n, j.state = n, 1
}
func (j *judge) Connect(string, ConnAddr) Response {
	r := j.call("Connect", j.state == 1)
	j.state = 2
	j.over = !r.goesOn()
	return r
}
func (j *judge) Helo(string) Response {
	r := j.call("Helo", j.begun(2, 2) && !j.over)
	j.state = 2
	if k := r.Kind(); !r.goesOn() && (!j.n.Answered(StepHelo) || k == ReplyAccept || k == ReplyDiscard || k == ReplyShutdown) {
		j.over = true
	}
	return r
}
func (j *judge) MailFrom(string, []string) Response {
	r := j.call("MailFrom", j.begun(2, 2) && !j.over)
	j.state, j.skipped = 3, false
	return j.message(r, StepMail, false)
}
func (j *judge) Rcpt(string, []string) Response {
	r := j.call("Rcpt", j.begun(3, 4))
	j.state = 4
	return j.message(r, StepRcpt, true)
}
func (j *judge) Data() Response {
	r := j.call("Data", j.begun(3, 4))
	j.state = 5
	return j.message(r, StepData, false)
}
func (j *judge) Header(_, _ []byte) Response {
	r := j.call("Header", j.begun(3, 6))
	j.state = 6
	return j.message(r, StepHeader, false)
}
func (j *judge) EndOfHeader() Response {
	r := j.call("EndOfHeader", j.begun(3, 6))
	j.state = 7
	return j.message(r, StepEndOfHeader, false)
}
func (j *judge) Body(chunk []byte) Response {
	r := j.call("Body", j.begun(7, 8) && len(chunk) > 0 && !j.skipped)
	j.state = 8
	j.skipped = r.Kind() == ReplySkip
	return j.message(r, StepBody, false)
}
func (j *judge) EndOfMessage(e *Edits) Response {
	r := j.call("EndOfMessage", j.begun(7, 8))
	e.AddHeader("X", "a\r\nb")
	e.InsertHeader(1, "X", " a\n")
	j.state, j.skipped = 2, false
	return r
}
func (j *judge) Abort() { j.call("Abort", j.begun(3, 8)); j.state, j.skipped = 2, false }
func (j *judge) Unknown(string) Response {
	j.call("Unknown", j.state >= 1 && j.state <= 8)
	return Continue
}
func (j *judge) Close() {
	if j.state < 3 || j.state == 9 {
		// Between messages, or never negotiated.
	} else {
		j.t.Errorf("Close in state %d", j.state)
	}
	j.state = 9
}

// play runs input through a server and checks what holds for any input.
func play(t testing.TB, o Options, input, answers []byte, piece int) *script {
	var logged []string
	o.MaxFrameBytes = 100 << 10
	o.ErrorLog = func(err error, _ string) { logged = append(logged, err.Error()) }
	o.OnPanic = func(v any, stack []byte) Response {
		t.Fatalf("panic: %v\n%s", v, stack)
		return TempFail
	}
	var sessions []*judge
	s := NewServer(func(c *Conn) Session {
		j := &judge{t: t, conn: c, answers: answers}
		sessions = append(sessions, j)
		return j
	}, o)
	conn := &script{in: input, piece: max(piece, 1)}
	s.serve(s.add(conn))
	for _, j := range sessions {
		if j.state != 9 {
			t.Errorf("a session was not closed, state %d", j.state)
		}
	}
	for rest := conn.out.Bytes(); len(rest) > 0; {
		if len(rest) < frameHeadBytes {
			t.Fatalf("half a frame written: %q", rest)
		}
		n := int(binary.BigEndian.Uint32(rest)) + 4
		if n < frameHeadBytes || n > len(rest) || !strings.ContainsRune("Ocardtsyih4", rune(rest[4])) {
			t.Fatalf("bad frame written: %q", rest[:min(len(rest), 64)])
		}
		rest = rest[n:]
	}
	if len(logged) > 1 {
		t.Errorf("%d log lines: %q", len(logged), logged)
	}
	return conn
}

func dialogueSeeds() [][]byte {
	return [][]byte{
		nil, {0}, {0, 0, 0, 0}, offer, []byte("GET / HTTP/1.0\r\n\r\n"), {0xff, 0xff, 0xff, 0xff, 'O'},
		offerFrame(2, 0, 0),
		join(offer, frame('D', "Cj\x00x\x00"), connect, frame('H', "n\x00"), mail, rcpt, frame('T', ""), frame('L', "a\x00b\x00"), eoh, frame('B', "body"), frame('E', ""), frame('Q', "")),
		join(offer, connect, mail, frame('A', ""), mail, eoh, frame('E', "x"), frame('K', ""), connect, frame('U', "X\x00")),
		join(offer, connect, mail, mail, frame('H', "n\x00"), mail, rcpt, rcpt),
	}
}

// FuzzFrames: any octets, in any pieces, neither panic nor hang nor call the
// session out of order.
func FuzzFrames(f *testing.F) {
	for _, s := range dialogueSeeds() {
		f.Add(s, 3)
		f.Add(s, 1<<20)
	}
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		play(t, Options{}, input, nil, piece)
	})
}

// FuzzDialogue: well-formed frames in any order, any answers, any options.
func FuzzDialogue(f *testing.F) {
	f.Add([]byte("CHMRTLNBEQ"), []byte{0}, uint16(0), uint16(0))
	f.Add([]byte("CMLNBBEMLNBE"), []byte{0, 0, 0, 0, 3}, uint16(0x1ff), uint16(0))
	f.Add([]byte("CMRLALNEKCMNE"), []byte{0, 0, 5, 0, 9}, uint16(0), uint16(0xff))
	f.Add([]byte("B"), []byte{0}, uint16(0), uint16(0xff)) // an empty part begins and ends a message
	f.Add([]byte("CHHMMRRRLLNBBBEUdDAQ"), []byte{4, 5, 6, 7, 8, 9}, uint16(0x155), uint16(0x3))
	f.Fuzz(func(t *testing.T, commands, answers []byte, noReply, skip uint16) {
		input := append([]byte(nil), offer...)
		for i, c := range commands {
			switch c {
			case 'C':
				input = append(input, connect...)
			case 'H', 'M', 'R', 'U':
				input = append(input, frame(c, "<x>\x00ARG\x00")...)
			case 'L':
				input = append(input, frame(c, "Name\x00 value\n\tmore\x00")...)
			case 'B':
				input = append(input, frame(c, strings.Repeat("b", i*7%300))...)
			case 'D':
				input = append(input, frame(c,
					fmt.Sprintf("%ci\x00%d\x00{a}\x00%s\x00", macroOrder[i%len(macroOrder)], i, strings.Repeat("v", i%50)))...)
			default:
				input = append(input, frame(c, "")...)
			}
		}
		o := Options{NoReply: StepMask(noReply), Skip: StepMask(skip), WantSkip: noReply&1 == 0, Actions: AllActions}
		whole := play(t, o, input, answers, 1<<20)
		pieces := play(t, o, input, answers, 1)
		if !bytes.Equal(whole.out.Bytes(), pieces.out.Bytes()) && !bytes.Contains(commands, []byte("B")) {
			t.Errorf("answers depend on how the input arrives:\n%q\n%q", whole.out.Bytes(), pieces.out.Bytes())
		}
	})
}

// FuzzReplies: a hostile filter does not panic the client, nor Apply.
func FuzzReplies(f *testing.F) {
	negotiation := frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x10\x04\x80")
	f.Add(join(negotiation, frame('c', ""), frame('c', ""), frame('a', "")))
	f.Add(join(negotiation, frame('c', ""), frame('c', ""), frame('c', ""), frame('c', ""), frame('c', ""), frame('c', ""), frame('c', ""),
		frame('i', "\x00\x00\x00\x00X\x00 y\x00"), frame('m', "\x00\x00\x00\x01To\x00\x00"),
		frame('h', "X\x00 y\x00"), frame('b', "new"), frame('p', ""), frame('y', "550 5.7.0 x\x00")))
	f.Add(frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff\x00\x00\x00\x00j {x}\x00"))
	f.Fuzz(func(t *testing.T, input []byte) {
		c, err := NewClient(&script{in: input, piece: 1 << 20}, ClientOptions{})
		if err != nil {
			return
		}
		m := sampleMessage()
		for range 3 {
			var o Outcome
			if err := c.SendTo(t.Context(), &m, &o); err != nil {
				return
			}
			Apply(m.Raw, o.Edits)
		}
	})
}

// FuzzApply: without edits a message stays what it is, and edits never panic.
// wholeHeader is a header of fields alone (RFC 5322 §2.2, §4.5) with its empty line: what is
// no field would end it before that line.
var wholeHeader = regexp.MustCompile(`^(?:[!-9;-~]+[ \t]*:[^\n]*\r\n(?:[ \t][^\n]*\r\n)*)+\r\n`)

func FuzzApply(f *testing.F) {
	f.Add([]byte(sample), "X", " y", uint32(1), byte('i'))
	f.Add([]byte("a: b\n\nbody\n"), "A", "", uint32(1), byte('m'))
	f.Add([]byte("no header at all"), "A", " x\n y", uint32(1<<31), byte('h'))
	f.Add([]byte("a:\r\n\r\n"), "a", " ", uint32(9), byte('b'))
	f.Add([]byte("0\r\n\r\n"), "0", "0", uint32(1), byte('i'))
	f.Fuzz(func(t *testing.T, raw []byte, name, value string, index uint32, kind byte) {
		Apply(raw, []Edit{{Kind: kind, Name: name, Value: value, Index: index}, {Kind: ReplyChangeHeader, Name: name, Index: 1}})
		crlf := bytes.Count(raw, []byte("\r\n"))
		if whole := wholeHeader.Match(raw); whole && crlf == bytes.Count(raw, []byte("\n")) && !bytes.HasPrefix(raw, []byte("From ")) {
			if got := Apply(raw, nil); !bytes.Equal(got, raw) {
				t.Errorf("%q became %q", raw, got)
			}
		}
	})
}
