// Package logging writes log records where administrators look for them: to
// syslog in OpenDKIM's own words, to a stream, or as JSON.
//
// A record's message is the classic line ("JOBID: DKIM-Signature field added
// (s=..., d=...)"); its attributes are the same event as fields. The classic
// handlers write the message alone, the JSON handler the fields as well.
package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"

	"dojang/internal/plain"
)

// Levels beside slog's own, so that every syslog severity has one.
const (
	LevelNotice   = slog.Level(2)
	LevelCritical = slog.Level(12)
)

// Classic is a handler that writes each record's message as one line.
type Classic struct {
	level slog.Leveler
	write func(level slog.Level, message string)
}

// NewStream returns a Classic handler that writes "prefix message\n" to w, one
// write a line. prefix may be empty.
func NewStream(w io.Writer, prefix string, level slog.Leveler) *Classic {
	var mu sync.Mutex
	return &Classic{level: level, write: func(_ slog.Level, message string) {
		line := make([]byte, 0, len(prefix)+len(message)+2)
		if prefix != "" {
			line = append(append(line, prefix...), ' ')
		}
		line = append(append(line, plain.Line(message)...), '\n')
		mu.Lock()
		defer mu.Unlock()
		_, _ = w.Write(line) // nobody to tell when the log itself fails
	}}
}

// NewSyslogHandler returns a Classic handler that sends to s.
func NewSyslogHandler(s *Syslog, level slog.Leveler) *Classic {
	return &Classic{level: level, write: s.send}
}

// Enabled implements slog.Handler.
func (h *Classic) Enabled(_ context.Context, level slog.Level) bool {
	return h.level == nil || level >= h.level.Level()
}

// Handle implements slog.Handler.
func (h *Classic) Handle(_ context.Context, r slog.Record) error {
	h.write(r.Level, r.Message)
	return nil
}

// WithAttrs implements slog.Handler: the classic line has no room for fields.
func (h *Classic) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h *Classic) WithGroup(string) slog.Handler { return h }

// NewJSON returns a handler that writes each event as one JSON object a line,
// with syslog's names for the levels.
func NewJSON(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, jsonOptions(level))
}

// jsonToSyslog sends each event as one JSON object.
type jsonToSyslog struct {
	syslog *Syslog
	level  slog.Leveler
	with   func(slog.Handler) slog.Handler // attributes and groups added; nil for none
}

// NewSyslogJSON returns a handler that sends each event to s as one JSON object.
func NewSyslogJSON(s *Syslog, level slog.Leveler) slog.Handler {
	return &jsonToSyslog{syslog: s, level: level}
}

func (h *jsonToSyslog) Enabled(_ context.Context, level slog.Level) bool {
	return h.level == nil || level >= h.level.Level()
}

func (h *jsonToSyslog) Handle(ctx context.Context, r slog.Record) error {
	var object bytes.Buffer
	var json slog.Handler = slog.NewJSONHandler(&object, jsonOptions(h.level))
	if h.with != nil {
		json = h.with(json)
	}
	if err := json.Handle(ctx, r); err != nil {
		return err
	}
	h.syslog.send(r.Level, strings.TrimSuffix(object.String(), "\n"))
	return nil
}

func (h *jsonToSyslog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

func (h *jsonToSyslog) WithGroup(name string) slog.Handler {
	return h.and(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *jsonToSyslog) and(more func(slog.Handler) slog.Handler) slog.Handler {
	before := h.with
	return &jsonToSyslog{h.syslog, h.level, func(next slog.Handler) slog.Handler {
		if before != nil {
			next = before(next)
		}
		return more(next)
	}}
}

func jsonOptions(level slog.Leveler) *slog.HandlerOptions {
	return &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.LevelKey {
			if level, ok := a.Value.Any().(slog.Level); ok {
				return slog.String(slog.LevelKey, severityNames[severity(level)])
			}
		}
		return a
	}}
}

// LevelDetail is the level of events that the classic logs have no line for.
const LevelDetail = slog.Level(-6)

// LevelSummary is the level of the one line a message that NewSummary shows. It
// lies below debug: the classic logs do not have such a line.
const LevelSummary = slog.Level(-8)

// NewSummary returns a handler for people who watch: one line a message, and
// whatever is a warning or worse.
func NewSummary(w io.Writer) slog.Handler {
	all := NewStream(w, "", LevelSummary)
	write := all.write
	all.write = func(level slog.Level, message string) {
		if level == LevelSummary || level >= slog.LevelWarn {
			write(level, message)
		}
	}
	return all
}
