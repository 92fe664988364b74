package reputation

import (
	"encoding/json"
	"errors"
	"iter"
	"math"
	"time"

	"dojang/internal/kept"
)

// File keeps the counts of c over a restart. now is the time of the reading:
// what claims to be later is not believed.
func File(path string, c *Counter, now time.Time) *kept.File {
	return &kept.File{Path: path, FirstLine: "dojang counts 1", Store: keeper{c, now}}
}

// line is one line of a file, in JSON: what a domain sent, or a message of its
// that was refused for now. What was used last stands last.
type line struct {
	Domain string        `json:"domain"`
	Period time.Duration `json:"period,omitempty"`
	Parts  [][3]int64    `json:"parts,omitempty"` // number, messages, spam
	Body   []byte        `json:"body,omitempty"`
	Since  time.Time     `json:"since,omitzero"`
}

// keeper is a Counter as kept.File sees it.
type keeper struct {
	*Counter
	now time.Time
}

// Lines implements kept.Store.
func (c keeper) Lines(since uint64) (iter.Seq[any], uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == since {
		return nil, since
	}
	lines := make([]line, 0, c.domains.Len()+c.deferred.Len())
	for domain, w := range c.domains.OldestFirst() {
		l := line{Domain: domain, Period: w.period}
		for _, p := range w.parts {
			if p.messages > 0 {
				l.Parts = append(l.Parts, [3]int64{p.number, int64(p.messages), int64(p.spam)})
			}
		}
		lines = append(lines, l)
	}
	for try, since := range c.deferred.OldestFirst() {
		lines = append(lines, line{Domain: try.domain, Body: try.body[:], Since: since})
	}
	return func(yield func(any) bool) {
		for i := range lines {
			if !yield(&lines[i]) {
				return
			}
		}
	}, c.changes
}

var errLine = errors.New("a line says nothing that was ever counted")

// Take implements kept.Store.
func (c keeper) Take(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.Body != nil {
		if len(l.Body) != len(bodyHash{}) {
			return errLine
		}
		if !l.Since.After(c.now) { // or the clock was set back
			c.deferred.Put(attempt{l.Domain, bodyHash(l.Body)}, l.Since, 1, maxDeferred)
		}
		return nil
	}
	w := &window{period: l.Period}
	latest := w.number(c.now)
	for _, p := range l.Parts {
		number, messages, spam := p[0], p[1], p[2]
		if number < 0 || messages > math.MaxUint32 || spam < 0 || spam > messages {
			return errLine
		}
		if number <= latest { // or the clock was set back
			w.parts[number%slots] = part{number, uint32(messages), uint32(spam)}
		}
	}
	c.domains.Put(l.Domain, w, 1, maxDomains)
	return nil
}
