package sendmail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// client is one SMTP session with Sendmail.
type client struct {
	t testing.TB
	*textproto.Conn
}

// dial opens a session from an address of ours.
func (m *mta) dial(t testing.TB, entrance, from string) *client {
	t.Helper()
	c := m.connect(t, entrance, from)
	c.hello()
	return c
}

func (m *mta) connect(t testing.TB, entrance, from string) *client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", "127.0.0.1:"+m.port[entrance])
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{t, textproto.NewConn(conn)}
}

func (c *client) hello() {
	c.t.Helper()
	c.expect(220)
	c.command(250, "EHLO client.example.org")
}

func (c *client) expect(code int) string {
	c.t.Helper()
	got, text, err := c.ReadResponse(code)
	if err != nil {
		c.t.Fatalf("SMTP reply %d %s (%v), want %d", got, text, err, code)
	}
	return text
}

func (c *client) command(code int, format string, args ...any) string {
	c.t.Helper()
	must(c.t, c.PrintfLine(format, args...))
	return c.expect(code)
}

// login is AUTH PLAIN with what servePasswords takes.
func (c *client) login() {
	c.t.Helper()
	c.command(235, "AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00ann\x00secret")))
}

func (c *client) envelope(from, to string) {
	c.t.Helper()
	c.command(250, "MAIL FROM:<%s> BODY=8BITMIME", from)
	c.command(250, "RCPT TO:<%s>", to)
}

// data sends a message, wants a code and returns the reply's text.
func (c *client) data(code int, message []byte) string {
	c.t.Helper()
	c.command(354, "DATA")
	c.W.Write(bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n..")))
	return c.command(code, ".")
}

// send sends one message and returns its queue ID.
func (c *client) send(from, to string, message []byte) string {
	c.t.Helper()
	c.envelope(from, to)
	words := strings.Fields(c.data(250, message)) // "2.0.0 ID Message accepted for delivery"
	if len(words) < 3 || words[2] != "Message" {
		c.t.Fatalf("no queue ID in %q", words)
	}
	return words[1]
}

func (c *client) quit() { c.t.Helper(); c.command(221, "QUIT"); c.Close() }

// sink is the far end: an SMTP server that takes everything.
type sink struct {
	address string
	mu      sync.Mutex
	mail    map[string][]byte // by recipient
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	s := &sink{address: l.Addr().String(), mail: map[string][]byte{}}
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			go s.serve(conn)
		}
	}()
	return s
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	io.WriteString(conn, "220 far.example ESMTP\r\n")
	var rcpts []string
	for line, err := in.ReadString('\n'); err == nil; line, err = in.ReadString('\n') {
		answer := "250 ok\r\n"
		switch verb, argument, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "RCPT":
			_, rcpt, _ := strings.Cut(argument, "<")
			rcpt, _, _ = strings.Cut(rcpt, ">")
			rcpts = append(rcpts, rcpt)
		case "DATA":
			io.WriteString(conn, "354 go on\r\n")
			message, ok := dotted(in)
			if !ok {
				return
			}
			s.mu.Lock()
			for _, rcpt := range rcpts {
				s.mail[rcpt] = message
			}
			s.mu.Unlock()
			rcpts = nil
		case "QUIT":
			answer = "221 bye\r\n"
		}
		io.WriteString(conn, answer)
	}
}

// dotted reads a message to its final dot, octet for octet.
func dotted(in *bufio.Reader) (message []byte, ok bool) {
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case err != nil:
			return nil, false
		case string(line) == ".\r\n":
			return message, true
		}
		message = append(message, bytes.TrimPrefix(line, []byte("."))...)
	}
}

// look returns the message delivered to a recipient so far, nil for none.
func (s *sink) look(rcpt string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mail[rcpt]
}

func (s *sink) wait(t testing.TB, rcpt string) []byte {
	t.Helper()
	eventually(t, "delivery to "+rcpt, func() bool { return s.look(rcpt) != nil })
	return s.look(rcpt)
}

// servePasswords is saslauthd for one user: ann, whose password is secret. A
// question is four strings (user, password, service, realm), each behind its
// length in two octets; so is the answer.
func servePasswords(t testing.TB, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			var asked [4]string
			for i := range asked {
				var size [2]byte
				io.ReadFull(conn, size[:])
				text := make([]byte, binary.BigEndian.Uint16(size[:]))
				io.ReadFull(conn, text)
				asked[i] = string(text)
			}
			answer := "NO"
			if asked[0] == "ann" && asked[1] == "secret" {
				answer = "OK"
			}
			conn.Write(append([]byte{0, byte(len(answer))}, answer...))
			conn.Close()
		}
	}()
}

// patience is for a machine with other work to do; nothing takes that long.
const patience = 20 * time.Second

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
