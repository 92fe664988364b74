package rotate

import (
	"encoding/json"
	"errors"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/dataset"
	"dojang/internal/privilege"
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

func (l *limits) load(s *Store) {
	l.store = s
	if s == nil {
		return
	}
	if data, err := privilege.ReadAsIs(s.path(limitsFile)); err == nil {
		_ = json.Unmarshal(data, l) // a broken one counts nothing
	}
}

// allow says how many of n changes may be made now, and when more may be, if that is
// soon: Rate is waited for, Day is not.
func (l *limits) allow(s *settings.Settings, now time.Time, n int) (allowed int, again time.Duration) {
	if day := now.UTC().Format(time.DateOnly); l.Day != day {
		l.Day, l.Count = day, 0
	}
	if s.Day > 0 {
		n = min(n, max(0, s.Day-l.Count))
	}
	if s.Rate.Count == 0 || n == 0 {
		return n, 0
	}
	for len(l.Last) > 0 && (now.Sub(l.Last[0]) >= s.Rate.Per || now.Before(l.Last[0])) {
		l.Last = l.Last[1:]
	}
	if free := s.Rate.Count - len(l.Last); free > 0 {
		return min(n, free), 0
	}
	return 0, max(time.Millisecond, s.Rate.Per-now.Sub(l.Last[0]))
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
