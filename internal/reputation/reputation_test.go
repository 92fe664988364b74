package reputation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"dojang/internal/dataset"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func body(n int) bodyHash { return bodyHash{byte(n), byte(n >> 8), byte(n >> 16)} }

func TestLimitSlides(t *testing.T) {
	var c Counter
	rule := rule{Limit: 3, Ratio: -1}
	for i, step := range []struct {
		after time.Duration
		over  bool
		count int64
	}{
		{0, false, 1}, {0, false, 2}, {30 * time.Minute, false, 3}, {30 * time.Minute, true, 4},
		{61 * time.Minute, false, 3}, // the first two are forgotten
		{62 * time.Minute, true, 4},
		{5 * time.Hour, false, 1},
	} {
		tally, over := c.count(noon.Add(step.after), time.Hour, "example.com", body(i), false, rule)
		if over != step.over || tally.Messages != step.count {
			t.Errorf("message %d after %v: %d messages, over %v; want %d, %v", i, step.after, tally.Messages, over, step.count, step.over)
		}
	}
	if _, over := c.count(noon.Add(5*time.Hour), time.Hour, "other.example", body(1), false, rule); over {
		t.Error("one domain's messages count for another")
	}
}

func TestRule(t *testing.T) {
	for _, c := range []struct {
		rule           rule
		messages, spam int64
		over           bool
	}{
		{rule{Limit: 3, Ratio: -1}, 3, 3, false},
		{rule{Limit: 3, Ratio: -1}, 4, 0, true},
		{rule{Limit: 0, Ratio: -1}, 1, 0, true},
		{rule{Limit: -1, Ratio: -1}, 1000, 1000, false},
		{rule{Limit: -1, Ratio: 0.5}, 4, 2, false},
		{rule{Limit: -1, Ratio: 0.5}, 4, 3, true},
		{rule{Limit: 3, Ratio: 0.5, Minimum: 10}, 10, 10, false},
		{rule{Limit: 3, Ratio: 0.5, Minimum: 10}, 11, 0, true},
		{rule{Limit: 100, Ratio: 0, Minimum: 10}, 11, 1, true},
	} {
		if got := c.rule.exceeded(tally{c.messages, c.spam}); got != c.over {
			t.Errorf("%+v of %d messages and %d spam: %v", c.rule, c.messages, c.spam, got)
		}
	}
}

// A deferred message comes again and again; that must not keep the domain out.
func TestTriesCountOnce(t *testing.T) {
	var c Counter
	rule := rule{Limit: 1, Ratio: -1}
	c.count(noon, time.Hour, "d", body(1), false, rule)
	for i := range 50 {
		tally, over := c.count(noon.Add(time.Duration(i)*time.Minute), time.Hour, "d", body(2), false, rule)
		if !over || tally.Messages != 2 {
			t.Fatalf("try %d: over %v, %d messages", i, over, tally.Messages)
		}
	}
	if _, over := c.count(noon.Add(65*time.Minute), time.Hour, "d", body(2), false, rule); over {
		t.Error("still over when the period has passed")
	}
}

// TestWhoIsLetInIsCountedAgain: a message that was deferred and accepted then is a new one
// when it comes once more; one that keeps coming is a new one when the period is over.
func TestWhoIsLetInIsCountedAgain(t *testing.T) {
	for name, steps := range map[string][]struct {
		after time.Duration
		body  int
		over  bool
		count int64
	}{
		"accepted": {{0, 1, false, 1}, {30 * time.Minute, 2, true, 2}, {70 * time.Minute, 2, false, 1}, {71 * time.Minute, 2, true, 2}},
		"coming":   {{0, 1, false, 1}, {0, 1, true, 2}, {30 * time.Minute, 3, true, 3}, {time.Hour, 1, false, 1}, {time.Hour + 1, 2, true, 2}},
		"at last":  {{0, 1, false, 1}, {59 * time.Minute, 2, true, 2}, {60 * time.Minute, 3, true, 2}, {119 * time.Minute, 2, false, 1}, {119 * time.Minute, 2, true, 2}},
	} {
		var c Counter
		for i, step := range steps {
			tally, over := c.count(noon.Add(step.after), time.Hour, "d", body(step.body), false, rule{Limit: 1, Ratio: -1})
			if over != step.over || tally.Messages != step.count {
				t.Errorf("%s, message %d: %d messages, over %v", name, i, tally.Messages, over)
			}
		}
	}
}

// TestChangesToLargeLimits never overflow.
func TestChangesToLargeLimits(t *testing.T) {
	const most = math.MaxInt64
	for _, c := range []struct {
		n        int64
		operator byte
		by, want int64
	}{
		{most, '+', 1, most}, {most - 1, '+', 1, most}, {most - 2, '+', 1, most - 1}, {most / 2, '*', 2, most - 1}, {most/2 + 1, '*', 2, most},
		{most, '*', 1, most}, {5, '*', 0, 0}, {most, '*', 0, 0}, {5, '-', 5, 0}, {5, '-', 4, 1}, {5, '/', 0, 5}, {5, '/', 2, 2}, {5, '=', 0, 0},
	} {
		if got := modified(c.n, c.operator, c.by); got != c.want {
			t.Errorf("%d %c%d: %d, want %d", c.n, c.operator, c.by, got, c.want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var c Counter
	rule := rule{Limit: 0, Ratio: -1}
	for i := range maxDomains + 1000 {
		c.count(noon, time.Hour, fmt.Sprint(i), body(i), false, rule)
		c.count(noon, time.Hour, "busy", body(0), false, rule)
	}
	if n := c.domains.Len(); n != maxDomains {
		t.Errorf("%d domains, want %d", n, maxDomains)
	}
	if n := c.deferred.Len(); n != maxDeferred {
		t.Errorf("%d deferred, want %d", n, maxDeferred)
	}
	if _, ok := c.domains.Get("busy"); !ok {
		t.Error("a domain in use was forgotten")
	}
	if _, ok := c.domains.Get("0"); ok {
		t.Error("the oldest domain was kept")
	}
}

func open(t *testing.T, spec string) dataset.Set {
	t.Helper()
	if spec == "" {
		return nil
	}
	s, err := dataset.Open(t.Context(), spec, dataset.Options{FoldCase: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhoseLimit(t *testing.T) {
	const limits = "csl:big.example=100,unsigned=7,low-time=5,*=2"
	for _, c := range []struct {
		limits, modifiers, ratios, low string
		factor                         int64
		domain                         string
		limit                          int64
		ratio                          float64
		known                          bool
	}{
		{limits: limits, domain: "big.example", limit: 100, ratio: -1, known: true},
		{limits: limits, domain: "new.example", limit: 5, ratio: -1, known: true},
		{limits: "csl:*=2", domain: "new.example", limit: 2, ratio: -1, known: true},
		{limits: "csl:low-time=5,*=2", domain: unsigned, limit: 2, ratio: -1, known: true},
		{limits: limits, domain: unsigned, limit: 7, ratio: -1, known: true},
		{limits: limits, low: "csl:big.example=1", domain: "big.example", limit: 5, ratio: -1, known: true},
		{limits: limits, low: "csl:big.example=0", domain: "big.example", limit: 100, ratio: -1, known: true},
		{limits: limits, factor: 24, domain: "big.example", limit: 5, ratio: -1, known: true},
		{limits: limits, modifiers: "csl:big.example=+5", domain: "big.example", limit: 105, ratio: -1, known: true},
		{limits: limits, modifiers: "csl:big.example=-500", domain: "big.example", limit: 0, ratio: -1, known: true},
		{limits: limits, modifiers: "csl:big.example=*3", domain: "big.example", limit: 300, ratio: -1, known: true},
		{limits: limits, modifiers: "csl:big.example=/3", domain: "big.example", limit: 33, ratio: -1, known: true},
		{limits: limits, modifiers: "csl:big.example==9", domain: "big.example", limit: 9, ratio: -1, known: true},
		{ratios: "csl:big.example=0.25", domain: "big.example", limit: -1, ratio: 0.25, known: true},
		{ratios: "csl:big.example=0.25", domain: "other.example", limit: -1, ratio: -1},
	} {
		checker := Checker{Limits: open(t, c.limits), LimitModifiers: open(t, c.modifiers),
			Ratios: open(t, c.ratios), LowTime: open(t, c.low), TimeFactor: c.factor, Counter: new(Counter)}
		a := checker.check(t.Context(), noon, c.domain, mail{})
		if a.Err != nil || a.Known != c.known || a.Rule.Limit != c.limit || a.Rule.Ratio != c.ratio {
			t.Errorf("%+v: %+v", c, a)
		}
	}
}

// A row of RateLimits is for its own domain alone.
func TestWhoseRate(t *testing.T) {
	c := Checker{Plain: true, Limits: open(t, "csl:Example.com=7,.=5,*=1,low-time=2,unsigned=3"), TimeFactor: 3, Counter: new(Counter)}
	for _, x := range []struct {
		domains []string
		limit   int64 // below 0: none
	}{{[]string{"EXAMPLE.com"}, 3}, {nil, 2}, {[]string{"sub.example.com"}, -1}, {[]string{"new.example"}, -1}} {
		a := c.examine(t.Context(), noon, mail{Domains: x.domains})
		if a.Err != nil || a.Known != (x.limit >= 0) || a.Rule.Limit != x.limit || x.domains == nil && a.Domain != nullDomain {
			t.Errorf("%q: %+v, want %d", x.domains, a, x.limit)
		}
	}
}

func TestPeriod(t *testing.T) {
	for _, c := range []struct {
		checker Checker
		want    time.Duration
	}{{Checker{}, 24 * time.Hour}, {Checker{TimeFactor: 24}, time.Hour}, {Checker{TimeFactor: 24, Period: time.Minute}, time.Minute}} {
		if got := c.checker.period(); got != c.want {
			t.Errorf("%+v: %v", c.checker, got)
		}
	}
}

// Every domain of a message is counted, up to one that is over.
func TestCheckEveryDomain(t *testing.T) {
	c := Checker{Limits: open(t, "csl:a.example=1,b.example=2"), Counter: new(Counter)}
	for i, want := range []string{"", "a.example", "a.example"} {
		a := c.examine(t.Context(), noon, mail{Domains: []string{"B.example", "a.example"}, Body: body(i)})
		if i == 2 {
			want = "b.example"
		}
		if a.Over != (want != "") || a.Over && a.Domain != want {
			t.Errorf("message %d: %+v", i, a)
		}
	}
	if a := c.examine(t.Context(), noon, mail{}); a.Known || a.Over || a.Domain != "NULL domain" {
		t.Errorf("unsigned mail without a record: %+v", a)
	}
}

func TestCheckFails(t *testing.T) {
	for _, c := range []Checker{
		{Limits: open(t, "csl:a.example=many")}, {Limits: open(t, "csl:a.example=-1")}, {Ratios: open(t, "csl:a.example=half")}, {Ratios: open(t, "csl:a.example=nan")},
		{Limits: open(t, "csl:a.example=1"), LimitModifiers: open(t, "csl:a.example=55")},
		{Limits: open(t, "csl:a.example=1"), LimitModifiers: open(t, "csl:a.example")},
		{Limits: open(t, "csl:a.example=1"), LimitModifiers: open(t, "csl:a.example=%5")},
		{Limits: empty{}}, {Limits: broken{}}, {Ratios: broken{}}, {LowTime: broken{}}, {Limits: slow{}, Timeout: time.Millisecond},
	} {
		c.Counter = new(Counter)
		if a := c.examine(t.Context(), noon, mail{Domains: []string{"a.example"}}); a.Err == nil || a.Over {
			t.Errorf("%+v: %+v", c, a)
		}
	}
}

// TestStrangersAreNotCounted: of a domain without a limit nothing is remembered; look-ups
// without a bound of their own end with the message.
func TestStrangersAreNotCounted(t *testing.T) {
	c := Checker{Limits: patient{open(t, "csl:a.example=1")}, Counter: new(Counter)}
	for domain, want := range map[string]int{"b.example": 0, "a.example": 1} {
		if a := c.examine(t.Context(), noon, mail{Domains: []string{domain}}); a.Err != nil || a.Known != (want > 0) {
			t.Errorf("%s: %+v", domain, a)
		}
		if w, ok := c.Counter.domains.Get(domain); ok != (want > 0) {
			t.Errorf("%s is counted: %+v", domain, w)
		}
	}
}

// patient is a set that must be asked before its context ends.
type patient struct{ dataset.Set }

func (p patient) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return p.Set.Lookup(ctx, key, columns)
}

type broken struct{}

func (broken) Lookup(context.Context, string, int) ([]string, error) {
	return nil, errors.New("no server")
}
func (broken) Close() error { return nil }

// empty has every name, and nothing for it.
type empty struct{ broken }

func (empty) Lookup(context.Context, string, int) ([]string, error) { return nil, nil }

type slow struct{ broken }

func (slow) Lookup(ctx context.Context, _ string, _ int) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
