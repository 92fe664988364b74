package status

import (
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"dojang/internal/kept"
)

// File keeps r over a restart (StatusFile). interval is the time between two
// writes: after a kill, keys count as used until the last write and an interval.
// The file must be written once as soon as it was read, or a kill before the
// first interval looks like a clean end; and after a failed write it must go.
func File(path string, r *Recorder, interval time.Duration) *kept.File {
	r.interval = interval
	return &kept.File{Path: path, FirstLine: "dojang status 1", Store: keeper{r}}
}

// Closing says that the next write is this process's last, and nothing will be
// signed after it.
func (r *Recorder) Closing() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clean = true
	r.changes++
}

// line is one line of the file; each has one of its parts.
type line struct {
	Saved   *saved                `json:"saved,omitempty"`
	Reasons map[string]reasonLine `json:"reasons,omitempty"`
	Series  *seriesLine           `json:"series,omitempty"`
	Key     *keyLine              `json:"key,omitempty"`
	Message *Message              `json:"message,omitempty"`
}

// saved is about the file: it stands first.
type saved struct {
	At              time.Time `json:"at"`
	IntervalSeconds float64   `json:"interval_seconds"`
	Clean           bool      `json:"clean"`
	Unlisted        time.Time `json:"unlisted,omitzero"`
}

type reasonLine struct {
	Total uint64    `json:"total"`
	Parts [8]uint32 `json:"parts"`
	Last  int64     `json:"last"`
}

// seriesLine is a domain, all that have no room of their own (Other), or all mail.
type seriesLine struct {
	Domain     string              `json:"domain,omitempty"`
	Other      bool                `json:"other,omitempty"`
	Totals     [5]uint64           `json:"totals"`
	LastSigned time.Time           `json:"last_signed,omitzero"`
	Failure    *Failure            `json:"failure,omitempty"`
	Last       [3]int64            `json:"last"`
	Points     [3]map[int64]counts `json:"points"` // by number, where not all are 0
}

type keyLine struct {
	Domain   string    `json:"d"`
	Selector string    `json:"s"`
	Total    uint64    `json:"total"`
	First    int64     `json:"first"`
	Last     int64     `json:"last"`
	Parts    [8]uint32 `json:"parts"`
	Part     int64     `json:"part"`
}

// keeper is a Recorder as kept.File sees it.
type keeper struct{ *Recorder }

// Lines implements kept.Store.
func (r keeper) Lines(since uint64) (iter.Seq[any], uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changes == since && since != 0 {
		return nil, since
	}
	if r.changes == 0 {
		r.changes = 1 // a file that was read must say at once that we run
	}
	lines := []line{{Saved: &saved{At: r.now().UTC(), IntervalSeconds: r.interval.Seconds(), Clean: r.clean, Unlisted: r.unlisted}}}
	if len(r.reasons) > 0 {
		reasons := map[string]reasonLine{}
		for name, w := range r.reasons {
			reasons[name] = reasonLine{w.total, w.parts, w.last}
		}
		lines = append(lines, line{Reasons: reasons})
	}
	lines = append(lines, line{Series: toLine(&domain{totals: r.totals, series: r.all})})
	other := toLine(r.other)
	other.Other = true
	lines = append(lines, line{Series: other})
	for _, name := range slices.Sorted(maps.Keys(r.domains)) {
		l := toLine(r.domains[name])
		l.Domain = name
		lines = append(lines, line{Series: l})
	}
	for name, u := range r.keys {
		lines = append(lines, line{Key: &keyLine{name.domain, name.selector, u.total, u.first, u.last, u.parts, u.window.last}})
	}
	rows := slices.Clone(r.inOrder())
	for i := range rows {
		lines = append(lines, line{Message: &rows[i]})
	}
	return func(yield func(any) bool) {
		for i := range lines {
			if !yield(&lines[i]) {
				return
			}
		}
	}, r.changes
}

func toLine(d *domain) *seriesLine {
	l := &seriesLine{Totals: [5]uint64{d.signed, d.unsigned, d.pass, d.fail, d.none}, LastSigned: d.lastSigned, Last: d.series.last}
	if !d.failure.Time.IsZero() {
		failure := d.failure
		l.Failure = &failure
	}
	for i := range steps {
		l.Points[i] = map[int64]counts{}
		points := d.series.view(i)
		n := int64(len(points))
		for p := max(0, d.series.last[i]-n+1); p <= d.series.last[i]; p++ {
			if c := points[p%n]; c != (counts{}) {
				l.Points[i][p] = c
			}
		}
	}
	return l
}

var errLine = errors.New("a line says nothing that was ever counted")

// Take implements kept.Store.
func (r keeper) Take(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case l.Saved != nil:
		r.takeSaved(l.Saved)
	case l.Reasons != nil:
		for name, w := range l.Reasons {
			if len(r.reasons) < maxReasons && len(name) <= maxTextBytes {
				r.reasons[name] = &window{total: w.Total, parts: w.Parts, last: min(max(w.Last, 0), r.now().Unix()/partSeconds)}
			}
		}
	case l.Series != nil:
		r.takeSeries(l.Series)
	case l.Key != nil:
		return r.takeKey(l.Key)
	case l.Message != nil:
		l.Message.bound()
		r.put(*l.Message)
	default:
		return errLine
	}
	return nil
}

// takeSaved finds until when keys may have been used that the file does not know of.
func (r keeper) takeSaved(s *saved) {
	r.unlisted = s.Unlisted
	if !s.Clean {
		until := s.At.Add(time.Duration(s.IntervalSeconds * float64(time.Second)))
		if now := r.now(); until.After(now) && s.At.Before(now) {
			until = now
		}
		r.unlisted = latest(r.unlisted, until)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// takeKey is told after takeSaved. After an unclean end each key may have been
// used until then.
func (r keeper) takeKey(k *keyLine) error {
	if k.Domain == "" || k.Selector == "" || len(k.Domain) > maxTextBytes || len(k.Selector) > maxTextBytes || k.Last < 0 || k.Part < 0 {
		return errLine
	}
	u := &keyUse{window: window{total: k.Total, parts: k.Parts, last: min(k.Part, r.now().Unix()/partSeconds)},
		first: k.First, last: k.Last}
	if unlisted := r.unlisted.Unix(); !r.unlisted.IsZero() {
		u.last = max(u.last, unlisted)
	}
	if len(r.keys) < maxKeys {
		r.keys[keyName{domainName(k.Domain), k.Selector}] = u
	}
	return nil
}

func (r keeper) takeSeries(l *seriesLine) {
	d := &domain{totals: totals{l.Totals[0], l.Totals[1], l.Totals[2], l.Totals[3], l.Totals[4]}, lastSigned: l.LastSigned}
	if l.Failure != nil {
		d.failure = *l.Failure
	}
	for i, step := range steps {
		last := min(max(l.Last[i], 0), r.now().Unix()/step.seconds) // or the clock was set back
		d.series.last[i] = last
		points := d.series.view(i)
		n := int64(len(points))
		for p, c := range l.Points[i] {
			if p >= 0 && p <= last && p > last-n {
				points[p%n] = c
			}
		}
	}
	switch {
	case l.Other:
		r.other = d
	case l.Domain == "":
		r.totals, r.all = d.totals, d.series
	case len(r.domains) < r.o.Domains && len(l.Domain) <= maxTextBytes:
		r.domains[l.Domain] = d
	}
}
