package milter

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLastChunk: an MTA may send the body's last octets with the end of message. An answer
// that ends the message is the final one, and nobody asks for edits then.
func TestLastChunk(t *testing.T) {
	for answer, calls := range map[Response]string{Continue: "BODY EOM", Skip: "BODY EOM", Accept: "BODY", Reject: "BODY",
		Discard: "BODY", Reply(451, "4.7.1", "later"): "BODY"} {
		rec := &recorder{answers: map[string]Response{"BODY": answer}}
		c := start(t, "unix", Options{WantSkip: true}, rec).dial(ClientOptions{})
		c.queueRaw(join(connect, mail, eoh, frame('E', "last")))
		var got Answer
		for range 4 {
			a, err := c.ReadReply()
			if err != nil {
				t.Fatal(err)
			}
			got = *a
		}
		want := answer.Kind()
		if answer == Skip {
			want = ReplyContinue
		}
		if got.Kind != want {
			t.Errorf("%s is answered by %s", answer, got.String())
		}
		var seen []string
		for _, call := range rec.all() {
			if name, _, _ := strings.Cut(call, " "); name == "BODY" || name == "EOM" {
				seen = append(seen, name)
			}
		}
		if text := strings.Join(seen, " "); text != calls {
			t.Errorf("%s: %s, want %s", answer, text, calls)
		}
		if a, err := c.Mail("<a@x>"); err != nil || a.Kind != ReplyContinue { // the next message begins
			t.Errorf("after %s: %v, %v", answer, a, err)
		}
	}
}

// TestAnswersBeforeAnErrorAreSent: what came in order was answered, whatever came after.
func TestAnswersBeforeAnErrorAreSent(t *testing.T) {
	for name, last := range map[string][]byte{"nonsense": frame('z', ""), "no length": {0, 0, 0, 0}, "QUIT": frame('Q', ""),
		"out of order": eoh} {
		h := start(t, "unix", Options{}, &recorder{})
		conn, err := net.Dial("unix", h.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(join(offer, connect, mail, eoh, last)); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(conn)
		if n := strings.Count(string(text), "\x00\x00\x00\x01c"); n != 3 || err != nil {
			t.Errorf("%s: %d answers, %v", name, n, err)
		}
		conn.Close()
	}
}

// TestOrderOfFirstSteps: CONNECT comes once, and first, unless the filter has no need of it.
func TestOrderOfFirstSteps(t *testing.T) {
	for said, want := range map[string]string{
		"CH": "", "CHH": "", "CC": "out of order", "HC": "before CONNECT", "H": "before CONNECT", "CHC": "out of order",
		"!H": "", "!M": "", "!HC": "out of order", "!MC": "out of order", "!C": "", "!U": "", "CU": "",
	} {
		commands, skips := strings.CutPrefix(said, "!")
		o := Options{}
		if skips {
			o.Skip = StepConnect
		}
		input := offer
		for _, c := range []byte(commands) {
			input = join(input, map[byte][]byte{'C': connect, 'H': frame('H', "h\x00"), 'M': mail, 'U': frame('U', "X\x00")}[c])
		}
		h := start(t, "unix", o, &recorder{})
		conn, err := net.Dial("unix", h.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(join(input, frame('Q', "")))
		_, _ = io.ReadAll(conn)
		conn.Close()
		waitFor(t, "the end", func() bool { return h.server.Connections() == 0 })
		if got := strings.Join(h.logged(), "\n"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", said, got, want)
		}
	}
}

// TestLongestFrame is one as long as Options say, its command included.
func TestLongestFrame(t *testing.T) {
	for n, want := range map[int]string{1000: "", 1001: "1001 octets, the limit is 1000"} {
		rec := &recorder{}
		h := start(t, "unix", Options{MaxFrameBytes: 1000}, rec)
		c := h.dial(ClientOptions{})
		c.queueRaw(join(connect, mail, frame('L', "N\x00"+strings.Repeat("x", n-len("LN\x00\x00"))+"\x00")))
		answers := 0
		for range 3 {
			if _, err := c.ReadReply(); err == nil {
				answers++
			}
		}
		if want != "" {
			waitFor(t, "a line", func() bool { return len(h.logged()) > 0 })
		}
		if got := strings.Join(h.logged(), "\n"); !strings.Contains(got, want) || (answers == 3) != (want == "") {
			t.Errorf("%d octets: %d answers, %q", n, answers, got)
		}
	}
}

// TestPeerThatResets ends a connection with an error of its own, unlike one that leaves.
func TestPeerThatResets(t *testing.T) {
	h := start(t, "tcp", Options{}, &recorder{})
	c := h.dial(ClientOptions{})
	if _, err := c.Connect("h", ConnAddr{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.conn.(*net.TCPConn).SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end", func() bool { return h.server.Connections() == 0 })
	if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "reset by peer") {
		t.Errorf("%q", l)
	}
}

// TestClientTimeouts: a filter that is silent, or that does not read, is waited for as long
// as the options say, and up to a quarter more.
func TestClientTimeouts(t *testing.T) {
	const most = 40 * time.Second
	m := sampleMessage()
	for name, filter := range map[string]func(net.Conn){
		"silent":         func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"does not read":  func(net.Conn) {},
		"half an answer": func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 5)); _, _ = c.Write([]byte{0, 0}) },
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			go filter(far)
			c := newRawClient(near, ClientOptions{Timeout: most})
			c.negotiation = Negotiation{Version: 6}
			time.Sleep(time.Hour)
			begin := time.Now()
			_, err := c.Send(t.Context(), m)
			if took := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || took < most || took > most+most/4 {
				t.Errorf("%s: %v after %v", name, err, took)
			}
			near.Close()
			far.Close()
		})
	}
	synctest.Test(t, func(t *testing.T) { // and so do notes of progress, and what is sent
		session := &collector{edits: func(e *Edits) {
			for range 5 {
				time.Sleep(most - time.Second)
				_ = e.Progress()
			}
		}}
		s := NewServer(func(*Conn) Session { return session }, Options{NoReply: StepBody})
		near, far := net.Pipe()
		go s.serve(s.add(&drowsy{Conn: far, pause: most / 2}))
		c, err := NewClient(near, ClientOptions{Timeout: most})
		if err != nil {
			t.Fatal(err)
		}
		long := m
		long.Raw = append(long.Raw, strings.Repeat("x", 5*maxBodyChunkBytes)...)
		if _, err := c.Send(t.Context(), long); err != nil {
			t.Error(err)
		}
		near.Close()
		time.Sleep(time.Hour)
	})
	synctest.Test(t, func(t *testing.T) { // each chunk of a body, too
		near, far := net.Pipe()
		c := newRawClient(near, ClientOptions{Timeout: most})
		go func() {
			_, _ = io.CopyN(io.Discard, far, frameHeadBytes)
			for range 4 {
				time.Sleep(most - time.Second)
				_, _ = io.CopyN(io.Discard, far, frameHeadBytes+maxBodyChunkBytes)
			}
		}()
		c.Queue(CommandEndOfHeader, nil)
		for range 4 {
			if err := c.queueBody(make([]byte, maxBodyChunkBytes)); err != nil {
				t.Error(err)
			}
		}
		begin := time.Now()
		err := c.queueBody(make([]byte, maxBodyChunkBytes)) // which the filter does not read
		if took := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || took < most || took > most+most/4 {
			t.Errorf("%v after %v", err, took)
		}
		near.Close()
		far.Close()
	})
	synctest.Test(t, func(t *testing.T) { // each answer begins the wait anew
		s := NewServer(func(*Conn) Session {
			return &recorder{onCall: func(string) { time.Sleep(most - time.Second) }}
		}, Options{})
		near, far := net.Pipe()
		go s.serve(s.add(far))
		c, err := NewClient(near, ClientOptions{Timeout: most})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
		near.Close()
		time.Sleep(time.Hour)
	})
}

// drowsy is a connection of a peer that pauses before it reads much.
type drowsy struct {
	net.Conn
	pause time.Duration
}

func (d *drowsy) Read(b []byte) (int, error) {
	if len(b) > 1000 { // in the middle of something long
		time.Sleep(d.pause)
	}
	return d.Conn.Read(b)
}

// TestQuitNCBeginsAnew: the next message of the connection is that of another SMTP client.
func TestQuitNCBeginsAnew(t *testing.T) {
	rec := &recorder{answers: map[string]Response{"CONNECT localhost unknown": Reject}}
	c := start(t, "unix", Options{}, rec).dial(ClientOptions{})
	m := sampleMessage()
	m.Host = ""
	for range 2 { // and the next by the same answer
		if o := send(t, c, m); o.Step != CommandConnect || o.Final.Kind != ReplyReject {
			t.Errorf("%v at %c", o.Final, o.Step)
		}
	}
	if err := c.QuitNC(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if o := send(t, c, sampleMessage()); o.Final.Kind != ReplyContinue || o.Step != CommandEndOfMessage {
			t.Errorf("%v at %c", o.Final, o.Step)
		}
	}
	calls := strings.Join(rec.all(), "\n")
	if strings.Count(calls, "CONNECT ") != 2 || strings.Count(calls, "HELO mx.example.com") != 1 {
		t.Errorf("%s", calls)
	}
}

// tooLate is a listener that has accepted a connection when it is closed.
type tooLate struct {
	pipes
	conn net.Conn
}

func (l *tooLate) Accept() (net.Conn, error) {
	<-l.done
	return l.conn, nil
}

// TestStopOfAServer that has nothing to wait for is at once, and a connection that comes
// then is closed.
func TestStopOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		s := NewServer(func(*Conn) Session { return noop{} }, Options{})
		l := &tooLate{pipes: pipes{done: make(chan struct{})}, conn: far}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != ErrServerClosed {
			t.Error(err)
		}
		another, end := net.Pipe()
		if s.add(end) != nil || s.Connections() != 0 {
			t.Error("one more is served")
		}
		for _, conn := range []net.Conn{near, another} {
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the connection: %v", err)
			}
		}
	})
}

// TestHalfFramesOfASocket are given up in their time, in however small pieces they come: of
// a length's first octets nothing but themselves is kept.
func TestHalfFramesOfASocket(t *testing.T) {
	for name, half := range map[string][]byte{"of a length": mail[:2], "of a frame": mail[:6],
		"of a long frame": frame('M', strings.Repeat("x", 9000))[:8000]} {
		h := start(t, "unix", Options{FrameTimeout: 20 * time.Millisecond}, &recorder{})
		conn, err := net.Dial("unix", h.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(join(offer, connect, half)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(conn)
		waitFor(t, "the end", func() bool { return h.server.Connections() == 0 })
		if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "timed out") {
			t.Errorf("half %s: %q", name, l)
		}
		conn.Close()
	}
}

// TestBuffersAreLentOnce: two connections never have the same.
func TestBuffersAreLentOnce(t *testing.T) {
	pool := new(bufferPool)
	r := newReader(nil, pool, 1<<20)
	r.acquire(1)
	r.to = len(r.buf)
	r.acquire(2 * readBufferBytes) // one longer, made for it alone
	r.giveBack()
	r.giveBack()
	if a, b := pool.get(), pool.get(); a == nil || a == b {
		t.Errorf("%p is lent twice", a)
	}
}

// TestPanicsAtTheEnd of a session are told as others are, and end nothing else.
func TestPanicsAtTheEnd(t *testing.T) {
	for _, at := range []string{"ABORT", "CLOSE"} {
		rec := &recorder{onCall: func(call string) {
			if call == at {
				panic("by design")
			}
		}}
		h := start(t, "unix", Options{}, rec)
		c := h.dial(ClientOptions{})
		c.Connect("h", ConnAddr{})
		c.Mail("<a@x>")
		c.Close()
		waitFor(t, "the end", func() bool { return h.server.Connections() == 0 })
		if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "by design") {
			t.Errorf("%s: %q", at, l)
		}
		if calls := rec.all(); calls[len(calls)-1] != "CLOSE" {
			t.Errorf("%s: %q", at, calls)
		}
	}
}
