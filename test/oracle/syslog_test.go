package oracle

import (
	"net"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// syslog is a local syslog socket that keeps what comes.
type syslog struct {
	conn  *net.UnixConn
	mu    sync.Mutex
	lines []logLine
	taken int
}

type logLine struct {
	facility, severity int
	ident, text        string
}

var severities = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func (l logLine) String() string { return "log " + severities[l.severity] + " " + l.text }

// "<22>Nov 23 16:00:00 opendkim[77]: text", the time and the process optional.
var syslogForm = regexp.MustCompile(`(?s)^<(\d+)>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?([^\[: ]+)(?:\[\d+\])?: (.*)$`)

func listenSyslog(t testing.TB, path string) *syslog {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadBuffer(1 << 20)
	s := &syslog{conn: conn}
	t.Cleanup(func() { conn.Close() })
	go s.read()
	return s
}

func (s *syslog) read() {
	buf := make([]byte, 1<<17)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		l := logLine{text: "malformed: " + string(buf[:n])}
		if m := syslogForm.FindStringSubmatch(string(buf[:n])); m != nil {
			priority, _ := strconv.Atoi(m[1])
			l = logLine{priority >> 3, priority & 7, m[2], m[3]}
		}
		s.mu.Lock()
		s.lines = append(s.lines, l)
		s.mu.Unlock()
	}
}

// pending are the lines since the last take.
func (s *syslog) pending() []logLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]logLine(nil), s.lines[s.taken:]...)
}

func (s *syslog) take() []logLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines[s.taken:]
	s.taken = len(s.lines)
	return lines
}

// settle waits until both have logged alike, or nothing more for as long as a line
// may be late.
func settle(a, b *syslog, alike func(a, b []logLine) bool) {
	const late = 200 * time.Millisecond
	seen := 0
	for end := time.Now().Add(late); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		x, y := a.pending(), b.pending()
		if alike(x, y) {
			time.Sleep(2 * time.Millisecond) // for a line too many
			return
		}
		if n := len(x) + len(y); n != seen {
			seen, end = n, time.Now().Add(late)
		}
	}
}
