package rotate

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/dataset"
	"dojang/internal/rotate/settings"
)

func notFound(err error) bool { return errors.Is(err, dataset.ErrNotFound) }

// limits counts changes of records for Rate and Day, over runs.
type limits struct {
	store *Store
	Day   string      `json:"day"`     // 2006-01-02, UTC
	Count int         `json:"count"`   // of that day
	Last  []time.Time `json:"changes"` // those that Rate still counts
}

const limitsFile = "limits.json"

func (l *limits) load(s *Store, now time.Time) {
	l.store = s
	if s == nil {
		return
	}
	if data, err := os.ReadFile(s.path(limitsFile)); err == nil {
		_ = json.Unmarshal(data, l) // a broken one counts nothing
	}
	if day := now.UTC().Format(time.DateOnly); l.Day != day {
		l.Day, l.Count = day, 0
	}
}

// allow says how many of n changes may be made now.
func (l *limits) allow(s *settings.Settings, now time.Time, n int) int {
	if s.Day > 0 {
		n = min(n, max(0, s.Day-l.Count))
	}
	if s.Rate.Count > 0 {
		for len(l.Last) > 0 && now.Sub(l.Last[0]) >= s.Rate.Per {
			l.Last = l.Last[1:]
		}
		n = min(n, max(0, s.Rate.Count-len(l.Last)))
	}
	return n
}

// took counts changes that were asked for.
func (l *limits) took(s *settings.Settings, now time.Time, n int) {
	l.Count += n
	if s.Rate.Count > 0 {
		for range n {
			l.Last = append(l.Last, now)
		}
	}
	if s.Day == 0 && s.Rate.Count == 0 {
		return
	}
	if data, err := json.Marshal(l); err == nil {
		_ = atomicfile.Write(l.store.path(limitsFile), data, atomicfile.Options{}) // counted in memory all the same
	}
}
