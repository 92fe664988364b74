package reputation

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/policy"
)

// describe is a limit in lines: its reply and why, and what is told.
func describe(l policy.Limit) []string {
	lines := []string{l.Reply.String(), l.Why}
	if l.Failed {
		lines[0] = "failed"
	}
	for _, e := range l.Events {
		lines = append(lines, e.Text)
	}
	return lines
}

func TestLimitOfAnAnswer(t *testing.T) {
	over := answer{Domain: "example.com", Known: true, Over: true, Tally: tally{Messages: 4, Spam: 1}, Rule: rule{Limit: 3, Ratio: 0.5}}
	within := over
	within.Over = false
	const traffic = "reputation of example.com (ratio 0.5, count 4, spam 1, limit 3)"
	for _, c := range []struct {
		name   string
		limits Limits
		answer answer
		want   []string
	}{
		{"over", Limits{}, over, []string{
			"tempfail 450 4.7.1 too much mail from this signing domain, try again later", "over the limits of example.com", "blocked by " + traffic}},
		{"over, testing", Limits{Test: true}, over, []string{"continue", "", "would be blocked by " + traffic}},
		{"within", Limits{}, within, []string{"continue", ""}},
		{"within, verbose", Limits{Verbose: true}, within, []string{"continue", "", "allowed by " + traffic}},
		{"no record, verbose", Limits{Verbose: true}, answer{Domain: nullDomain}, []string{"continue", "", "no reputation data available for NULL domain"}},
		{"failed", Limits{}, answer{Domain: "example.com", Err: errors.New("no server")}, []string{"failed", "", "reputation query for example.com failed: no server"}},
	} {
		if diff := cmp.Diff(c.want, describe(c.limits.limit(c.answer))); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

// TestCopiesAreToldByTheirBodies: of two messages that are deferred each counts once.
func TestCopiesAreToldByTheirBodies(t *testing.T) {
	set, err := dataset.Open(t.Context(), "csl:example.com=1", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, judge := range map[string]interface {
		Judge(context.Context, policy.Sent, bool) policy.Limit
	}{
		"limits": &Limits{Checker: &Checker{Limits: set, Counter: new(Counter)}},
		"rates":  &Rates{&Checker{Plain: true, Limits: set, Counter: new(Counter)}},
	} {
		count := func(body byte) int64 {
			judge.Judge(t.Context(), policy.Sent{Time: noon, Domains: []string{"example.com"}, Fields: new(header.List),
				Body: bytes.Repeat([]byte{body}, 32)}, true)
			var checker *Checker
			switch judge := judge.(type) {
			case *Limits:
				checker = judge.Checker
			case *Rates:
				checker = judge.Checker
			}
			w, _ := checker.Counter.domains.Get("example.com")
			return w.tally(noon).Messages
		}
		for i, step := range []struct {
			body byte
			want int64
		}{{1, 1}, {2, 2}, {2, 2}, {3, 3}, {2, 3}, {3, 3}} {
			if got := count(step.body); got != step.want {
				t.Errorf("%s, message %d: %d are counted, want %d", name, i, got, step.want)
			}
		}
	}
}

// The line is upstream's; the reply is the MTA's own.
func TestLimitOfARate(t *testing.T) {
	over := answer{Domain: "example.com", Known: true, Over: true, Tally: tally{Messages: 4}, Rule: rule{Limit: 3}}
	unsigned, within := over, over
	unsigned.Domain, within.Over = nullDomain, false
	for _, c := range []struct {
		name   string
		answer answer
		want   []string
	}{
		{"within", within, []string{"continue", ""}},
		{"over", over, []string{"tempfail", "over the rate limit for 'example.com'", "rate limit for 'example.com' (3) exceeded"}},
		{"over, unsigned", unsigned, []string{"tempfail", "over the rate limit for unsigned mail", "rate limit for unsigned mail (3) exceeded"}},
		{"failed", answer{Domain: "example.com", Err: errors.New("no server")}, []string{"continue", "", "RateLimits: no server"}},
	} {
		if diff := cmp.Diff(c.want, describe(rateLimit(c.answer))); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestSpamCheck(t *testing.T) {
	set, err := dataset.Open(t.Context(), "csl:example.com=0", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for text, spam := range map[string]bool{"X-Spam-Flag: YES,\r\n very": true, "X-Spam-Flag: NO": false,
		"Subject: X-Spam-Flag: YES, very": false} {
		fields := new(header.List)
		fields.AddRaw([]byte(text))
		limits := &Limits{Checker: &Checker{Ratios: set, Counter: new(Counter)},
			SpamCheck: regexp.MustCompilePOSIX("^X-Spam-Flag: *YES, very")}
		found := limits.Judge(t.Context(),
			policy.Sent{Time: time.Unix(1e9, 0), Domains: []string{"example.com"}, Fields: fields, Body: bytes.Repeat([]byte{1}, 32)}, true)
		if over := found.Reply.Action == policy.TempFail; over != spam {
			t.Errorf("%q: %v", text, found)
		}
	}
}
