package filter

import (
	"testing"
	"time"
)

// TestNobodyGetsAClosedSnapshot: whoever comes while it is replaced waits for the next.
func TestNobodyGetsAClosedSnapshot(t *testing.T) {
	old, next := new(Snapshot), new(Snapshot)
	f := New(old, nil, nil)
	old.release() // as Swap does after the exchange
	got := make(chan *Snapshot)
	go func() { got <- f.acquire() }()
	select {
	case s := <-got:
		t.Fatalf("got %p, which is closed", s)
	case <-time.After(10 * time.Millisecond):
	}
	next.users.Store(1)
	f.current.Store(next)
	if s := <-got; s != next || next.users.Load() != 2 {
		t.Errorf("got %p, used by %d", s, next.users.Load())
	}
}
