package policy

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/reputation"
)

func TestLimitOfAnAnswer(t *testing.T) {
	over := reputation.Answer{Domain: "example.com", Known: true, Over: true, Tally: reputation.Tally{Messages: 4, Spam: 1}, Rule: reputation.Rule{Limit: 3, Ratio: 0.5}}
	within, unknown, failed := over, reputation.Answer{Domain: "NULL domain"}, reputation.Answer{Domain: "example.com", Err: errors.New("no server")}
	within.Over = false
	const deferred = "tempfail 450 4.7.1 too much mail from this signing domain, try again later"
	const traffic = "reputation of example.com (ratio 0.5, count 4, spam 1, limit 3)"
	for _, c := range []struct {
		name   string
		answer *reputation.Answer
		change func(*Rules)
		reply  string
		told   []string
	}{
		{"not asked", nil, nil, "accept", nil},
		{"over", &over, nil, deferred, []string{"blocked by " + traffic}},
		{"over, testing", &over, func(r *Rules) { r.Reputation.Test = true }, "accept", []string{"would be blocked by " + traffic}},
		{"over, but refused anyway", &over, func(r *Rules) { r.Verdicts.Set(NoSignature, Reject) }, "reject 550 5.7.0 no DKIM signature data", []string{"blocked by " + traffic}},
		{"within", &within, nil, "accept", nil},
		{"within, verbose", &within, func(r *Rules) { r.Reputation.Verbose = true }, "accept", []string{"allowed by " + traffic}},
		{"no record, verbose", &unknown, func(r *Rules) { r.Reputation.Verbose = true }, "accept", []string{"no reputation data available for NULL domain"}},
		{"failed", &failed, nil, "accept", []string{"reputation query for example.com failed: no server"}},
		{"failed, refused", &failed, func(r *Rules) { r.Verdicts.Set(ReputationError, TempFail) }, "tempfail", []string{"reputation query for example.com failed: no server"}},
	} {
		r := &Rules{Verify: true}
		if c.change != nil {
			c.change(r)
		}
		holdUnsigned(t, c.name, r, &Verdict{Reputation: c.answer}, c.reply, c.told)
	}
}

// holdUnsigned wants a reply to an unsigned message, and these lines about it.
func holdUnsigned(t *testing.T, name string, r *Rules, v *Verdict, reply string, lines []string) {
	t.Helper()
	f := &Facts{JobID: "JOB", Fields: fieldsOf(t, standardHeader), Macro: func(string) string { return "JOB" }}
	o := r.Outcome(f, &Plan{Verify: true}, v)
	if got := describeOutcome(o)[0]; got != reply {
		t.Errorf("%s: %s, want %s", name, got, reply)
	}
	if got := told(o.Notes)[1:]; !slices.Equal(got, lines) { // the first says that there is no signature
		t.Errorf("%s: told %q, want %q", name, got, lines)
	}
}

// The line is upstream's; the reply is the MTA's own.
func TestLimitOfARate(t *testing.T) {
	over := reputation.Answer{Domain: "example.com", Known: true, Over: true, Tally: reputation.Tally{Messages: 4}, Rule: reputation.Rule{Limit: 3}}
	unsigned, within, failed := over, over, reputation.Answer{Domain: "example.com", Err: errors.New("no server")}
	unsigned.Domain, within.Over = reputation.NullDomain, false
	for _, c := range []struct {
		name   string
		answer *reputation.Answer
		refuse bool // for another reason
		reply  string
		told   []string
	}{
		{"not asked", nil, false, "accept", nil},
		{"within", &within, false, "accept", nil},
		{"over", &over, false, "tempfail", []string{"rate limit for 'example.com' (3) exceeded"}},
		{"over, unsigned", &unsigned, false, "tempfail", []string{"rate limit for unsigned mail (3) exceeded"}},
		{"over, but refused anyway", &over, true, "reject 550 5.7.0 no DKIM signature data", []string{"rate limit for 'example.com' (3) exceeded"}},
		{"failed", &failed, false, "accept", []string{"RateLimits: no server"}},
	} {
		r := &Rules{Verify: true}
		if c.refuse {
			r.Verdicts.Set(NoSignature, Reject)
		}
		holdUnsigned(t, c.name, r, &Verdict{Rate: c.answer}, c.reply, c.told)
	}
}

// Upstream leaves out its own mail, and signatures with a key under test.
func TestWhatCountsForReputation(t *testing.T) {
	r := &Rules{Reputation: Reputation{Checker: new(reputation.Checker)}}
	rates := &Rules{Reputation: Reputation{Rates: new(reputation.Checker)}} // of all that is verified
	for _, c := range []struct {
		rules *Rules
		plan  Plan
		want  bool
	}{{r, Plan{Verify: true}, true}, {r, Plan{Verify: true, Internal: true}, false}, {r, Plan{}, false}, {new(Rules), Plan{Verify: true}, false},
		{rates, Plan{Verify: true}, true}, {rates, Plan{Verify: true, Internal: true}, true}, {rates, Plan{}, false}} {
		if got := c.rules.AsksReputation(&c.plan); got != c.want {
			t.Errorf("%+v: %v", c.plan, got)
		}
	}
	other := func(r *dkim.Result) { r.Signature.Domain = "Other.example" }
	got := passing([]dkim.Result{result(dkim.ReasonBadSignature), result(dkim.ReasonNone, testing1), result(dkim.ReasonNone, other), result(dkim.ReasonNone), result(dkim.ReasonNone)})
	if diff := cmp.Diff([]string{"other.example", "example.com"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSpamCheck(t *testing.T) {
	set, err := dataset.Open(t.Context(), "csl:example.com=0", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Rules{Reputation: Reputation{
		Checker:   &reputation.Checker{Ratios: set, Counter: new(reputation.Counter)},
		SpamCheck: regexp.MustCompilePOSIX("^X-Spam-Flag: *YES, very"),
	}}
	for header, want := range map[string]int64{"X-Spam-Flag: YES,\n very": 1, "X-Spam-Flag: NO": 0, "Subject: X-Spam-Flag: YES, very": 0} {
		r.Reputation.Checker.Counter = new(reputation.Counter)
		v := &Verdict{Now: time.Unix(1e9, 0), Results: []dkim.Result{result(dkim.ReasonNone)}}
		r.AskReputation(t.Context(), &Facts{Fields: fieldsOf(t, header)}, &Plan{Verify: true}, v, nil, true)
		if a := v.Reputation; a.Tally.Spam != want || a.Tally.Messages != 1 || a.Over != (want > 0) {
			t.Errorf("%q: %+v", header, a)
		}
	}
}
