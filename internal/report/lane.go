package report

import (
	"context"
	"sync"
	"time"
)

// lane does tasks in the background, one after the other. Its zero value is
// ready for use; nothing runs before there is something to do.
type lane struct {
	onPanic func(any)

	mu     sync.Mutex
	tasks  chan func(context.Context)
	closed bool
	cancel context.CancelFunc
	done   chan struct{}
}

// add puts a task at the lane's end; false means that there is no room.
func (l *lane) add(task func(context.Context)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.tasks == nil {
		ctx, cancel := context.WithCancel(context.Background())
		l.tasks, l.cancel, l.done = make(chan func(context.Context), maxWaiting), cancel, make(chan struct{})
		go l.work(ctx, l.tasks)
	}
	select {
	case l.tasks <- task:
		return true
	default:
		return false
	}
}

func (l *lane) work(ctx context.Context, tasks <-chan func(context.Context)) {
	defer close(l.done)
	for task := range tasks {
		l.do(ctx, task)
	}
}

// do keeps a mistake in one task from ending the filter.
func (l *lane) do(ctx context.Context, task func(context.Context)) {
	defer func() {
		if v := recover(); v != nil {
			l.onPanic(v)
		}
	}()
	task(ctx)
}

// close does what is waiting, for a few seconds, and drops the rest. What is
// added from now on is dropped.
func (l *lane) close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	tasks, done, cancel := l.tasks, l.done, l.cancel
	l.mu.Unlock()
	if tasks == nil {
		return
	}
	close(tasks)
	timer := time.AfterFunc(drainTime, cancel)
	<-done
	timer.Stop()
	cancel()
}
