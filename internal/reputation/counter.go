// Package reputation limits how much mail a signing domain may send, by counts
// of its messages and of the spam among them.
package reputation

import (
	"sync"
	"time"

	"dojang/internal/lru"
)

// bodyHash is a message's body, as far as it tells copies apart.
type bodyHash [32]byte

// Bounds of what a Counter remembers. What was not used for the longest time is
// forgotten first.
const (
	maxDomains  = 20_000
	maxDeferred = 20_000
)

// slots is how finely the sliding period is divided: a message is forgotten
// between 11/12 of a period and one period after it was counted.
const slots = 12

// tally is what was seen of one domain in the period that ends now, this message
// included.
type tally struct {
	Messages, Spam int64
}

// rule is what one domain may send in a period.
type rule struct {
	Limit   int64   // messages; below 0: no limit
	Ratio   float64 // of spam, 0 to 1; below 0: no limit
	Minimum int64   // so many messages are always accepted
}

// exceeded reports whether a tally is more than the rule allows.
func (r rule) exceeded(t tally) bool {
	if t.Messages <= r.Minimum {
		return false
	}
	return r.Limit >= 0 && t.Messages > r.Limit ||
		r.Ratio >= 0 && float64(t.Spam)/float64(t.Messages) > r.Ratio
}

// Counter counts messages by domain. The zero value is ready for use, by many at
// once; its memory is bounded. It outlives a reload.
type Counter struct {
	mu       sync.Mutex
	domains  lru.Map[string, *window]
	deferred lru.Map[attempt, time.Time]
	changes  uint64 // calls of Count
}

// attempt is a message that was refused for now under a domain.
type attempt struct {
	domain string
	body   bodyHash
}

// count counts a message of a domain and reports whether it is more than the rule
// allows. One that was over before and comes again is not counted again, or
// repeated tries alone would keep a domain over its limit.
func (c *Counter) count(now time.Time, period time.Duration, domain string, body bodyHash, spam bool, rule rule) (tally, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	w, ok := c.domains.Get(domain)
	if !ok || w.period != period {
		w = &window{period: period}
		c.domains.Put(domain, w, 1, maxDomains)
	}
	try := attempt{domain, body}
	since, _ := c.deferred.Get(try)
	again := now.Sub(since) <= period // the zero time is long ago
	if !again {
		w.add(now, spam)
	}
	tally := w.tally(now)
	if !rule.exceeded(tally) {
		c.deferred.Remove(try)
		return tally, false
	}
	if !again {
		c.deferred.Put(try, now, 1, maxDeferred)
	}
	return tally, true
}

// window is the counts of one domain over a period.
type window struct {
	period time.Duration
	parts  [slots]part
}

type part struct {
	number         int64 // of the slot since 1970
	messages, spam uint32
}

func (w *window) number(now time.Time) int64 {
	return now.UnixNano() / max(1, int64(w.period)/slots)
}

func (w *window) add(now time.Time, spam bool) {
	number := w.number(now)
	p := &w.parts[number%slots]
	if p.number != number {
		*p = part{number: number}
	}
	p.messages++
	if spam {
		p.spam++
	}
}

func (w *window) tally(now time.Time) tally {
	var t tally
	number := w.number(now)
	for _, p := range w.parts {
		if p.number > number-slots && p.number <= number {
			t.Messages += int64(p.messages)
			t.Spam += int64(p.spam)
		}
	}
	return t
}
