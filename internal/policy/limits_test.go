package policy

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/event"
)

// ceiling is a Limiter that says the same of each message.
type ceiling struct {
	limit Limit
	ours  bool // our own mail counts
	asked []Sent
}

func (c *ceiling) Counts(internal bool) bool { return c.ours || !internal }

func (c *ceiling) Judge(_ context.Context, m Sent, _ bool) Limit {
	c.asked = append(c.asked, m)
	return c.limit
}

// A limit defers what would be accepted, and says what there is to say of anything; what
// is refused or held anyway stays so.
func TestLimitsDeferWhatGoesOn(t *testing.T) {
	line := []event.Event{event.NoLimits("example.com")}
	over := Limit{Events: line, Why: "too much", Reply: Reply{Action: TempFail, Code: 450, Status: "4.7.1", Text: "later"}}
	failed := Limit{Events: line, Failed: true}
	for _, c := range []struct {
		name   string
		limits []Limit
		change func(*Rules)
		reply  string
	}{
		{"none", nil, nil, "accept"},
		{"within", []Limit{{}}, nil, "accept"},
		{"over", []Limit{over}, nil, "tempfail 450 4.7.1 later"},
		{"the first counts", []Limit{over, {Reply: Reply{Action: TempFail}}}, nil, "tempfail 450 4.7.1 later"},
		{"over, but refused anyway", []Limit{over}, func(r *Rules) { r.Verdicts.Set(NoSignature, Reject) }, "reject 550 5.7.0 no DKIM signature data"},
		{"failed", []Limit{failed}, nil, "accept"},
		{"failed, refused", []Limit{failed}, func(r *Rules) { r.Verdicts.Set(ReputationError, Reject) }, "reject"},
		{"failed, but refused anyway", []Limit{failed}, func(r *Rules) {
			r.Verdicts.Set(ReputationError, TempFail)
			r.Verdicts.Set(NoSignature, Reject)
		}, "reject 550 5.7.0 no DKIM signature data"},
		{"failed, but held anyway", []Limit{failed}, func(r *Rules) {
			r.Verdicts.Set(ReputationError, TempFail)
			r.Verdicts.Set(NoSignature, Quarantine)
		}, "accept"},
	} {
		r := &Rules{Verify: true}
		if c.change != nil {
			c.change(r)
		}
		f := &Facts{JobID: "JOB", Fields: fieldsOf(t, standardHeader), Macro: func(string) string { return "JOB" }}
		o := r.Outcome(f, &Plan{Verify: true}, &Verdict{Limits: c.limits})
		if got := o.Reply.String(); got != c.reply {
			t.Errorf("%s: %s, want %s", c.name, got, c.reply)
		}
		tells := len(c.limits) > 0 && c.limits[0].Events != nil
		if got := told(o.Notes)[1:]; slices.Contains(got, line[0].Text) != tells { // the first says that there is no signature
			t.Errorf("%s: told %q", c.name, got)
		}
	}
}

// Upstream leaves out its own mail, and signatures with a key under test.
func TestWhatCountsForLimits(t *testing.T) {
	other := func(r *dkim.Result) { r.Signature.Domain = "Other.example" }
	results := []dkim.Result{result(dkim.ReasonBadSignature), result(dkim.ReasonNone, testing1),
		result(dkim.ReasonNone, other), result(dkim.ReasonNone), result(dkim.ReasonNone)}
	for _, c := range []struct {
		name string
		plan Plan
		want []int // how often each is asked: the one of strangers' mail, and that of all
	}{
		{"a stranger's", Plan{Verify: true}, []int{1, 1}},
		{"ours, verified", Plan{Verify: true, Internal: true}, []int{0, 1}},
		{"signed alone", Plan{}, []int{0, 0}},
	} {
		strangers, all := new(ceiling), &ceiling{ours: true}
		r := &Rules{Limits: []Limiter{strangers, all}}
		v := &Verdict{Now: time.Unix(1e9, 0), Results: results}
		if got, want := r.Limited(&c.plan), c.want[1] > 0; got != want {
			t.Errorf("%s: limited %v", c.name, got)
		}
		r.AskLimits(t.Context(), &Facts{}, &c.plan, v, []byte("hash"), true)
		if got := []int{len(strangers.asked), len(all.asked)}; !slices.Equal(got, c.want) || len(v.Limits) != got[0]+got[1] {
			t.Errorf("%s: asked %v, want %v", c.name, got, c.want)
		}
		for _, m := range all.asked {
			if diff := cmp.Diff([]string{"other.example", "example.com"}, m.Domains); diff != "" ||
				string(m.Body) != "hash" || !m.Time.Equal(v.Now) {
				t.Errorf("%s: asked about %v\n%s", c.name, m, diff)
			}
		}
	}
	if new(Rules).Limited(&Plan{Verify: true}) {
		t.Error("without limits a message counts")
	}
}
