// Package flight lets callers that want the same at the same time share the work.
package flight

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Group lets concurrent callers with the same key share one piece of work. The work
// belongs to no caller: it goes on until all who wait for it have given up. The
// zero value is ready for use.
type Group[K comparable, V any] struct {
	// Detached lets work go on although nobody waits for it any longer, for what it
	// leaves behind, as in a cache. Set it before the first Do.
	Detached bool

	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done    chan struct{}
	value   V
	waiters int
	cancel  context.CancelFunc
}

// Do runs work, or joins it when it is under way. The work's context carries ctx's
// values but neither its deadline nor its cancellation: limit bounds it. failed makes
// the value for a panic in the work, which must not take the process with it: what
// work handles comes from strangers. The error is why ctx ended, if it did.
func (g *Group[K, V]) Do(ctx context.Context, key K, limit time.Duration, work func(context.Context) V, failed func(error) V) (V, error) {
	g.mu.Lock()
	c, running := g.calls[key]
	if !running {
		workCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		c = &call[V]{done: make(chan struct{}), cancel: cancel}
		if g.calls == nil {
			g.calls = make(map[K]*call[V])
		}
		g.calls[key] = c
		go g.run(workCtx, key, c, work, failed)
	}
	c.waiters++
	g.mu.Unlock()

	select {
	case <-c.done:
		return c.value, nil
	case <-ctx.Done():
		g.leave(key, c)
		var none V
		return none, context.Cause(ctx)
	}
}

func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], work func(context.Context) V, failed func(error) V) {
	defer func() {
		if p := recover(); p != nil {
			c.value = failed(fmt.Errorf("internal error: %v", p))
		}
		g.mu.Lock()
		if g.calls[key] == c {
			delete(g.calls, key)
		}
		g.mu.Unlock()
		c.cancel()
		close(c.done)
	}()
	c.value = work(ctx)
}

// leave takes one waiter away; the last one ends the work, unless it is detached.
// Whoever comes next starts anew instead of joining work that is being cancelled.
func (g *Group[K, V]) leave(key K, c *call[V]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.waiters--; c.waiters > 0 || g.Detached {
		return
	}
	c.cancel()
	if g.calls[key] == c {
		delete(g.calls, key)
	}
}

// Waiters is how many wait for the work of a key, 0 where none is under way.
func (g *Group[K, V]) Waiters(key K) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.calls[key]; c != nil {
		return c.waiters
	}
	return 0
}

// Len is how many pieces of work are under way.
func (g *Group[K, V]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.calls)
}
