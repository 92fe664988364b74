package oracle

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// syslog is a local syslog socket.
type syslog struct {
	*proctest.Syslog
	path   string
	marks  int // sent by drain
	taken  int // packets
	passed int // of those pending, packets that count for nothing
}

type logLine struct {
	facility, severity int
	ident, text        string
}

var severities = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func (l logLine) String() string { return "log " + severities[l.severity] + " " + l.text }

// "<22>Nov 23 16:00:00 opendkim[77]: text", the time and the process optional.
var syslogForm = regexp.MustCompile(`(?s)^<(\d+)>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?([^\[: ]+)(?:\[\d+\])?: (.*)$`)

// libmilterStops is what libmilter says at times of a stop that finds it between two
// connections.
var libmilterStops = regexp.MustCompile(`: mi_start_session\(\) failed: `)

// pending are the lines since the last take.
func (s *syslog) pending() []logLine {
	var lines []logLine
	s.passed = 0
	for _, packet := range s.Packets(s.taken) {
		l := logLine{text: "malformed: " + packet}
		if m := syslogForm.FindStringSubmatch(packet); m != nil {
			priority, _ := strconv.Atoi(m[1])
			l = logLine{priority >> 3, priority & 7, m[2], m[3]}
		}
		if libmilterStops.MatchString(l.text) || strings.HasPrefix(packet, mark) {
			s.passed++
			continue
		}
		lines = append(lines, l)
	}
	return lines
}

func (s *syslog) take() []logLine {
	lines := s.pending()
	s.taken += len(lines) + s.passed
	return lines
}

const mark = "mark "

// drain waits until all that was sent to the socket before has been read from it.
func (s *syslog) drain() error {
	conn, err := net.Dial("unixgram", s.path)
	if err != nil {
		return err
	}
	defer conn.Close()
	s.marks++
	last := mark + strconv.Itoa(s.marks)
	if _, err := conn.Write([]byte(last)); err != nil {
		return err
	}
	for end := time.Now().Add(patience); !slices.Contains(s.Packets(s.taken), last); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%s: nobody reads it", s.path)
		}
	}
	return nil
}

// settle waits until what both have logged satisfies done. Where it never does, what
// there is when a line can hardly be that late, on a busy machine too, is compared. What
// opendkim wrote before its answer may still be unread: nothing is no answer of both then.
func settle(t testing.TB, a, b *syslog, done func(a, b []logLine) bool) {
	t.Helper()
	if err := a.drain(); err != nil {
		t.Fatal(err)
	}
	const late = 5 * time.Second
	for end := time.Now().Add(late); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done(a.pending(), b.pending()) {
			time.Sleep(2 * time.Millisecond) // for a line too many
			return
		}
	}
}
