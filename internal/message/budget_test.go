package message

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestBudgetIsAContext(t *testing.T) {
	type key struct{}
	parent, cancelParent := context.WithCancel(context.WithValue(context.Background(), key{}, "v"))
	b := newBudget(parent, time.Hour)
	if b.Err() != nil || b.Value(key{}) != "v" {
		t.Fatal("a new budget has ended, or lost its parent's values")
	}
	select {
	case <-b.Done():
		t.Fatal("done at once")
	default:
	}
	child, cancel := context.WithTimeout(b, time.Minute)
	defer cancel()
	cancelParent()
	<-b.Done()
	<-child.Done()
	if !errors.Is(b.Err(), context.Canceled) {
		t.Fatalf("Err is %v", b.Err())
	}

	late := newBudget(context.Background(), -time.Second)
	if !errors.Is(late.Err(), context.DeadlineExceeded) {
		t.Errorf("past its deadline Err is %v", late.Err())
	}
	<-late.Done()
	if !errors.Is(late.Err(), context.DeadlineExceeded) {
		t.Errorf("past its deadline Err is %v", late.Err())
	}

	for _, waited := range []bool{false, true} {
		b := newBudget(context.Background(), time.Hour)
		if waited {
			b.Done()
		}
		b.end()
		if !errors.Is(b.Err(), context.Canceled) {
			t.Errorf("ended, waited for %v: Err is %v", waited, b.Err())
		}
		<-b.Done()
	}
}
