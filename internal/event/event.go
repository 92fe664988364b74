// Package event holds every line that the filter logs, one function an event:
// OpenDKIM's exact words for people and log parsers, and the same facts as fields
// for the JSON log. docs/events.md is made from it.
//
// Texts come without the job's identifier: Write puts "JOBID: " before them.
// Compat(opendkim 2.11): the words are an interface that others parse.
package event

//go:generate go run ./gen

import (
	"context"
	"log/slog"

	"dojang/internal/logging"
)

// Event is one thing worth telling. Text is the classic line.
type Event struct {
	Name  string
	Level slog.Level
	Text  string
	NoJob bool // the line stands without "JOBID: "
	Attrs []slog.Attr
}

// Write logs an event of a job, "" for none.
func (e Event) Write(log *slog.Logger, job string) {
	if !log.Enabled(context.Background(), e.Level) {
		return
	}
	attrs, text := append(make([]slog.Attr, 0, len(e.Attrs)+2), slog.String("event", e.Name)), e.Text
	if job != "" {
		attrs = append(attrs, slog.String("job", job))
		if !e.NoJob {
			text = job + ": " + text
		}
	}
	log.LogAttrs(context.Background(), e.Level, text, append(attrs, e.Attrs...)...)
}

func detail(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: logging.LevelDetail, Text: text, Attrs: attrs}
}

func debug(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: slog.LevelDebug, Text: text, Attrs: attrs}
}

func summary(name, text string) Event {
	return Event{Name: name, Level: logging.LevelSummary, Text: text}
}

func info(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: slog.LevelInfo, Text: text, Attrs: attrs}
}

func notice(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: logging.LevelNotice, Text: text, Attrs: attrs}
}

func warning(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: slog.LevelWarn, Text: text, Attrs: attrs}
}

func failure(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: slog.LevelError, Text: text, Attrs: attrs}
}

func critical(name, text string, attrs ...slog.Attr) Event {
	return Event{Name: name, Level: logging.LevelCritical, Text: text, Attrs: attrs}
}

// because is the field of an error's words.
func because(err error) slog.Attr { return slog.String("error", cut(err.Error())) }

// Cut bounds text from outside to 256 bytes.
func Cut(s string) string { return cut(s) }

func cut(s string) string {
	const maxBytes = 256
	if len(s) > maxBytes {
		return s[:maxBytes] + "..."
	}
	return s
}
