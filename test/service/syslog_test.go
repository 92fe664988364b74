package service

import (
	"bytes"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// syslog is a local syslog socket that keeps what comes.
type syslog struct {
	mu    sync.Mutex
	lines []string
}

var syslogForm = regexp.MustCompile(`(?s)^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([^\[: ]+)\[\d+\]: (.*)$`)

var severities = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func listenSyslog(t testing.TB, path string) *syslog {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	s := new(syslog)
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.keep(string(buf[:n]))
		}
	}()
	return s
}

// keep keeps a line as "severity text".
func (s *syslog) keep(packet string) {
	line := "malformed " + packet
	if m := syslogForm.FindStringSubmatch(packet); m != nil {
		priority, _ := strconv.Atoi(m[1])
		line = severities[priority&7] + " " + m[3]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *syslog) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n") + "\n"
}

// count returns how many lines contain text.
func (s *syslog) count(text string) int { return strings.Count(s.String(), text) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// rawSyslog keeps packets as they come.
type rawSyslog struct{ lockedBuffer }

func (r *rawSyslog) listen(t *testing.T, path string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, _ = r.Write(append(buf[:n:n], '\n'))
		}
	}()
}
