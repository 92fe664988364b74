// Package loadgen drives a running filter with messages, as an MTA would, and
// measures how it bears them.
package loadgen

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dojang/milter"
)

// redialInterval is how long a connection that could not be made waits to be tried again.
const redialInterval = 100 * time.Millisecond

// Options say what is sent. Network, Address, Message or Raws, and Messages or
// Duration are required.
type Options struct {
	Network, Address string
	Connections      int // at a time; 0: 1
	Messages         int // in all; 0: until Duration has passed
	Duration         time.Duration
	Message          milter.Message
	// Raws, when set, are sent in turn in the place of Message.Raw.
	Raws [][]byte
	// Make, when set, makes message number n in the place of Message and Raws, and says
	// which field it expects. What to holds is the connection's own, and kept.
	Make func(n int64, to *milter.Message) (expect string)
	// Rate is how many messages become due each second, whatever the filter bears: the
	// time of one that had to wait for a connection counts from when it was due. 0 sends
	// each as soon as a connection is free.
	Rate float64
	// Expect counts a message as an error unless an edit has this field name and
	// its value contains Contains; "" expects nothing but an accepted message.
	Expect, Contains string
	// Progress is told, from time to time, how many messages are done.
	Progress func(done int)
}

// Report is what was measured.
type Report struct {
	Messages, Errors int
	FirstError       error
	// Unsent is how many more were due, by Options.Rate, and had no connection until the
	// end: their times are missing, and they are the longest.
	Unsent  int
	Elapsed time.Duration
	// Of a message, from MAIL, or when it was due, to the answer to its end.
	P50, P90, P99, P999, Max time.Duration
}

// Rate is messages a second.
func (r Report) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Messages) / r.Elapsed.Seconds()
}

// Run sends messages over all connections at once, each connection one after
// the other, until enough are sent or ctx ends. An error of one message is
// counted; a connection that breaks is made anew.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Connections <= 0 {
		o.Connections = 1
	}
	first, err := milter.Dial(o.Network, o.Address, milter.ClientOptions{})
	if err != nil {
		return Report{}, fmt.Errorf("the filter on %s does not answer: %w", o.Address, err)
	}
	first.Close()
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	start := time.Now()
	r := &runner{o: o, start: start}
	var wait sync.WaitGroup
	times := make([][]time.Duration, o.Connections)
	for i := range times {
		wait.Go(func() { times[i] = r.connection(ctx, i) })
	}
	stop := r.reportProgress()
	wait.Wait()
	stop()
	return r.report(slices.Concat(times...), time.Since(start)), nil
}

type runner struct {
	o          Options
	start      time.Time
	started    atomic.Int64
	done       atomic.Int64
	errors     atomic.Int64
	firstError atomic.Pointer[error]
}

func (r *runner) connection(ctx context.Context, number int) []time.Duration {
	var times []time.Duration
	var client *milter.Client
	defer func() {
		if client != nil {
			client.Close()
		}
	}()
	var from milter.ConnAddr // whom the filter knows of
	message := r.o.Message
	message.Macros = map[string]string{}
	maps.Copy(message.Macros, r.o.Message.Macros)
	var outcome milter.Outcome
	for {
		n := r.started.Add(1)
		if ctx.Err() != nil || r.o.Messages > 0 && n > int64(r.o.Messages) {
			return times
		}
		if client == nil {
			var err error
			if client, err = milter.Dial(r.o.Network, r.o.Address, milter.ClientOptions{}); err != nil {
				r.fail(err)
				pause(ctx)
				continue
			}
			from = milter.ConnAddr{} // nobody yet
		}
		expect := r.o.Expect
		if r.o.Make != nil {
			expect = r.o.Make(n, &message)
		} else if len(r.o.Raws) > 0 {
			message.Raw = r.o.Raws[int(n-1)%len(r.o.Raws)]
		}
		message.Macros["i"] = "L" + strconv.Itoa(number) + "N" + strconv.FormatInt(n, 10)
		begin, ok := r.due(ctx, n)
		if !ok {
			return times
		}
		err := r.send(ctx, client, &message, &outcome, from)
		from = message.Addr
		times = append(times, time.Since(begin))
		if err != nil {
			client.Close()
			client = nil
		} else {
			err = check(&outcome, expect, r.o.Contains)
		}
		if err != nil {
			r.fail(err)
		}
		r.done.Add(1)
	}
}

// pause leaves a filter that does not answer some time, and the processor to others.
func pause(ctx context.Context) {
	timer := time.NewTimer(redialInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// send sends a message. A filter is told of a client once a connection: of another than
// it knows of, that client's message is the first of a connection of its own.
func (r *runner) send(ctx context.Context, c *milter.Client, m *milter.Message, into *milter.Outcome, from milter.ConnAddr) error {
	if from != (milter.ConnAddr{}) && m.Addr != from {
		if err := c.QuitNC(); err != nil {
			return err
		}
	}
	return c.SendTo(context.WithoutCancel(ctx), m, into)
}

// due waits until message n is to be sent, and returns when that was. It reports
// whether it still is to be sent.
func (r *runner) due(ctx context.Context, n int64) (time.Time, bool) {
	if r.o.Rate <= 0 {
		return time.Now(), true
	}
	at := r.start.Add(time.Duration(float64(n-1) / r.o.Rate * float64(time.Second)))
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return at, true
	case <-ctx.Done():
		return at, false
	}
}

func (r *runner) fail(err error) {
	r.errors.Add(1)
	r.firstError.CompareAndSwap(nil, &err)
}

// check tells why an outcome is not the expected one.
func check(out *milter.Outcome, expect, contains string) error {
	if k := out.Final.Kind; k != milter.ReplyAccept && k != milter.ReplyContinue {
		return fmt.Errorf("a message was answered with %s", out.Final.String())
	}
	if expect == "" {
		return nil
	}
	for _, e := range out.Edits {
		if strings.EqualFold(e.Name, expect) && strings.Contains(e.Value, contains) {
			return nil
		}
	}
	if contains == "" {
		return fmt.Errorf("a message came back without %s", expect)
	}
	return fmt.Errorf("a message came back without %s: %s", expect, contains)
}

func (r *runner) reportProgress() (stop func()) {
	if r.o.Progress == nil {
		return func() {}
	}
	quit := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				r.o.Progress(int(r.done.Load()))
			}
		}
	})
	return func() { close(quit); wait.Wait() }
}

func (r *runner) report(times []time.Duration, elapsed time.Duration) Report {
	slices.Sort(times)
	report := Report{Messages: len(times), Errors: int(r.errors.Load()), Elapsed: elapsed, Unsent: r.unsent(len(times), elapsed)}
	if e := r.firstError.Load(); e != nil {
		report.FirstError = *e
	}
	if len(times) > 0 {
		report.P50, report.P90, report.P99 = percentile(times, 500), percentile(times, 900), percentile(times, 990)
		report.P999, report.Max = percentile(times, 999), times[len(times)-1]
	}
	return report
}

// unsent is how many messages were due and not sent.
func (r *runner) unsent(sent int, elapsed time.Duration) int {
	if r.o.Duration > 0 {
		elapsed = min(elapsed, r.o.Duration) // what was sent until then may have ended later
	}
	due := int(r.o.Rate * elapsed.Seconds())
	if r.o.Messages > 0 {
		due = min(due, r.o.Messages)
	}
	return max(0, due-sent)
}

// percentile of a sorted list, in thousandths.
func percentile(sorted []time.Duration, thousandths int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*thousandths/1000)]
}
