package milter

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestShutdownFinishesMessagesInHand(t *testing.T) {
	rec := &recorder{}
	h := start(t, "unix", Options{}, rec)
	idle, fresh, busy := h.dial(ClientOptions{}), h.raw(), h.dial(ClientOptions{})
	send(t, idle, sampleMessage())
	busy.Connect("host", ConnAddr{})
	busy.Mail("<a@x>")
	waitFor(t, "three connections", func() bool { return h.server.Connections() == 3 })
	done := make(chan error)
	go func() { done <- h.server.Shutdown(context.Background()) }()
	waitFor(t, "the idle ones to go", func() bool { return h.server.Connections() == 1 })
	for _, c := range []*Client{idle, fresh} {
		if _, err := c.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("idle connection: %v", err)
		}
	}
	if _, err := net.Dial("unix", h.address); err == nil {
		t.Error("still accepting")
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	busy.EndOfHeader()
	if _, r, err := busy.EndOfMessage(); err != nil || r.Kind != ReplyContinue {
		t.Errorf("message in hand: %v, %v", r, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if l := h.logged(); len(l) > 0 {
		t.Error(l)
	}
}

// A message that has arrived and that nobody has looked at yet is in hand too.
func TestShutdownFinishesWhatIsUnread(t *testing.T) {
	for range 50 {
		h := start(t, "unix", Options{NoReply: StepMail | StepRcpt | StepHeader | StepEndOfHeader | StepBody}, &recorder{})
		c := h.dial(ClientOptions{})
		send(t, c, sampleMessage())
		c.Mail("<a@x>")
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- h.server.Shutdown(context.Background()) }()
		c.Rcpt("<b@y>")
		c.EndOfHeader()
		if _, r, err := c.EndOfMessage(); err != nil || r.Kind != ReplyContinue {
			t.Fatalf("message in hand: %v, %v", r, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestShutdownOutOfTime(t *testing.T) {
	rec := &recorder{}
	h := start(t, "unix", Options{}, rec)
	c := h.dial(ClientOptions{})
	c.Connect("host", ConnAddr{})
	c.Mail("<a@x>")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := h.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	waitFor(t, "the connection to go", func() bool { return h.server.Connections() == 0 })
	if rec.conn.Context().Err() == nil {
		t.Error("the context goes on")
	}
	if calls := strings.Join(rec.all(), " "); !strings.HasSuffix(calls, "ABORT CLOSE") {
		t.Error(calls)
	}
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.server.Serve(l); err != ErrServerClosed {
		t.Error(err)
	}
}

func TestConnectionLimit(t *testing.T) {
	h := start(t, "tcp", Options{MaxConnections: 2}, &recorder{})
	a, b := h.dial(ClientOptions{}), h.dial(ClientOptions{})
	for range 50 {
		conn, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("third connection: %v", err)
		}
		conn.Close()
	}
	if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "too many connections: 2 are open") {
		t.Errorf("%d lines: %q", len(l), l)
	}
	send(t, a, sampleMessage())
	b.Quit()
	waitFor(t, "room", func() bool { return h.server.Connections() == 1 })
	send(t, h.dial(ClientOptions{}), sampleMessage())
}

func TestTimeouts(t *testing.T) {
	short, long := 50*time.Millisecond, time.Minute
	cases := []struct {
		name string
		o    Options
		part []byte
	}{
		{"negotiate", Options{NegotiateTimeout: short}, nil},
		{"idle", Options{IdleTimeout: short}, join(offer, connect)},
		{"command", Options{CommandTimeout: short}, join(offer, connect, mail)},
		{"frame", Options{FrameTimeout: short}, join(offer, connect, mail[:6])},
		{"body", Options{FrameTimeout: short}, join(offer, connect, mail, eoh, []byte{0, 0, 1, 0, 'B', 'x'})},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.NegotiateTimeout = max(tc.o.NegotiateTimeout, short)
			if tc.name != "negotiate" {
				tc.o.NegotiateTimeout = long
			}
			h := start(t, "unix", tc.o, &recorder{})
			conn, err := net.Dial("unix", h.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			conn.Write(tc.part)
			begin := time.Now()
			stop := make(chan struct{})
			if tc.name == "body" { // a drop now and then must not keep it alive
				go func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(short / 4):
							conn.Write([]byte{'y'})
						}
					}
				}()
			}
			io.Copy(io.Discard, conn)
			close(stop)
			if d := time.Since(begin); d > 2*time.Second {
				t.Errorf("closed after %v", d)
			}
			waitFor(t, "the log line", func() bool { return len(h.logged()) == 1 })
			if l := h.logged(); !strings.Contains(l[0], "timed out") {
				t.Error(l)
			}
		})
	}
}

// A peer that does not read is given up.
func TestWriteTimeout(t *testing.T) {
	rec := &recorder{atEnd: func(_ *Conn, e *Edits) Response {
		e.ReplaceBody(make([]byte, 8<<20))
		return Accept
	}}
	h := start(t, "unix", Options{Actions: AllActions, WriteTimeout: 50 * time.Millisecond}, rec)
	c := h.dial(ClientOptions{})
	c.Connect("host", ConnAddr{})
	c.Mail("<a@x>")
	c.EndOfHeader()
	c.Queue(CommandEndOfMessage)
	c.Flush()
	waitFor(t, "the connection to go", func() bool { return h.server.Connections() == 0 })
	if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "i/o timeout") {
		t.Error(l)
	}
}

// shortOfDescriptors fails its first accepts.
type shortOfDescriptors struct {
	net.Listener
	failures atomic.Int32
}

func (l *shortOfDescriptors) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	h := start(t, "unix", Options{}, &recorder{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	short := &shortOfDescriptors{Listener: l}
	short.failures.Store(3)
	done := make(chan error, 1)
	go func() { done <- h.server.Serve(short) }() // a second listener of the same server
	c, err := Dial("tcp", l.Addr().String(), ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, sampleMessage())
	send(t, h.dial(ClientOptions{}), sampleMessage())
	if l := h.logged(); len(l) != 1 || !strings.Contains(l[0], "too many open files") {
		t.Error(l)
	}
	c.Close()
	h.server.Close()
	if err := <-done; err != ErrServerClosed {
		t.Error(err)
	}
}

// countWrites counts the writes of a connection.
type countWrites struct {
	net.Conn
	writes atomic.Int32
	bytes  atomic.Int32
}

func (c *countWrites) Write(b []byte) (int, error) {
	c.writes.Add(1)
	c.bytes.Add(int32(len(b)))
	return c.Conn.Write(b)
}

// Answers to pipelined commands leave together, and so do edits and the final answer.
func TestOneWrite(t *testing.T) {
	rec := &recorder{atEnd: func(_ *Conn, e *Edits) Response {
		for range 20 {
			e.InsertHeader(0, "DKIM-Signature", benchField)
		}
		return Accept
	}}
	s := NewServer(func(*Conn) Session { return rec }, Options{Actions: AllActions})
	server, client := net.Pipe()
	counter := &countWrites{Conn: server}
	go s.serve(s.add(counter))
	defer client.Close()
	c, err := NewClient(client, ClientOptions{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	counter.writes.Store(0)
	c.queueRaw(join(connect, mail, rcpt, frame('L', "a\x00b\x00"), eoh))
	c.Flush()
	for range 5 {
		if r, err := c.ReadReply(); err != nil || r.Kind != ReplyContinue {
			t.Fatal(r, err)
		}
	}
	if n := counter.writes.Load(); n != 1 {
		t.Errorf("%d writes for five pipelined commands", n)
	}
	counter.writes.Store(0)
	if edits, _, err := c.EndOfMessage(); err != nil || len(edits) != 20 {
		t.Error(len(edits), err)
	}
	if n := counter.writes.Load(); n != 1 {
		t.Errorf("%d writes for the end of message", n)
	}
}

func TestProgress(t *testing.T) {
	waiting, seen := make(chan struct{}), make(chan struct{})
	rec := &recorder{atEnd: func(_ *Conn, e *Edits) Response {
		e.AddHeader("X", "y")
		e.Progress()
		close(waiting)
		<-seen
		return Accept
	}}
	h := start(t, "tcp", Options{Actions: AllActions}, rec)
	c := h.dial(ClientOptions{})
	c.Connect("host", ConnAddr{})
	c.Mail("<a@x>")
	c.EndOfHeader()
	c.Queue(CommandEndOfMessage)
	c.Flush()
	<-waiting
	if kind, _, err := c.readFrame(); kind != ReplyProgress || err != nil {
		t.Errorf("%q, %v", kind, err)
	}
	close(seen)
	if kind, _, _ := c.readFrame(); kind != ReplyAddHeader {
		t.Errorf("%q", kind)
	}
	if r, err := c.ReadReply(); err != nil || r.Kind != ReplyAccept {
		t.Error(r, err)
	}
}

// memoryPerConnection opens connections, each fed with part, and returns what
// one costs. The clients are bare descriptors, which cost the process nothing.
func memoryPerConnection(t *testing.T, part []byte) int {
	t.Helper()
	const count = 400
	s := NewServer(func(*Conn) Session { return noop{} }, benchOptions())
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	defer s.Close()
	inUse := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapInuse + m.StackInuse)
	}
	before := inUse()
	for range count {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
			t.Fatal(err)
		}
		if _, err := syscall.Write(fd, part); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all connections", func() bool { return s.Connections() == count })
	time.Sleep(100 * time.Millisecond) // for the input to be taken in
	return (inUse() - before) / count
}

func TestMemoryOfWaitingConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("counts octets, of which the race detector takes some of its own")
	}
	half := join(offer, frame('D', "Cj\x00host\x00{daemon_name}\x00smtpd\x00"), connect, mail, rcpt, frame('L', "a\x00b\x00"))
	longHeader := frame('L', "a\x00"+strings.Repeat("x", 3000)+"\x00")
	longBody := append([]byte{0, 1, 0, 0, 'B'}, make([]byte, 30_000)...)
	for _, tc := range []struct {
		name  string
		part  []byte
		limit int
	}{
		{"only connected", []byte{0}, 8 << 10},
		{"idle", join(offer, connect), 8 << 10},
		{"half a message", half, 20 << 10},
		{"half a field", join(half, longHeader[:2000]), 20 << 10},
		{"half a chunk", join(half, eoh, longBody), 20 << 10},
	} {
		got := memoryPerConnection(t, tc.part)
		t.Logf("%s: %d octets a connection", tc.name, got)
		if got > tc.limit {
			t.Errorf("%s: %d octets a connection, the limit is %d", tc.name, got, tc.limit)
		}
	}
}

// TestZeroOptionsAreBounded: a server for which nothing is set has the documented bounds,
// which the tests above give it of their own.
func TestZeroOptionsAreBounded(t *testing.T) {
	o := Options{}.withDefaults()
	if o.MaxFrameBytes != 1<<20 || o.MaxConnections != 10_000 || o.NegotiateTimeout != time.Minute ||
		o.CommandTimeout != 7210*time.Second ||
		o.FrameTimeout != 5*time.Minute || o.WriteTimeout != 2*time.Minute || o.IdleTimeout != 7210*time.Second {
		t.Errorf("%+v", o)
	}
}
