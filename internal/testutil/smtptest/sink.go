// Package smtptest has both ends of an MTA's work for tests, and Postfix between
// them.
package smtptest

import (
	"bufio"
	"bytes"
	"io"
	"net"
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
	mu      sync.Mutex
	mail    map[string][]byte // by recipient
}

// NewSink starts a sink on loopback, which is closed when the test ends.
func NewSink(t testing.TB) *Sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &Sink{Address: l.Addr().String(), mail: map[string][]byte{}}
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

// Await returns the message delivered to a recipient.
func (s *Sink) Await(t testing.TB, rcpt string) []byte {
	t.Helper()
	var message []byte
	proctest.Until(t, patience, "mail to "+rcpt, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		message = s.mail[rcpt]
		return message != nil
	})
	return message
}
