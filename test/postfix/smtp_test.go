package postfix

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
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

// patience is for a machine with other work to do; nothing takes that long.
const patience = 20 * time.Second
