package milter

import (
	"context"
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
	c, err := NewClient(client, ClientOptions{Timeout: patience})
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
	waitFor(t, "the input to be taken in", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			if pending(c.nc) {
				return false
			}
		}
		return true
	})
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
