package message

import (
	"context"
	"sync"
	"time"
)

// budget is the context in which everything that may wait for others must be
// done. Most messages wait for nobody: then the timer and the tie to the
// server's context are never made, which is a fifth of what a message allocates.
type budget struct {
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex
	waits  context.Context // made when somebody asks for Done
	cancel context.CancelFunc
	ended  bool
}

func newBudget(parent context.Context, length time.Duration) *budget {
	return &budget{parent: parent, deadline: time.Now().Add(length)}
}

// real is the context that can be waited for.
func (b *budget) real() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waits == nil {
		b.waits, b.cancel = context.WithDeadline(b.parent, b.deadline)
		if b.ended {
			b.cancel()
		}
	}
	return b.waits
}

// end cancels whatever still waits.
func (b *budget) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	if b.cancel != nil {
		b.cancel()
	}
}

func (b *budget) Done() <-chan struct{}       { return b.real().Done() }
func (b *budget) Deadline() (time.Time, bool) { return b.deadline, true }
func (b *budget) Value(key any) any           { return b.parent.Value(key) }

func (b *budget) Err() error {
	b.mu.Lock()
	waits, ended := b.waits, b.ended
	b.mu.Unlock()
	switch {
	case waits != nil:
		return waits.Err()
	case ended:
		return context.Canceled
	case !time.Now().Before(b.deadline):
		return context.DeadlineExceeded
	}
	return b.parent.Err()
}
