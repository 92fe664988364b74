package rotate

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// parallel is how many units are worked on together: name servers and disks take their time.
const parallel = 16

// inParallel calls f with each unit, which it touches alone, and its number. A panic of f is
// one of the caller, and begins with no other unit.
func (r *Rotator) inParallel(units []*Unit, f func(i int, u *Unit)) {
	slots := make(chan struct{}, r.atOnce)
	var wait sync.WaitGroup
	var panicked atomic.Value
	for i, u := range units {
		if slots <- struct{}{}; panicked.Load() != nil {
			break
		}
		wait.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					panicked.CompareAndSwap(nil, v)
				}
				<-slots
			}()
			f(i, u)
		})
	}
	wait.Wait()
	if v := panicked.Load(); v != nil {
		panic(v)
	}
}

// oneByOne is a writer for units that are worked on together.
type oneByOne struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneByOne) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// complaints are what was told of what could not be done.
type complaints struct {
	mu  sync.Mutex
	all map[string]bool
}

// complain tells what could not be done, once: in an emergency it is tried again twice a
// second.
func (r *Rotator) complain(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.told.mu.Lock()
	defer r.told.mu.Unlock()
	if r.told.all == nil {
		r.told.all = map[string]bool{}
	}
	if !r.told.all[line] {
		r.told.all[line] = true
		fmt.Fprintln(r.Out, line)
	}
}
