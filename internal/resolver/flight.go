package resolver

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// flight lets concurrent callers with the same key share one piece of work. The work
// belongs to no caller: it goes on until all who wait for it have given up.
type flight[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done    chan struct{}
	value   V
	waiters int
	cancel  context.CancelFunc
}

// do runs work, or joins it when it is under way. The work's context carries ctx's
// values but neither its deadline nor its cancellation: limit bounds it. failed makes
// the value for a panic in the work, which must not take the process with it: what
// work handles comes from strangers.
func (f *flight[K, V]) do(ctx context.Context, key K, limit time.Duration, work func(context.Context) V, failed func(error) V) (V, error) {
	f.mu.Lock()
	c, running := f.calls[key]
	if !running {
		workCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		c = &call[V]{done: make(chan struct{}), cancel: cancel}
		if f.calls == nil {
			f.calls = make(map[K]*call[V])
		}
		f.calls[key] = c
		go f.run(workCtx, key, c, work, failed)
	}
	c.waiters++
	f.mu.Unlock()

	select {
	case <-c.done:
		return c.value, nil
	case <-ctx.Done():
		f.leave(key, c)
		var none V
		return none, context.Cause(ctx)
	}
}

func (f *flight[K, V]) run(ctx context.Context, key K, c *call[V], work func(context.Context) V, failed func(error) V) {
	defer func() {
		if p := recover(); p != nil {
			c.value = failed(fmt.Errorf("internal error: %v", p))
		}
		f.mu.Lock()
		if f.calls[key] == c {
			delete(f.calls, key)
		}
		f.mu.Unlock()
		c.cancel()
		close(c.done)
	}()
	c.value = work(ctx)
}

// leave takes one waiter away; the last one ends the work. Whoever comes next starts
// anew instead of joining work that is being cancelled.
func (f *flight[K, V]) leave(key K, c *call[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.waiters--; c.waiters == 0 {
		c.cancel()
		if f.calls[key] == c {
			delete(f.calls, key)
		}
	}
}
