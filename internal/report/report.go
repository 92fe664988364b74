// Package report does what a message leaves to be done once it is answered: it
// sends reports about failed signatures to signers that ask for them (RFC
// 6651), writes diagnostic files and appends statistics.
//
// Everything happens in the background, one thing after the other, from a queue
// of limited length: no message waits for it, and what does not fit is dropped
// and told.
package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"dojang/internal/event"
	"dojang/internal/policy"
	"dojang/internal/resolver"
)

// Limits of a Queue.
const (
	maxWaiting          = 256              // tasks not done yet
	maxReportsPerHour   = 10               // for one signing domain
	maxDomains          = 4096             // whose reports are counted
	maxFilesPerHour     = 1000             // in DiagnosticDirectory
	drainTime           = 5 * time.Second  // what Close waits for
	sendTime            = 60 * time.Second // for one report
	lookupTime          = 10 * time.Second
	maxCommandTextBytes = 512 // of what MTACommand says
)

var errFull = errors.New("too much is waiting to be written")

// Options say where things go. The zero value sends and writes nothing that
// was not asked for.
type Options struct {
	Resolver resolver.Resolver
	Log      *slog.Logger
	// Software is what User-Agent says.
	Software string
	// From is ReportAddress, a mailbox; Bcc is ReportBccAddress, a list of them.
	From, Bcc string
	// HostName is what SMTP's EHLO says.
	HostName string
	// MTACommand is the program that sends mail: it is called with -t and -f. When
	// SMTPServer, a host and port, is set, mail goes there instead.
	MTACommand, SMTPServer string
	// DiagnosticDirectory is where Diagnose writes.
	DiagnosticDirectory string
	// StatisticsFile is where Record appends; StatisticsName is the reporter.
	StatisticsFile, StatisticsName string
	// Now and Chance serve tests; Chance is a number from 0 to 99.
	Now    func() time.Time
	Chance func() int
}

// Queue is the work that is waiting. It is safe for concurrent use.
type Queue struct {
	o     Options
	sent  limiter
	files limiter

	mu     sync.Mutex
	tasks  chan func(context.Context)
	closed bool
	cancel context.CancelFunc
	done   chan struct{}
}

// New returns a Queue. Nothing runs before there is something to do.
func New(o Options) *Queue {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Chance == nil {
		o.Chance = func() int { return rand.IntN(100) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue{o: o, sent: limiter{perHour: maxReportsPerHour}, files: limiter{perHour: maxFilesPerHour}}
}

// add puts a task at the end of the queue; false means that there is no room.
func (q *Queue) add(task func(context.Context)) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if q.tasks == nil {
		ctx, cancel := context.WithCancel(context.Background())
		q.tasks, q.cancel, q.done = make(chan func(context.Context), maxWaiting), cancel, make(chan struct{})
		go q.work(ctx, q.tasks)
	}
	select {
	case q.tasks <- task:
		return true
	default:
		return false
	}
}

func (q *Queue) work(ctx context.Context, tasks <-chan func(context.Context)) {
	defer close(q.done)
	for task := range tasks {
		q.do(ctx, task)
	}
}

// do keeps a mistake in one task from ending the filter.
func (q *Queue) do(ctx context.Context, task func(context.Context)) {
	defer func() {
		if v := recover(); v != nil {
			q.o.Log.Error(fmt.Sprintf("internal error while reporting: %v", v), "event", "panic")
		}
	}()
	task(ctx)
}

// Close does what is waiting, for a few seconds, and drops the rest. What is
// added from now on is dropped.
func (q *Queue) Close() {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.closed = true
	tasks, done, cancel := q.tasks, q.done, q.cancel
	q.mu.Unlock()
	if tasks == nil {
		return
	}
	close(tasks)
	timer := time.AfterFunc(drainTime, cancel)
	<-done
	timer.Stop()
	cancel()
}

// Report sends a report, when the signer's domain says where to.
func (q *Queue) Report(r *policy.FailureReport) {
	if !q.add(func(ctx context.Context) { q.report(ctx, r) }) {
		q.tell(r.JobID, event.ReportDropped(r.Domain, "too many reports are waiting"))
	}
}

func (q *Queue) report(ctx context.Context, r *policy.FailureReport) {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	wish, err := q.lookUp(ctx, r.Domain)
	if err != nil {
		q.tell(r.JobID, event.ReportFailed(r.Domain, err))
		return
	}
	if wish == nil || !wish.Wants(r.Condition) || q.o.Chance() >= wish.Percentage {
		return
	}
	if !q.sent.allow(wish.domain, q.o.Now()) {
		q.tell(r.JobID, event.ReportDropped(r.Domain, fmt.Sprintf("%d reports were sent in this hour", maxReportsPerHour)))
		return
	}
	to := wish.Local + "@" + wish.domain
	if err := q.send(ctx, to, q.message(r, to)); err != nil {
		q.tell(r.JobID, event.ReportFailed(r.Domain, err))
		return
	}
	q.tell(r.JobID, event.ReportSent(r.Domain, to))
}

func (q *Queue) tell(job string, e event.Event) {
	attrs := append([]slog.Attr{slog.String("event", e.Name), slog.String("job", job)}, e.Attrs...)
	q.o.Log.LogAttrs(context.Background(), e.Level, job+": "+e.Text, attrs...)
}

// limiter counts by the hour for each key.
type limiter struct {
	perHour int
	hour    time.Time
	counts  map[string]int
}

// allow is called by the worker alone.
func (l *limiter) allow(key string, now time.Time) bool {
	if hour := now.Truncate(time.Hour); !hour.Equal(l.hour) || l.counts == nil {
		l.hour, l.counts = hour, make(map[string]int)
	}
	if n, known := l.counts[key]; n >= l.perHour || !known && len(l.counts) >= maxDomains {
		return false
	}
	l.counts[key]++
	return true
}
