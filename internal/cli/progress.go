package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progressAfter is how long work takes before its progress is shown.
const progressAfter = time.Second

// progress shows on a terminal how far long work has come: one line, from the second
// second on, and nothing of it in a pipe. Its methods may be called by many at once.
type progress struct {
	mu      sync.Mutex
	out     io.Writer // nil shows nothing
	what    string
	total   int // 0: not known
	done    int
	begin   time.Time
	written time.Time
}

// progress begins to show how many of total things are done.
func (s Streams) progress(what string, total int) *progress {
	p := &progress{what: what, total: total, begin: time.Now()}
	if isTerminal(s.Err) {
		p.out = s.Err
	}
	return p
}

// step says that one more is done.
func (p *progress) step() { p.at(-1) }

// at says that n are done; -1 for one more.
func (p *progress) at(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done++; n >= 0 {
		p.done = n
	}
	now := time.Now()
	if p.out == nil || now.Sub(p.begin) < progressAfter || now.Sub(p.written) < 200*time.Millisecond {
		return
	}
	p.written = now
	of := ""
	if p.total > 0 {
		of = fmt.Sprintf(" of %d", p.total)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%d%s %s", p.done, of, p.what)
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.written.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
