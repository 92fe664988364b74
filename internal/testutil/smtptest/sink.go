// Package smtptest has both ends of an MTA's work for tests, and Postfix between
// them.
package smtptest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// Sink is the far end: an SMTP server that takes everything and keeps it byte for
// byte.
type Sink struct {
	Address string
	hello   string // the reply to EHLO
	mu      sync.Mutex
	mail    map[string][]byte // by recipient
}

// NewSink starts a sink on loopback, which is closed when the test ends.
func NewSink(t testing.TB) *Sink {
	t.Helper()
	return newSink(t, "250-sink.invalid\r\n250-8BITMIME\r\n250 SMTPUTF8")
}

// NewPlainSink is NewSink without extensions of SMTP: an MTA may recode 8-bit mail.
func NewPlainSink(t testing.TB) *Sink {
	t.Helper()
	return newSink(t, "250 sink.invalid")
}

func newSink(t testing.TB, hello string) *Sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &Sink{Address: l.Addr().String(), hello: hello, mail: map[string][]byte{}}
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

func (s *Sink) serve(conn net.Conn) {
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
			say(s.hello)
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

// readData reads a message to its final dot.
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

func (s *Sink) keep(rcpts []string, message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rcpt := range rcpts {
		s.mail[rcpt] = message
	}
}

// patience is for a machine with other work to do; nothing takes that long.
const patience = 20 * time.Second

// Look returns the message delivered to a recipient so far, nil for none.
func (s *Sink) Look(rcpt string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mail[rcpt]
}

// Await returns the message delivered to a recipient.
func (s *Sink) Await(t testing.TB, rcpt string) []byte {
	t.Helper()
	proctest.Until(t, patience, "mail to "+rcpt, func() bool { return s.Look(rcpt) != nil })
	return s.Look(rcpt)
}

var fold = regexp.MustCompile(`\r\n[ \t]+`)

// Fields are the values of a message's header fields of a name, unfolded.
func Fields(message []byte, name string) []string {
	head, _, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	var values []string
	for line := range strings.SplitSeq(fold.ReplaceAllString(string(head), " "), "\r\n") {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}
