package rotate

import (
	"hash/fnv"
	"time"
)

// spread is a number between -1 and 1 that is always the same for a name: units that
// were made together do not come due together.
func spread(name string) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return float64(h.Sum32())/float64(1<<31) - 1
}

// adoptSpread is over how long units that are due at once when they are adopted are
// spread, as a part of Interval.
const adoptSpread = 0.5

// dueAt is when the next key of a unit shall be made: Interval after the present one,
// a tenth more or less. What is overdue when it is adopted comes within half an
// Interval, and what was given up not within a tenth of one. The zero Interval makes
// none: a time that never comes.
func (r *Rotator) dueAt(u *Unit) time.Time {
	g := u.signing()
	interval := r.Settings.Interval
	if g == nil || interval <= 0 || u.Leaving {
		return u.Adopted.AddDate(1000, 0, 0)
	}
	due := g.Created.Add(interval + time.Duration(spread(u.Name)*0.1*float64(interval)))
	if due.Before(u.Adopted) {
		due = u.Adopted.Add(time.Duration((spread(u.Name) + 1) / 2 * adoptSpread * float64(interval)))
	}
	if due.Before(u.NotBefore) {
		return u.NotBefore
	}
	return due
}

// setBack reports whether the clock was set back since a unit's times were written, and takes
// those that have not come for now: they would keep the next key from being made for as long.
func (r *Rotator) setBack(u *Unit) (was bool) {
	now := r.Now()
	notAfter := func(t *time.Time, most time.Time) {
		if t.After(most) {
			*t, was, u.changed = most, true, true
		}
	}
	notAfter(&u.Adopted, now)
	notAfter(&u.NotBefore, now.Add(max(0, r.Settings.Interval)/10))
	for _, g := range u.Generations {
		notAfter(&g.Created, now)
	}
	return was
}
