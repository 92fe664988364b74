// Package report does what a message leaves to be done once it is answered: it
// sends reports about failed signatures to signers that ask for them (RFC
// 6651), writes diagnostic files and appends statistics.
//
// Everything happens in the background, from queues of limited length: no message
// waits for it, and what does not fit is dropped and told.
package report

import (
	"context"
	"errors"
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
	maxWaiting        = 256 // tasks of a lane not done yet
	maxReportsPerHour = 10  // for one signing domain
	maxReportsInAll   = 1000
	maxFilesPerHour   = 1000             // in DiagnosticDirectory
	drainTime         = 5 * time.Second  // what Close waits for
	sendTime          = 60 * time.Second // for one report
	lookupTime        = 10 * time.Second
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
	// Mailer is how reports leave.
	Mailer Mailer
	// DiagnosticDirectory is where Diagnose writes.
	DiagnosticDirectory string
	// StatisticsFile is where Record appends; StatisticsName is the reporter.
	StatisticsFile, StatisticsName string
	// Now and Chance serve tests; Chance is a number from 0 to 99.
	Now    func() time.Time
	Chance func() int
}

// Queue is the work that is waiting: mail in one lane and files in another, so
// that a slow mail server holds no file up. It is safe for concurrent use.
type Queue struct {
	o           Options
	mail, files lane
	sent        limiter // of mail, by domain
	diagnosed   limiter
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
	q := &Queue{o: o, sent: limiter{perHour: maxReportsPerHour, inAll: maxReportsInAll},
		diagnosed: limiter{perHour: maxFilesPerHour, inAll: maxFilesPerHour}}
	q.mail.onPanic, q.files.onPanic = q.panicked, q.panicked
	return q
}

func (q *Queue) panicked(v any) {
	event.ReportBroke(v).Write(q.o.Log, "")
}

// Close does what is waiting, for a few seconds, and drops the rest.
func (q *Queue) Close() {
	var wait sync.WaitGroup
	wait.Go(q.mail.close)
	wait.Go(q.files.close)
	wait.Wait()
}

// Report sends a report, when the signer's domain says where to.
func (q *Queue) Report(r *policy.FailureReport) {
	if !q.mail.add(func(ctx context.Context) { q.report(ctx, r) }) {
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
	if wish == nil || !wish.wants(r.Condition) || q.o.Chance() >= wish.Percentage {
		return
	}
	if !q.sent.allow(wish.domain, q.o.Now()) {
		q.tell(r.JobID, event.ReportDropped(r.Domain, "enough reports were sent in this hour"))
		return
	}
	to := wish.Local + "@" + wish.domain
	if err := q.send(ctx, to, q.message(r, to)); err != nil {
		q.tell(r.JobID, event.ReportFailed(r.Domain, err))
		return
	}
	q.tell(r.JobID, event.ReportSent(r.Domain, to))
}

func (q *Queue) tell(job string, e event.Event) { e.Write(q.o.Log, job) }

// limiter counts by the hour, for each key and in all.
type limiter struct {
	perHour, inAll int
	hour           time.Time
	total          int
	counts         map[string]int
}

// allow is called by one worker alone.
func (l *limiter) allow(key string, now time.Time) bool {
	if hour := now.Truncate(time.Hour); !hour.Equal(l.hour) || l.counts == nil {
		l.hour, l.total, l.counts = hour, 0, make(map[string]int)
	}
	if l.counts[key] >= l.perHour || l.total >= l.inAll {
		return false
	}
	l.counts[key]++
	l.total++
	return true
}
