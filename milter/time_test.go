package milter

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble is a server within synctest.Test, whose clock stands while anything is done.
// Its connections have no descriptor.
type bubble struct {
	server *Server
	pipes  *pipes
	mu     sync.Mutex
	errors []string
}

func newBubble(t *testing.T, o Options, session Session) *bubble {
	b := &bubble{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	o.ErrorLog = func(err error, _ string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.errors = append(b.errors, err.Error())
	}
	b.server = NewServer(func(*Conn) Session { return session }, o)
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(b.pipes) }()
	t.Cleanup(func() {
		b.server.Close()
		if err := <-served; err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return b
}

func (b *bubble) dial() net.Conn {
	near, far := net.Pipe()
	b.pipes.conns <- far
	return near
}

// logged waits until nothing goes on, and takes what was logged.
func (b *bubble) logged() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.errors
	b.errors = nil
	return lines
}

// TestTimeouts: how long each of a connection's states is waited in, by what Options say
// of it. A deadline that is set anew at most steps only is up to an eighth late.
func TestTimeouts(t *testing.T) {
	o := Options{NegotiateTimeout: time.Minute, IdleTimeout: time.Hour, CommandTimeout: 3 * time.Hour, FrameTimeout: 10 * time.Minute}
	within := join(offer, connect, mail)
	half, rest := frame('B', "xy")[:6], frame('B', "xy")[6:]
	type part struct {
		after time.Duration
		data  []byte
	}
	every := func(n int, pause time.Duration, data []byte) (parts []part) {
		for range n {
			parts = append(parts, part{pause, data})
		}
		return parts
	}
	for name, c := range map[string]struct {
		parts []part
		want  time.Duration // from the last part on
	}{
		"nothing is said":             {nil, o.NegotiateTimeout},
		"half a negotiation":          {[]part{{0, offer[:6]}}, o.NegotiateTimeout},
		"negotiated":                  {[]part{{0, offer}}, o.IdleTimeout},
		"no message":                  {[]part{{0, join(offer, connect)}}, o.IdleTimeout},
		"half a MAIL":                 {[]part{{0, join(offer, connect, mail[:6])}}, o.FrameTimeout},
		"half a length":               {[]part{{0, join(within, mail[:2])}}, o.FrameTimeout},
		"a message":                   {[]part{{0, within}}, o.CommandTimeout},
		"half a body":                 {[]part{{0, join(within, eoh, half)}}, o.FrameTimeout},
		"a body that drips":           {append([]part{{0, join(within, eoh, []byte{0, 0, 1, 0, 'B', 'x'})}}, every(4, 2*time.Minute, rest)...), 2 * time.Minute},
		"after a frame of two halves": {[]part{{0, join(within, eoh, half)}, {9 * time.Minute, rest}}, o.CommandTimeout},
		"after many steps":            {append([]part{{0, within}}, every(9, 2*time.Hour, rcpt)...), o.CommandTimeout},
		"a message given up":          {[]part{{0, within}, {2 * time.Hour, frame('A', "")}}, o.IdleTimeout},
		"a message done":              {[]part{{0, join(within, eoh)}, {2 * time.Hour, frame('E', "")}}, o.IdleTimeout},
		"a message refused":           {[]part{{0, within}, {2 * time.Hour, frame('R', "<refused>\x00")}}, o.IdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, o, &recorder{answers: map[string]Response{"RCPT <refused>": Discard}})
				conn := b.dial()
				ended := make(chan time.Time)
				go func() { _, _ = io.Copy(io.Discard, conn); ended <- time.Now() }()
				for _, p := range c.parts {
					time.Sleep(p.after)
					if _, err := conn.Write(p.data); err != nil {
						t.Fatal(err)
					}
				}
				last := time.Now()
				if took := (<-ended).Sub(last); took < c.want || took > c.want+c.want/8 {
					t.Errorf("closed after %v, want %v", took, c.want)
				}
				if l := b.logged(); len(l) != 1 || !strings.Contains(l[0], "timed out waiting for the MTA") {
					t.Error(l)
				}
			})
		})
	}
}

// TestWriteTimeouts: a peer that does not read is given up, whatever the answer; one that
// reads slowly, but does, is not.
func TestWriteTimeouts(t *testing.T) {
	rec := &recorder{atEnd: func(_ *Conn, e *Edits) Response { _ = e.ReplaceBody(make([]byte, 1<<20)); return Accept }}
	for name, input := range map[string][]byte{"an answer": offer, "edits": join(offer, connect, mail, eoh, frame('E', ""))} {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t, Options{Actions: AllActions, WriteTimeout: time.Minute}, rec)
			conn := b.dial()
			begin := time.Now()
			if _, err := conn.Write(input); err != nil {
				t.Fatal(err)
			}
			for b.server.Connections() > 0 {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if took := time.Since(begin); took != time.Minute {
				t.Errorf("%s: given up after %v", name, took)
			}
			if l := b.logged(); len(l) != 1 || !strings.Contains(l[0], "i/o timeout") {
				t.Error(l)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{WriteTimeout: time.Minute}, &recorder{})
		conn := b.dial()
		if _, err := conn.Write(offer); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if _, err := io.ReadFull(conn, make([]byte, len(offer))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour) // the write's end is not that of what comes
		c := newRawClient(conn, ClientOptions{})
		c.Queue(CommandConnect, []byte("h\x00U"))
		if a, err := c.ReadReply(); err != nil || a.Kind != ReplyContinue {
			t.Errorf("%v, %v", a, err)
		}
	})
}

// TestConnectionLimit: as many as are allowed, and a line a second at most about those
// beyond, however many they are.
func TestConnectionLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{MaxConnections: 2}, &recorder{})
		first, second := b.dial(), b.dial()
		for _, conn := range []net.Conn{first, second} {
			if _, err := NewClient(conn, ClientOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(n int) {
			t.Helper()
			for range n {
				if _, err := b.dial().Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("a third connection: %v", err)
				}
			}
		}
		logs := func(want string) {
			t.Helper()
			if l := strings.Join(b.logged(), "\n"); l != want {
				t.Errorf("logged %q, want %q", l, want)
			}
		}
		refused(50)
		logs("too many connections: 2 are open; refused 1")
		time.Sleep(time.Second - 1)
		refused(1)
		logs("")
		time.Sleep(time.Nanosecond)
		refused(1)
		logs("too many connections: 2 are open; refused 51")
		time.Sleep(time.Hour)
		refused(1)
		logs("too many connections: 2 are open; refused 1")
		first.Close()
		synctest.Wait()
		if _, err := NewClient(b.dial(), ClientOptions{}); err != nil {
			t.Error(err)
		}
		refused(1)
	})
}

// failing fails its first accepts.
type failing struct {
	*pipes
	failures int
	asked    []time.Time
}

var errNoDescriptors = errors.New("too many open files")

func (l *failing) Accept() (net.Conn, error) {
	l.asked = append(l.asked, time.Now())
	if l.failures--; l.failures >= 0 {
		return nil, errNoDescriptors
	}
	return l.pipes.Accept()
}

// TestAcceptErrorsAreWaitedOut: with pauses that double up to a second, one line for all,
// and anew after a connection that came.
func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, Options{}, &recorder{})
		l := &failing{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}, failures: 10}
		done := make(chan error, 1)
		go func() { done <- b.server.Serve(l) }() // a second listener of the same server
		dial := func() {
			near, far := net.Pipe()
			l.conns <- far
			if _, err := NewClient(near, ClientOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			dial()
			if got := b.logged(); len(got) != 1 || got[0] != "accepting connections: too many open files" {
				t.Errorf("%q", got)
			}
			var pauses []time.Duration
			for i := range l.asked[1:] {
				if d := l.asked[i+1].Sub(l.asked[i]); d > 0 {
					pauses = append(pauses, d)
				}
			}
			want := 5 * time.Millisecond
			for i, d := range pauses {
				if d != want {
					t.Errorf("pause %d of %d is %v, want %v", i, len(pauses), d, want)
				}
				want = min(2*want, time.Second)
			}
			l.asked, l.failures = nil, 3
			dial()
			synctest.Wait()
		}
		time.Sleep(time.Millisecond)
		b.server.Close() // which no pause holds up
		if err := <-done; err != ErrServerClosed {
			t.Error(err)
		}
	})
}

// TestShutdownOutOfTime: messages in hand are waited for as long as the context says, and
// then ended, as their sessions are told.
func TestShutdownOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		b := newBubble(t, Options{}, rec)
		b.server.newSession = func(c *Conn) Session { rec.conn = c; return rec }
		c, err := NewClient(b.dial(), ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Connect("host", ConnAddr{})
		c.Mail("<a@x>")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		if err := b.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		synctest.Wait()
		if calls := strings.Join(rec.all(), " "); b.server.Connections() != 0 || !strings.HasSuffix(calls, "ABORT CLOSE") {
			t.Errorf("%d connections, %s", b.server.Connections(), calls)
		}
		if rec.conn.Context().Err() == nil {
			t.Error("the context goes on")
		}
		if l := b.logged(); len(l) > 0 {
			t.Error(l)
		}
		late := &pipes{done: make(chan struct{})}
		if err := b.server.Serve(late); err != ErrServerClosed {
			t.Error(err)
		}
		<-late.done // it was closed
	})
}

// TestShutdownKnowsWhoIsIdle: who has no message in hand, and is owed no answer, goes at
// once; who has, or is, stays as long as the context allows.
func TestShutdownKnowsWhoIsIdle(t *testing.T) {
	refuses := map[string]Response{"MAIL <refused>": Reject, "CONNECT refused 192.0.2.1:25": Reject, "RCPT <refused>": Reject,
		"RCPT <discard>": Discard, "HELO refused": Reject}
	frames := map[string][]byte{
		"CONNECT": connect, "CONNECT-": frame('C', "refused\x004\x00\x19192.0.2.1\x00"), "MAIL": mail, "MAIL-": frame('M', "<refused>\x00"),
		"RCPT": rcpt, "RCPT-": frame('R', "<refused>\x00"), "RCPT--": frame('R', "<discard>\x00"), "EOH": eoh, "EOM": frame('E', ""),
		"ABORT": frame('A', ""), "QUIT_NC": frame('K', ""), "HELO-": frame('H', "refused\x00"), "BODY": frame('B', "x"),
	}
	everything := StepConnect | StepHelo | StepMail | StepRcpt | StepEndOfHeader | StepBody
	for said, stays := range map[string]bool{
		"": false, "CONNECT": false, "CONNECT MAIL": true, "CONNECT MAIL RCPT EOH": true, "CONNECT MAIL EOH EOM": false,
		"CONNECT MAIL ABORT": false, "CONNECT-": false, "CONNECT MAIL-": false, "CONNECT MAIL RCPT-": true, "CONNECT MAIL RCPT--": false,
		"CONNECT MAIL QUIT_NC": false, "CONNECT HELO-": false,
		// Where steps are not answered, a refusal is owed until one that is.
		"! CONNECT-": true, "! CONNECT- MAIL EOH EOM": false, "! CONNECT MAIL-": true, "! CONNECT MAIL- RCPT EOH BODY": true,
		"! CONNECT MAIL- ABORT": false, "! CONNECT MAIL- EOH EOM": false, "! CONNECT MAIL- MAIL ABORT": false,
		"! CONNECT MAIL- QUIT_NC": false, "! CONNECT HELO-": true,
	} {
		synctest.Test(t, func(t *testing.T) {
			o := Options{}
			words, silent := strings.CutPrefix(said, "! ")
			if silent {
				o.NoReply = everything
			}
			b := newBubble(t, o, &recorder{answers: refuses})
			conn := b.dial()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			for _, data := range append([][]byte{offer}, wordsOf(words, frames)...) {
				if _, err := conn.Write(data); err != nil {
					t.Fatalf("%s: %v", said, err)
				}
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := b.server.Shutdown(ctx); (err != nil) != stays {
				t.Errorf("%q: %v", said, err)
			}
			if l := b.logged(); len(l) > 0 {
				t.Errorf("%q: %q", said, l)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // who is owed the answer of a session that panicked
		b := newBubble(t, Options{NoReply: everything}, &recorder{onCall: func(call string) {
			if call == "CONNECT" {
				panic("by design")
			}
		}})
		conn := b.dial()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, _ = conn.Write(slices.Concat(offer, connect))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.server.Shutdown(ctx); err == nil {
			t.Error("it is left without its answer")
		}
	})
}

func wordsOf(words string, frames map[string][]byte) (said [][]byte) {
	for _, w := range strings.Fields(words) {
		said = append(said, frames[w])
	}
	return said
}
