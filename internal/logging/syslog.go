package logging

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dojang/internal/plain"
)

// Syslog sends lines to the local syslog socket, as syslog(3) does, through a
// bounded queue and one writer: a slow or absent syslog never delays mail. What
// does not fit into the queue is dropped, counted, and told when syslog is back.
type Syslog struct {
	o       SyslogOptions
	queue   chan line
	dropped atomic.Uint64
	quit    chan struct{}
	done    chan struct{}
	close   sync.Once
}

// SyslogOptions say how Syslog sends. The zero value sends to /dev/log with
// facility mail and the program's name.
type SyslogOptions struct {
	Socket      string // UNIX datagram or stream socket; default /dev/log
	Facility    string // syslog.conf(5) name; default "mail"
	Name        string // ident; default "opendkim"
	QueueLines  int    // default 8192
	RetryDelay  time.Duration
	Now         func() time.Time
	MaxLineSize int // bytes of one message; default 8000, longer ones are cut
}

type line struct {
	severity int
	text     string
}

var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8,
	"cron": 9, "authpriv": 10, "ftp": 11,
	"local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

var severityNames = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// facilityKnown reports whether name is a facility of syslog.conf(5).
func facilityKnown(name string) bool {
	_, ok := facilities[strings.ToLower(name)]
	return ok
}

// severity maps a level to syslog's number (RFC 5424 §6.2.1).
func severity(level slog.Level) int {
	switch {
	case level >= LevelCritical:
		return 2
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= LevelNotice:
		return 5
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}

// NewSyslog starts the writer. It fails only for an unknown facility: an absent
// socket is retried for as long as the filter runs.
func NewSyslog(o SyslogOptions) (*Syslog, error) {
	if o.Socket == "" {
		o.Socket = "/dev/log"
	}
	if o.Facility == "" {
		o.Facility = "mail"
	}
	if !facilityKnown(o.Facility) {
		return nil, fmt.Errorf("unknown syslog facility %q", o.Facility)
	}
	if o.Name == "" {
		o.Name = "opendkim"
	}
	if o.QueueLines <= 0 {
		o.QueueLines = 8192
	}
	if o.RetryDelay <= 0 {
		o.RetryDelay = time.Second
	}
	if o.MaxLineSize <= 0 {
		o.MaxLineSize = 8000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Syslog{o: o, queue: make(chan line, o.QueueLines), quit: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s, nil
}

// send queues one line; it never blocks. After Close lines go nowhere.
func (s *Syslog) send(level slog.Level, message string) {
	if len(message) > s.o.MaxLineSize {
		message = message[:s.o.MaxLineSize] + "..."
	}
	select {
	case s.queue <- line{severity(level), plain.Line(message)}:
	default:
		s.dropped.Add(1)
	}
}

// Dropped returns how many lines were lost since the start.
func (s *Syslog) Dropped() uint64 { return s.dropped.Load() }

// Close writes what is queued, for at most two seconds, and stops.
func (s *Syslog) Close() {
	s.close.Do(func() { close(s.quit) })
	select {
	case <-s.done:
	case <-time.After(2 * time.Second):
	}
}

func (s *Syslog) run() {
	defer close(s.done)
	var w writer
	defer w.close()
	for {
		select {
		case l := <-s.queue:
			s.deliver(&w, l)
		case <-s.quit:
			for {
				select {
				case l := <-s.queue:
					s.deliver(&w, l)
				default:
					return
				}
			}
		}
	}
}

// writer is the connection to syslog and what is known about it.
type writer struct {
	conn    net.Conn
	retryAt time.Time
	told    uint64 // losses already reported
}

func (w *writer) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// deliver writes one line or counts it as lost. A syslogd that restarted has a
// new socket, so a failed write is tried once more on a new connection.
func (s *Syslog) deliver(w *writer, l line) {
	if w.conn == nil && s.o.Now().Before(w.retryAt) {
		s.dropped.Add(1)
		return
	}
	for range 2 {
		if w.conn == nil {
			w.conn = dialSyslog(s.o.Socket)
		}
		if w.conn == nil {
			break
		}
		s.tellLosses(w)
		if s.write(w.conn, l) == nil {
			return
		}
		w.close()
	}
	w.retryAt = s.o.Now().Add(s.o.RetryDelay)
	s.dropped.Add(1)
}

func (s *Syslog) tellLosses(w *writer) {
	lost := s.dropped.Load()
	if lost == w.told {
		return
	}
	note := line{4, fmt.Sprintf("%d log lines were lost while syslog was not reachable or too slow", lost-w.told)}
	if s.write(w.conn, note) == nil {
		w.told = lost
	}
}

func dialSyslog(path string) net.Conn {
	for _, network := range []string{"unixgram", "unix"} {
		if conn, err := net.DialTimeout(network, path, time.Second); err == nil {
			return conn
		}
	}
	return nil
}

// write sends one line in the form that syslog(3) uses on the local socket.
func (s *Syslog) write(conn net.Conn, l line) error {
	priority := facilities[strings.ToLower(s.o.Facility)]<<3 | l.severity
	text := fmt.Sprintf("<%d>%s %s[%d]: %s", priority, s.o.Now().Format(time.Stamp), s.o.Name, os.Getpid(), l.text)
	if conn.LocalAddr().Network() == "unix" {
		text += "\n"
	}
	_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, err := conn.Write([]byte(text))
	return err
}
