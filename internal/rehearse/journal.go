package rehearse

import (
	"context"
	"log/slog"
	"sync"

	"dojang/internal/event"
)

// maxJournal bounds what is kept of one message's log.
const maxJournal = 48

// entry is one line that our filter would log, with LogWhy.
type entry struct{ event, text string }

// journal keeps our filter's log of the message in hand.
type journal struct {
	mu      sync.Mutex
	entries []entry
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

// Handle keeps a line (slog.Handler).
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	e := entry{text: event.Cut(r.Message)}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "event" {
			e.event = a.Value.String()
		}
		return true
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) < maxJournal {
		j.entries = append(j.entries, e)
	}
	return nil
}

// take returns what was kept, and begins anew.
func (j *journal) take() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := j.entries
	j.entries = nil
	return taken
}
