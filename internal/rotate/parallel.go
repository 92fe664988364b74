package rotate

import (
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
