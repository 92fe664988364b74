package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/milter"
	"dojang/test/faults/rig"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func frame(command byte, data string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	return string(append(b, command)) + data
}

var negotiation = frame('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

// TestMalformedFrames: the connection that sent one is closed, nobody else
// notices.
func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	connect, mail := frame('C', "h\x004\x00\x19127.0.0.1\x00"), frame('M', "<a@example.com>\x00")
	cases := map[string]string{
		"length zero":                    negotiation + "\x00\x00\x00\x00",
		"length of 4 GB":                 negotiation + "\xff\xff\xff\xffL",
		"a long first frame":             "\x00\x01\x00\x00O",
		"negotiation too short":          frame('O', "\x00\x00"),
		"version 0":                      frame('O', strings.Repeat("\x00", 12)),
		"something before negotiation":   connect,
		"HTTP":                           "GET / HTTP/1.1\r\n\r\n",
		"unknown command":                negotiation + frame('z', "x"),
		"negotiation twice":              negotiation + negotiation,
		"connect without NUL":            negotiation + frame('C', "host"),
		"connect with an unknown family": negotiation + frame('C', "h\x00Z\x00\x19x\x00"),
		"connect cut off":                negotiation + frame('C', "h\x004\x00"),
		"mail without NUL":               negotiation + connect + frame('M', "<a@example.com>"),
		"mail before connect":            negotiation + mail,
		"empty header":                   negotiation + connect + mail + frame('L', ""),
		"header without value":           negotiation + connect + mail + frame('L', "Subject\x00"),
		"header before mail":             negotiation + connect + frame('L', "Subject\x00x\x00"),
		"body before header ends":        negotiation + connect + mail + frame('B', "x"),
		"macros without a stage":         negotiation + frame('D', ""),
		"macros of an odd number":        negotiation + frame('D', "Ci\x00"),
		"macros for nothing":             negotiation + frame('D', "\xffi\x00x\x00"),
	}
	for name, octets := range cases {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", r.Socket())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(rig.Patience))
			if _, err := io.WriteString(conn, octets); err != nil && !errors.Is(err, syscall.EPIPE) {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("the connection was not closed: %v", err)
			}
		})
	}
	r.Signs("after malformed frames")
	r.Stop()
}

// TestHalfOpenAndSlowClients: those who send nothing, or a part, or one octet at
// a time, cost nobody else anything, and the slow one is served.
func TestHalfOpenAndSlowClients(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	parts := []string{"", "\x00", "\x00\x00\x00\x0dO", negotiation[:9], negotiation + "\x00\x00\x10\x00C",
		negotiation + frame('C', "h\x004\x00\x19127.0.0.1\x00") + "\x00\x00\xff\xffL" + strings.Repeat("a", 5000)}
	for i := range 60 {
		conn, err := net.Dial("unix", r.Socket())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, parts[i%len(parts)]); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	for range 20 {
		r.Signs("beside half-open clients")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("20 messages took %v", took)
	}
	slowly(t, r)
	r.Stop() // those who wait do not hold it up
}

// slowConn sends an octet at a time.
type slowConn struct{ net.Conn }

func (c slowConn) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
		if i%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return len(b), nil
}

func slowly(t *testing.T, r *rig.Rig) {
	t.Helper()
	conn, err := net.Dial("unix", r.Socket())
	if err != nil {
		t.Fatal(err)
	}
	c, err := milter.NewClient(slowConn{conn}, milter.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if err := rig.Signed(c, rig.Message("an octet at a time", 2000)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClientsThatVanish: a client that goes in the middle of its message, at any
// octet, leaves nothing behind.
func TestClientsThatVanish(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Start()
	r.Signs("before")
	before := r.Descriptors()
	whole := negotiation + frame('C', "h\x004\x00\x19127.0.0.1\x00") + frame('M', "<joe@example.com>\x00") + frame('R', "<a@b.c>\x00") +
		frame('L', "From\x00joe@example.com\x00") + frame('N', "") + frame('B', "hello\r\n") + frame('E', "")
	for cut := 1; cut <= len(whole); cut++ {
		conn, err := net.Dial("unix", r.Socket())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, whole[:cut]); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	r.Until("descriptors are closed", func() bool { return r.Descriptors() <= before })
	r.Signs("after")
	r.Stop()
}

// TestManyConnections opens as many as the filter takes by default, and more.
func TestManyConnections(t *testing.T) {
	const limit, beyond = 10_000, 20
	var nofile syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &nofile); err != nil {
		t.Fatal(err)
	}
	r := rig.New(t, "")
	r.Start()
	want := limit
	if nofile.Cur < limit+500 {
		want = int(nofile.Cur) - 500
	}
	clients := make([]*milter.Client, 0, want)
	for range want {
		c, err := milter.Dial("unix", r.Socket(), milter.ClientOptions{})
		if err != nil {
			t.Fatalf("connection %d: %v", len(clients), err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	t.Logf("%d connections, %d MB", len(clients), r.Memory("VmRSS")>>20)
	var wait sync.WaitGroup
	for i := 0; i < len(clients); i += 97 {
		wait.Go(func() {
			if err := rig.Signed(clients[i], rig.Message("one of many", 500)); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	if want == limit {
		for range beyond {
			if c, err := milter.Dial("unix", r.Socket(), milter.ClientOptions{}); err == nil {
				c.Close()
				t.Fatal("a connection beyond the limit is served")
			}
		}
	}
	if each := r.Memory("VmRSS") / int64(want); each > 20_000 {
		t.Errorf("%d octets of memory for each connection", each)
	}
	for _, c := range clients {
		c.Close()
	}
	r.Until("connections are closed", func() bool { return r.Descriptors() < 100 })
	r.Signs("after the crowd")
	r.Stop()
}

// TestDescriptorsExhausted: connections that are open go on, those that find no
// descriptor wait, and are served when one is free.
func TestDescriptorsExhausted(t *testing.T) {
	t.Parallel()
	r := rig.New(t, "")
	r.Command = []string{"sh", "-c", `ulimit -n 48; exec "$@"`, "sh"}
	r.Start()
	first := r.Dial()
	var waiting []net.Conn
	for range 80 {
		conn, err := net.Dial("unix", r.Socket())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		waiting = append(waiting, conn)
	}
	r.Until("it says so", func() bool { return strings.Contains(r.Log(), "too many open files") })
	for range 5 {
		// Its key file was never read: there may be no descriptor for it. Then the
		// message must come again later; it must not leave unsigned.
		m := rig.Message("without descriptors", 500)
		o, err := first.Send(context.Background(), m)
		if err != nil {
			t.Fatalf("an open connection broke: %v\n%s", err, r.Log())
		}
		if o.Final.Kind != milter.ReplyTempFail {
			if err := rig.CheckSigned(&m, &o); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, conn := range waiting {
		conn.Close()
	}
	r.Until("it signs again", func() bool {
		return rig.Signed(first, rig.Message("descriptors are back", 500)) == nil
	})
	r.Signs("after the shortage")
	if n := strings.Count(r.Log(), "too many open files"); n > 20 {
		t.Errorf("%d lines about it in the log", n)
	}
	r.Stop()
}
