package rehearse

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"dojang/internal/plain"
	"dojang/internal/words"
)

// Tally counts what was compared.
type Tally struct {
	mu      sync.Mutex
	summary Summary
}

// Summary are the numbers of a rehearsal.
type Summary struct {
	Connections int64          `json:"connections"`
	Messages    int            `json:"messages"`   // compared
	Same        int            `json:"same"`       // in everything
	Documented  int            `json:"documented"` // differ in what docs/differences.md tells alone
	Different   int            `json:"different"`  // differ in something else
	Kinds       map[Kind]int   `json:"kinds"`      // differences that are not documented
	Known       map[string]int `json:"known"`      // documented ones, by where
	NotCompared map[string]int `json:"not_compared"`
	Dropped     int            `json:"dropped"`  // connections that dojang's half was too slow for, or not there
	Restarts    int            `json:"restarts"` // of dojang's half
}

// maxReasons bounds how many reasons are told apart.
const maxReasons = 64

func bump(m *map[string]int, key string) {
	if *m == nil {
		*m = map[string]int{}
	}
	if _, known := (*m)[key]; !known && len(*m) >= maxReasons {
		key = "other reasons"
	}
	(*m)[key]++
}

// Add counts a report.
func (t *Tally) Add(r *Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.summary
	if r.NotCompared != "" {
		bump(&s.NotCompared, r.NotCompared)
		return
	}
	news := 0
	for _, d := range r.Differences {
		if d.Documented != "" {
			bump(&s.Known, d.Documented)
			continue
		}
		news++
		if s.Kinds == nil {
			s.Kinds = map[Kind]int{}
		}
		s.Kinds[d.Kind]++
	}
	switch {
	case r.Step:
		return
	case len(r.Differences) == 0:
		s.Same++
	case news == 0:
		s.Documented++
	default:
		s.Different++
	}
	s.Messages++
}

// Dropped counts a connection that is no longer watched.
func (t *Tally) Dropped() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Dropped++
}

// Restarted counts that our half was started anew.
func (t *Tally) Restarted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Restarts++
}

// Summary returns the numbers as they are now.
func (t *Tally) Summary(connections int64) Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.summary
	s.Connections = connections
	s.Kinds, s.Known, s.NotCompared = copied(s.Kinds), copied(s.Known), copied(s.NotCompared)
	return s
}

func copied[K comparable](m map[K]int) map[K]int {
	c := map[K]int{}
	maps.Copy(c, m)
	return c
}

// Write prints the numbers.
func (s Summary) Write(w io.Writer) {
	fmt.Fprintf(w, "%s, %s compared: %d the same, %d differ as documented, %d differ\n",
		words.Count(s.Connections, "connection"), words.Count(s.Messages, "message"), s.Same, s.Documented, s.Different)
	for _, k := range kinds {
		if n := s.Kinds[k]; n > 0 {
			fmt.Fprintf(w, "%8d  %s\n", n, k)
		}
	}
	writeCounts(w, "documented", s.Known)
	writeCounts(w, "not compared", s.NotCompared)
	if s.Dropped > 0 {
		fmt.Fprintf(w, "%8d  connections not watched: dojang's half was too slow for them, or not there\n", s.Dropped)
	}
	if s.Restarts > 0 {
		fmt.Fprintf(w, "%8d  times dojang's half died and was started anew\n", s.Restarts)
	}
}

func writeCounts(w io.Writer, what string, counts map[string]int) {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "%8d  %s: %s\n", counts[name], what, strings.ReplaceAll(name, "\n", " "))
	}
}

// Write prints a report's differences.
func (r *Report) Write(w io.Writer) {
	nothing := func(s string) string {
		if s == "" {
			return "nothing"
		}
		return plain.Line(s)
	}
	job := plain.Line(r.Job)
	if job == "" {
		job = "-"
	}
	for _, d := range r.Differences {
		fmt.Fprintf(w, "%s %s: %s\n    old:    %s\n    dojang: %s\n    cause:  %s\n", job, nothing(r.From),
			d.Kind, nothing(d.Old), nothing(d.New), plain.Line(d.Cause))
		if d.Documented != "" {
			fmt.Fprintf(w, "    known:  %s\n", d.Documented)
		}
	}
}
