package oracle

import (
	"regexp"
	"strconv"
	"time"

	"dojang/internal/testutil/proctest"
)

// syslog is a local syslog socket.
type syslog struct {
	*proctest.Syslog
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
		if libmilterStops.MatchString(l.text) {
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

// settle waits until what both have logged satisfies done. Where it never does, what
// there is when a line can hardly be that late, on a busy machine too, is compared.
func settle(a, b *syslog, done func(a, b []logLine) bool) {
	const late = 5 * time.Second
	for end := time.Now().Add(late); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done(a.pending(), b.pending()) {
			time.Sleep(2 * time.Millisecond) // for a line too many
			return
		}
	}
}
