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
// second on, and nothing of it in a pipe. Its methods may be called by many at once,
// step by one.
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
	if f := terminal(s.Err); f != nil {
		p.out = f
	}
	return p
}

// during shows that work goes on whose parts cannot be counted.
func (s Streams) during(what string, work func()) {
	p := s.progress(what, 0)
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		tick := time.NewTicker(progressAfter)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			case <-tick.C:
				p.at(n)
			}
		}
	})
	work()
	close(done)
	ticking.Wait()
	p.end()
}

// step says that one more is done.
func (p *progress) step() {
	p.mu.Lock()
	n := p.done + 1
	p.mu.Unlock()
	p.at(n)
}

// at says that n are done.
func (p *progress) at(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = n
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

// of says that n of all are done.
func (p *progress) of(n, all int) {
	p.mu.Lock()
	p.total = all
	p.mu.Unlock()
	p.at(n)
}

// end takes the line away. A nil progress has none.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.written.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
