package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/testutil/proctest"
)

// listen opens a syslog socket as syslogd does and hands over what arrives.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 16384)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestSyslogLineIsThatOfSyslog3(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	conn := listen(t, path)
	at := time.Date(2026, 3, 7, 4, 5, 6, 0, time.Local)
	s, err := NewSyslog(SyslogOptions{Socket: path, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	log := slog.New(NewSyslogHandler(s, slog.LevelInfo))
	log.Info("JOB: no signature data", "event", "unsigned")
	// mail is facility 2, info severity 6: 2*8+6.
	want := fmt.Sprintf("<22>Mar  7 04:05:06 opendkim[%d]: JOB: no signature data", os.Getpid())
	if got := receive(t, conn); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	log.Error("bad\nforged line")
	if got := receive(t, conn); !strings.HasPrefix(got, "<19>") || strings.Contains(got, "\n") {
		t.Errorf("line break or severity passed through: %q", got)
	}
	log.Debug("not wanted")
	log.Log(t.Context(), LevelNotice, "notice")
	if got := receive(t, conn); !strings.HasPrefix(got, "<21>") {
		t.Errorf("want severity notice and no debug line, got %q", got)
	}
}

func TestSyslogRestartIsSurvived(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var later atomic.Int64
	s, err := NewSyslog(SyslogOptions{Socket: path, RetryDelay: time.Hour,
		Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.send(slog.LevelInfo, "lost: nobody listens")
	proctest.Until(t, time.Minute, "a line without a listener to be counted as dropped", func() bool { return s.Dropped() > 0 })
	conn := listen(t, path)
	s.send(slog.LevelInfo, "lost: not asked again so soon")
	proctest.Until(t, time.Minute, "one within RetryDelay to be counted, too", func() bool { return s.Dropped() > 1 })
	later.Store(int64(2 * time.Hour))
	s.send(slog.LevelInfo, "back")
	s.send(slog.LevelInfo, "again")
	for _, want := range []string{": 2 log lines were lost while syslog was not reachable or too slow", ": back", ": again"} {
		if got := receive(t, conn); !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	s.Close()
	select {
	case <-s.done:
	default:
		t.Error("it goes on after Close")
	}
}

// TestSyslogOfStreams: where syslogd listens on a stream, lines end; long ones are cut.
func TestSyslogOfStreams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := NewSyslog(SyslogOptions{Socket: path, Name: "x", Facility: "LOCAL7"})
	if err != nil {
		t.Fatal(err)
	}
	for level, number := range map[slog.Level]int{ // RFC 5424 §6.2.1
		LevelCritical: 2, slog.LevelError: 3, slog.LevelWarn: 4, LevelNotice: 5, slog.LevelInfo: 6, slog.LevelDebug: 7,
	} {
		if got := severity(level); got != number {
			t.Errorf("%v is %d", level, got)
		}
	}
	s.send(LevelCritical, strings.Repeat("a", 8000))
	s.send(slog.LevelWarn, strings.Repeat("b", 8001))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	text, err := io.ReadAll(conn) // to the end: it closes the connection
	if err != nil {
		t.Error(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "<186>") || !strings.HasSuffix(lines[0], "]: "+strings.Repeat("a", 8000)+"\n") ||
		!strings.HasPrefix(lines[1], "<188>") || !strings.HasSuffix(lines[1], "]: "+strings.Repeat("b", 8000)+"...\n") {
		t.Errorf("%.200q", lines)
	}
}

// TestSyslogJSON: an event is one object, with the fields and groups of its logger.
func TestSyslogJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	conn := listen(t, path)
	s, err := NewSyslog(SyslogOptions{Socket: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, info := slog.New(NewSyslogJSON(s, nil)), slog.New(NewSyslogJSON(s, slog.LevelInfo))
	info.Debug("not wanted")
	all.Debug("wanted")
	info.Info("at the level")
	info.With("a", 1).WithGroup("g").With("level", "x").Warn("text", "b", 2)
	for _, want := range []string{
		`"level":"debug","msg":"wanted"}`, `"level":"info","msg":"at the level"}`,
		`"level":"warning","msg":"text","a":1,"g":{"level":"x","b":2}}`,
	} {
		if got := receive(t, conn); !strings.Contains(got, `]: {"time":`) || !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSummary shows the line of each message, and what is a warning or worse.
func TestSummary(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewSummary(&b))
	for _, level := range []slog.Level{
		LevelSummary, LevelDetail, slog.LevelDebug, slog.LevelInfo, LevelNotice, slog.LevelWarn, slog.LevelError,
	} {
		log.Log(t.Context(), level, level.String())
	}
	if want := strings.Join([]string{LevelSummary.String(), "WARN", "ERROR", ""}, "\n"); b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestSyslogNeverBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	listen(t, path) // never read: the socket's buffer fills
	s, err := NewSyslog(SyslogOptions{Socket: path, QueueLines: 10})
	if err != nil {
		t.Fatal(err)
	}
	for range 5000 {
		s.send(slog.LevelInfo, "line")
	}
	if s.Dropped() == 0 {
		t.Error("5000 lines into a queue of 10 and a socket nobody reads: none counted as dropped")
	}
}

func TestUnknownFacilityIsAnError(t *testing.T) {
	if _, err := NewSyslog(SyslogOptions{Facility: "post"}); err == nil {
		t.Error("facility post was taken")
	}
}

func TestJSONCarriesTheFields(t *testing.T) {
	var b bytes.Buffer
	slog.New(NewJSON(&b, slog.LevelInfo)).Log(t.Context(), LevelNotice, "JOB: x", "event", "signed")
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["level"] != "notice" || got["event"] != "signed" || got["msg"] != "JOB: x" {
		t.Errorf("got %v", got)
	}
}

// TestStreamHasNoControlCharacters: what a stranger writes neither ends a line nor
// speaks to a terminal, by octets of 8 bits and by the direction of text either; all else
// stays, other octets that are no UTF-8 too.
func TestStreamHasNoControlCharacters(t *testing.T) {
	var b bytes.Buffer
	slog.New(NewStream(&b, "", slog.LevelInfo)).Info("a\x1b[31m\u009b31m\u0085\u2028\u2029\x7f é 이 \xe9\x9b \u202e \xc2")
	if want := "a [31m  31m          é 이 \xe9      \xc2\n"; b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestStreamWritesOneLine(t *testing.T) {
	var b bytes.Buffer
	slog.New(NewStream(&b, "opendkim:", slog.LevelInfo)).Info("a\r\nb", "event", "x")
	if b.String() != "opendkim: a  b\n" {
		t.Errorf("got %q", b.String())
	}
}
