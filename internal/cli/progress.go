package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// progressAfter is how long work takes before its progress is shown.
	progressAfter = time.Second
	// progressEvery is how often it is looked at.
	progressEvery = 200 * time.Millisecond
)

// progress shows on a terminal how far long work has come: one line, from the second
// second on, and nothing of it in a pipe. Its methods may be called by many at once, and
// by none while the first part takes long.
type progress struct {
	what   string
	ended  sync.Once
	quit   chan struct{} // nil where nothing is shown
	closed sync.WaitGroup

	mu    sync.Mutex
	begin time.Time // of work whose parts cannot be counted, which shows seconds
	total int       // 0: not known
	done  int
}

// progress begins to show how many of total things are done.
func (s Streams) progress(what string, total int) *progress {
	return s.shown(&progress{what: what, total: total})
}

// during shows that work goes on whose parts cannot be counted.
func (s Streams) during(what string, work func()) {
	p := s.shown(&progress{what: what, begin: time.Now()})
	work()
	p.end()
}

func (s Streams) shown(p *progress) *progress {
	if f := terminal(s.Err); f != nil {
		p.show(f)
	}
	return p
}

// show writes the line and changes it until the end, which takes it away.
func (p *progress) show(out io.Writer) {
	p.quit = make(chan struct{})
	p.closed.Go(func() {
		written := ""
		for wait := progressAfter; ; wait = progressEvery {
			select {
			case <-p.quit:
				if written != "" {
					fmt.Fprint(out, "\r\x1b[K")
				}
				return
			case <-time.After(wait):
			}
			if line := p.line(); line != written {
				written = line
				fmt.Fprint(out, "\r\x1b[K"+line)
			}
		}
	})
}

func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.begin.IsZero():
		return fmt.Sprintf("%d %s", time.Since(p.begin)/time.Second, p.what)
	case p.total > 0:
		return fmt.Sprintf("%d of %d %s", p.done, p.total, p.what)
	}
	return fmt.Sprintf("%d %s", p.done, p.what)
}

// step says that one more is done.
func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

// at says that n are done.
func (p *progress) at(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = n
}

// of says that n of all are done.
func (p *progress) of(n, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = n, all
}

// end takes the line away, for good. A nil progress has none.
func (p *progress) end() {
	if p == nil || p.quit == nil {
		return
	}
	p.ended.Do(func() { close(p.quit) })
	p.closed.Wait()
}
