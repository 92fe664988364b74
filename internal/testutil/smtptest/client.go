package smtptest

import (
	"bytes"
	"net"
	"net/textproto"
	"regexp"
	"testing"
	"time"
)

// Client is the near end: one SMTP session with an MTA.
type Client struct {
	*textproto.Conn
	t testing.TB
}

// Dial opens a session with an MTA from an IP address of loopback, and leaves its
// greeting to Expect.
func Dial(t testing.TB, address, from string) *Client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return NewClient(t, conn)
}

// NewClient is a session over a connection, which is closed when the test ends.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &Client{textproto.NewConn(conn), t}
}

// Expect reads a reply, wants a code and returns the reply's text.
func (c *Client) Expect(code int) string {
	c.t.Helper()
	got, text, err := c.ReadResponse(code)
	if err != nil {
		c.t.Fatalf("SMTP reply %d %s (%v), want %d", got, text, err, code)
	}
	return text
}

// Command sends a command and expects a code.
func (c *Client) Command(code int, format string, args ...any) string {
	c.t.Helper()
	if err := c.PrintfLine(format, args...); err != nil {
		c.t.Fatal(err)
	}
	return c.Expect(code)
}

// Hello is EHLO.
func (c *Client) Hello() { c.t.Helper(); c.Command(250, "EHLO client.example.org") }

// Envelope is MAIL and RCPT.
func (c *Client) Envelope(from, to string) {
	c.t.Helper()
	c.Command(250, "MAIL FROM:<%s> BODY=8BITMIME", from)
	c.Command(250, "RCPT TO:<%s>", to)
}

// Data sends a message, wants a code and returns the reply's text.
func (c *Client) Data(code int, message []byte) string {
	c.t.Helper()
	c.Command(354, "DATA")
	if _, err := c.W.Write(bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))); err != nil {
		c.t.Fatal(err)
	}
	return c.Command(code, ".")
}

// queued is how Postfix and Sendmail tell a queue ID.
var queued = regexp.MustCompile(`^2\.0\.0 (?:Ok: queued as (\S+)|(\S+) Message accepted for delivery)$`)

// Send sends one message and returns its queue ID.
func (c *Client) Send(from, to string, message []byte) string {
	c.t.Helper()
	c.Envelope(from, to)
	reply := c.Data(250, message)
	m := queued.FindStringSubmatch(reply)
	if m == nil {
		c.t.Fatalf("no queue ID in %q", reply)
	}
	return m[1] + m[2]
}

// Quit ends the session.
func (c *Client) Quit() { c.t.Helper(); c.Command(221, "QUIT"); c.Close() }
