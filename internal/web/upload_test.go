package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const smallMessage = "From: a@example.com\r\n\r\nx\r\n"

// begins begins an upload of size bytes, of which it sends some and then nothing more.
func (c *client) begins(size, sent int, headers string) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.at.Listener.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	text := smallMessage + strings.Repeat("x", sent)
	if _, err := fmt.Fprintf(conn, "POST /api/v1/explain HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s",
		headers, size, text[:sent]); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

func code(t *testing.T, conn net.Conn) int {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(60 * time.Second)) // a socket that is open takes it
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// TestSlowUploadsHoldNoPlace: many that send a little and then wait do not keep others out,
// and give back what they took.
func TestSlowUploadsHoldNoPlace(t *testing.T) {
	o := newWorld(t).options()
	o.Socket = true
	c := serve(t, o)
	c.server.limits.uploads.start = requestTime // none ends by itself
	var slow []net.Conn
	for i := range 4 * explainsAtOnce {
		slow = append(slow, c.begins(1<<20, 100, fmt.Sprintf("X-Forwarded-For: 198.51.100.%d\r\n", i)))
	}
	c.uploading(len(slow))
	if r := c.do("POST", "/api/v1/explain", smallMessage, map[string]string{"X-Forwarded-For": "203.0.113.7"}); r.code != http.StatusOK {
		t.Errorf("answered %d", r.code)
	}
	for _, conn := range slow {
		conn.Close()
	}
	c.at.Close() // waits for all
	if room := c.server.limits.uploads.room; room != explainsRoom*(defaultMaxMessage+maxForm) {
		t.Errorf("%d bytes of room are left", room)
	}
}

// TestSlowUploadEnds: what does not come in time is answered.
func TestSlowUploadEnds(t *testing.T) {
	c := serve(t, newWorld(t).options())
	c.server.limits.uploads.start = time.Millisecond
	if got := code(t, c.begins(1<<20, 100, "")); got != http.StatusRequestTimeout {
		t.Errorf("%d", got)
	}
}

// TestUploadsShareTheirRoom: no more is in memory than the room for them, beside the one that is
// served beyond it; and many at once are all answered, and as many explained as there is room for.
func TestUploadsShareTheirRoom(t *testing.T) {
	o := newWorld(t).options()
	o.MaxMessage = 1 << 20
	c := serve(t, o)
	u := c.server.limits.uploads
	full := u.room
	least := full
	answers := make(chan int, 24)
	for range cap(answers) {
		go func() {
			conn := c.begins(1<<20, 1<<20, "")
			answers <- code(t, conn)
		}()
	}
	good := 0
	for n := 0; n < cap(answers); {
		u.mu.Lock()
		least = min(least, u.room)
		u.mu.Unlock()
		select {
		case got := <-answers:
			n++
			switch got {
			case http.StatusOK:
				good++
			case http.StatusTooManyRequests:
			default:
				t.Errorf("answered %d", got)
			}
		default:
			time.Sleep(time.Millisecond)
		}
	}
	if good < explainsAtOnce || least < -(1<<20+maxForm+uploadChunk) || u.room != full || u.served != nil {
		t.Errorf("%d of %d explained, %d bytes of room at least, %d of %d in the end", good, cap(answers), least, u.room, full)
	}
}

// TestStrangersUploadOneAtATime: where others can reach the pages, an address has one.
func TestStrangersUploadOneAtATime(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"public": func(o *Options) { o.Public = true }, "address": func(o *Options) { o.Listen = netip.MustParseAddrPort("0.0.0.0:1") },
		"proxy": func(o *Options) { o.Socket = true },
	} {
		o := newWorld(t).options()
		change(&o)
		c := serve(t, o)
		first := c.begins(1000, 100, "X-Forwarded-For: 198.51.100.7\r\n")
		c.uploading(1)
		if got := code(t, c.begins(len(smallMessage), len(smallMessage),
			"X-Forwarded-For: 198.51.100.7\r\n")); got != http.StatusTooManyRequests {
			t.Errorf("%s: a second one: %d", name, got)
		}
		if name == "proxy" {
			if got := code(t, c.begins(len(smallMessage), len(smallMessage), "X-Forwarded-For: 198.51.100.8\r\n")); got != http.StatusOK {
				t.Errorf("another address: %d", got)
			}
		}
		first.Close()
		c.uploading(0)
		if got := code(t, c.begins(len(smallMessage), len(smallMessage), "X-Forwarded-For: 198.51.100.7\r\n")); got != http.StatusOK {
			t.Errorf("%s: when it is gone: %d", name, got)
		}
	}
}

// TestTooLargeIsAnswered: what is several times too large is read to its end, so that a browser
// shows the answer and not that the connection broke.
func TestTooLargeIsAnswered(t *testing.T) {
	o := newWorld(t).options()
	o.MaxMessage = 2 << 20
	c := serve(t, o)
	for _, times := range []int{1, 3, 7} {
		size := times*int(o.MaxMessage) + 2*maxForm
		if got := code(t, c.begins(size, size, "")); got != http.StatusRequestEntityTooLarge {
			t.Errorf("%d times as large: %d", times, got)
		}
	}
}

// uploading waits until so many strangers upload.
func (c *client) uploading(n int) {
	c.t.Helper()
	u := c.server.limits.uploads
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		u.mu.Lock()
		now := len(u.who)
		u.mu.Unlock()
		if now == n {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%d upload", now)
		}
	}
}

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from net.Addr
}

func (c fakeConn) RemoteAddr() net.Addr { return c.from }
func (c fakeConn) Close() error         { return nil }

type fakeListener struct {
	net.Listener
	conns chan net.Conn
}

func (l fakeListener) Accept() (net.Conn, error) { return <-l.conns, nil }

// TestConnectionsOfOneAddress: one neighbourhood cannot hold all connections.
func TestConnectionsOfOneAddress(t *testing.T) {
	l := fakeListener{conns: make(chan net.Conn, 100)}
	b := boundListener(l, 10, 3)
	from := func(list ...string) {
		for _, a := range list {
			l.conns <- fakeConn{from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a))}
		}
	}
	from("198.51.100.7:1", "198.51.100.7:2", "198.51.100.7:3", "198.51.100.7:4", "[2001:db8::1]:1", "[2001:db8::2]:1",
		"[2001:db8::3]:1", "[2001:db8::4]:1", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4")
	var got []string
	var conns []net.Conn
	for range 10 {
		c, err := b.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		got = append(got, c.RemoteAddr().String())
	}
	want := "198.51.100.7:1 198.51.100.7:2 198.51.100.7:3 [2001:db8::1]:1 [2001:db8::2]:1 [2001:db8::3]:1 127.0.0.1:1 " +
		"127.0.0.1:2 127.0.0.1:3 127.0.0.1:4"
	if strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
	conns[0].Close()
	from("198.51.100.7:5")
	if c, err := b.Accept(); err != nil || c.RemoteAddr().String() != "198.51.100.7:5" {
		t.Errorf("%v %v", c, err)
	}
}
