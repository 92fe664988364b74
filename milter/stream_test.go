package milter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// collector is a Session that keeps what it is given.
type collector struct {
	noop
	header bytes.Buffer
	body   bytes.Buffer
	answer Response
	edits  func(*Edits)
}

func (c *collector) Header(name, value []byte) Response {
	fmt.Fprintf(&c.header, "%s:%s\r\n", name, value)
	return Continue
}
func (c *collector) Body(chunk []byte) Response { c.body.Write(chunk); return c.answer }
func (c *collector) EndOfMessage(e *Edits) Response {
	if c.edits != nil {
		c.edits(e)
	}
	return Continue
}

// TestAnySizeInAnyPieces: fields and bodies as long as buffers are, an octet less or more,
// arrive as they were sent, however the network cuts them.
func TestAnySizeInAnyPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 0))
	near := func(n int) int { return n - 9 + random.IntN(18) }
	sizes := []int{1, keptStashBytes, maxStashBytes, 16 << 10, maxBodyChunkBytes, readBufferBytes, 2 * readBufferBytes, 3 * readBufferBytes}
	for round := range 20 {
		raw := bytes.NewBuffer(join(offer, connect, mail))
		var header, body bytes.Buffer
		add := func(command byte, data []byte) {
			raw.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1)))
			raw.WriteByte(command)
			raw.Write(data)
		}
		for i := range 1 + random.IntN(4) {
			text := bytes.Repeat([]byte{'a' + byte(i)}, max(0, near(sizes[random.IntN(len(sizes))])))
			add('L', join([]byte("N\x00"), text, []byte{0}))
			fmt.Fprintf(&header, "N:%s\r\n", text)
		}
		add('N', nil)
		for i := range 1 + random.IntN(4) {
			text := bytes.Repeat([]byte{'A' + byte(i)}, max(1, near(sizes[random.IntN(len(sizes))])))
			add('B', text)
			body.Write(text)
		}
		add('E', nil)
		add('Q', nil)
		session := &collector{}
		s := NewServer(func(*Conn) Session { return session }, Options{NoReply: StepHeader | StepBody})
		conn, far := pair(t, round%2 == 0)
		served := make(chan struct{})
		go func() { s.serve(s.add(far)); close(served) }()
		drained := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, conn); close(drained) }()
		for rest := raw.Bytes(); len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1+sizes[random.IntN(len(sizes))]))
			if _, err := conn.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		<-served
		<-drained
		conn.Close()
		if !bytes.Equal(session.header.Bytes(), header.Bytes()) || !bytes.Equal(session.body.Bytes(), body.Bytes()) {
			t.Fatalf("round %d: %d octets of header and %d of body; %d and %d were sent", round,
				session.header.Len(), session.body.Len(), header.Len(), body.Len())
		}
	}
}

// pair is a connection of two ends, with a descriptor or without.
func pair(t *testing.T, descriptor bool) (near, far net.Conn) {
	t.Helper()
	if !descriptor {
		return net.Pipe()
	}
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("unix", l.Addr().String()); err == nil {
		far, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

// TestLongAnswersArriveWhole: more than a socket takes at once, and a buffer that was
// lent for it is fit for the next message.
func TestLongAnswersArriveWhole(t *testing.T) {
	for _, descriptor := range []bool{true, false} {
		body := bytes.Repeat([]byte("0123456789abcde\n"), 4<<20/16)
		session := &collector{edits: func(e *Edits) {
			if err := errors.Join(e.AddHeader("X", "y"), e.ReplaceBody(body)); err != nil {
				t.Error(err)
			}
		}}
		s := NewServer(func(*Conn) Session { return session }, Options{Actions: AllActions})
		near, far := pair(t, descriptor)
		go s.serve(s.add(far))
		c, err := NewClient(near, ClientOptions{Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			o := send(t, c, sampleMessage())
			var got bytes.Buffer
			for _, e := range o.Edits[1:] {
				got.WriteString(e.Value)
			}
			if !bytes.Equal(got.Bytes(), body) || o.Edits[0].Name != "X" || o.Final.Kind != ReplyContinue {
				t.Errorf("descriptor %v: %d octets, %v", descriptor, got.Len(), o.Final)
			}
		}
		near.Close()
	}
}

// TestBodiesAreCutAsPostfixDoes: chunks of 65,535 octets at most, one after the other.
func TestBodiesAreCutAsPostfixDoes(t *testing.T) {
	for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 65_534, 65_535, 65_536, 131_070, 131_071, 200_000} {
		for _, noReply := range []StepMask{0, StepBody} {
			session := &collector{}
			s := NewServer(func(*Conn) Session { return session }, Options{NoReply: noReply})
			near, far := pair(t, true)
			go s.serve(s.add(far))
			c, err := NewClient(near, ClientOptions{Timeout: patience})
			if err != nil {
				t.Fatal(err)
			}
			m := sampleMessage()
			text := make([]byte, n)
			for i := range text {
				text[i] = 'a' + byte(i%26)
			}
			m.Raw = append([]byte("A: b\r\n\r\n"), text...)
			for range 2 {
				session.body.Reset()
				if send(t, c, m); !bytes.Equal(session.body.Bytes(), text) {
					t.Errorf("%d octets, not answered %#x: %d arrived", n, noReply, session.body.Len())
				}
			}
			near.Close()
		}
	}
	var frames []int
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		head := make([]byte, frameHeadBytes)
		for {
			if _, err := io.ReadFull(far, head); err != nil {
				return
			}
			n := int(binary.BigEndian.Uint32(head))
			if _, err := io.CopyN(io.Discard, far, int64(n-1)); err != nil {
				return
			}
			if head[4] == CommandBody {
				frames = append(frames, n-1)
			}
			if head[4] == CommandQuit {
				return
			}
		}
	}()
	c := newRawClient(near, ClientOptions{})
	c.negotiation = Negotiation{Version: 6, Protocol: NoReplyBody}
	if done, err := c.sendBody(make([]byte, 131_071), new(Outcome)); done || err != nil {
		t.Fatal(done, err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{65_535, 65_535, 1}, frames); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
