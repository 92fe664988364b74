package postfix

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// client is one SMTP session with Postfix.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := &client{t, conn, bufio.NewReader(conn)}
	c.expect("220")
	return c
}

// dialAs is dial from another address, by Postfix's XCLIENT.
func dialAs(t testing.TB, address, name, ip string) *client {
	t.Helper()
	c := dial(t, address)
	c.command("250", "EHLO test.invalid")
	c.command("220", "XCLIENT NAME=%s ADDR=%s", name, ip)
	return c
}

// expect reads a reply, of one line or more, and wants a code.
func (c *client) expect(code string) string {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		if len(line) < 4 || line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, code) {
			c.t.Fatalf("SMTP reply %q, want %s", line, code)
		}
		return strings.TrimSpace(line)
	}
}

func (c *client) command(code, format string, args ...any) string {
	c.t.Helper()
	fmt.Fprintf(c.conn, format+"\r\n", args...)
	return c.expect(code)
}

func (c *client) hello() { c.t.Helper(); c.command("250", "EHLO client.example.org") }

func (c *client) envelope(from, to string) {
	c.t.Helper()
	c.command("250", "MAIL FROM:<%s> BODY=8BITMIME", from)
	c.command("250", "RCPT TO:<%s>", to)
}

// data sends a message, wants a code, and returns the reply.
func (c *client) data(code string, message []byte) string {
	c.t.Helper()
	c.command("354", "DATA")
	stuffed := bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))
	if _, err := c.conn.Write(append(stuffed, ".\r\n"...)); err != nil {
		c.t.Fatal(err)
	}
	return c.expect(code)
}

// send sends one message and returns its queue ID.
func (c *client) send(from, to string, message []byte) string {
	c.t.Helper()
	c.envelope(from, to)
	reply := c.data("250", message)
	_, id, ok := strings.Cut(reply, "queued as ")
	if !ok {
		c.t.Fatalf("no queue ID in %q", reply)
	}
	return id
}

func (c *client) quit() { c.t.Helper(); c.command("221", "QUIT"); c.conn.Close() }

// sink is the far end: an SMTP server that takes everything.
type sink struct {
	address string
	mu      sync.Mutex
	mail    map[string][]byte // by recipient
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &sink{address: l.Addr().String(), mail: map[string][]byte{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<16)
	say := func(line string) { io.WriteString(conn, line+"\r\n") }
	say("220 sink.invalid ESMTP")
	var rcpts []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(line[:min(4, len(line))]); verb {
		case "EHLO":
			say("250-sink.invalid\r\n250-8BITMIME\r\n250 SMTPUTF8")
		case "RCPT":
			if start, end := strings.IndexByte(line, '<'), strings.IndexByte(line, '>'); start >= 0 && end > start {
				rcpts = append(rcpts, line[start+1:end])
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			message, err := readData(in)
			if err != nil {
				return
			}
			s.keep(rcpts, message)
			rcpts = nil
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// readData reads a message to its final dot, byte for byte.
func readData(in *bufio.Reader) ([]byte, error) {
	var message []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if string(line) == ".\r\n" {
			return message, nil
		}
		message = append(message, bytes.TrimPrefix(line, []byte("."))...)
	}
}

func (s *sink) keep(rcpts []string, message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rcpt := range rcpts {
		s.mail[rcpt] = message
	}
}

// wait returns the message delivered to a recipient.
func (s *sink) wait(t testing.TB, rcpt string) []byte {
	t.Helper()
	var message []byte
	eventually(t, patience, "delivery to "+rcpt, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		message = s.mail[rcpt]
		return message != nil
	})
	return message
}

// patience is for a machine with other work to do; nothing takes that long.
const patience = 20 * time.Second

func eventually(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}
