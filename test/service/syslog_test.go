package service

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dojang/internal/testutil/proctest"
)

// syslog is a local syslog socket, whose lines are kept as "severity text".
type syslog struct{ *proctest.Syslog }

var syslogForm = regexp.MustCompile(`(?s)^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([^\[: ]+)\[\d+\]: (.*)$`)

var severities = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// listenSyslog lets every user write.
func listenSyslog(t testing.TB, path string) syslog {
	t.Helper()
	s := syslog{proctest.ListenSyslog(t, path)}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s syslog) String() string {
	var lines []string
	for _, packet := range s.Packets(0) {
		line := "malformed " + packet
		if m := syslogForm.FindStringSubmatch(packet); m != nil {
			priority, _ := strconv.Atoi(m[1])
			line = severities[priority&7] + " " + m[3]
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}

// count returns how many lines contain text.
func (s syslog) count(text string) int { return strings.Count(s.String(), text) }
