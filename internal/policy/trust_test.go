package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/dataset"
)

// by is a result of a signature by a domain.
func by(domain string, reason dkim.Reason) dkim.Result {
	return result(reason, func(r *dkim.Result) { r.Signature.Domain, r.Signature.Identity = domain, "@"+domain })
}

// TestWhoseSignaturesCount: TrustSignaturesFrom (opendkim.conf(5)) is about
// signatures by others than the author's domain.
func TestWhoseSignaturesCount(t *testing.T) {
	const good, bad = dkim.ReasonNone, dkim.ReasonBadSignature
	success := []string{"DKIM verification successful"}
	for _, c := range []struct {
		name, trusted string
		results       []dkim.Result
		told          []string
		reply         Action
	}{
		{"not set", "", []dkim.Result{by("third.example", good)}, success, Accept},
		{"the author's", "trusted.example", []dkim.Result{by("example.com", good)}, success, Accept},
		{"above the author's", "trusted.example", []dkim.Result{by("com", good)}, success, Accept},
		{"below the author's", "trusted.example", []dkim.Result{by("mail.Example.com", good)}, success, Accept},
		{"trusted", "trusted.example", []dkim.Result{by("Trusted.example", good)}, success, Accept},
		{"not trusted", "trusted.example", []dkim.Result{by("third.example", good)}, nil, Accept},
		{"like the author's", "trusted.example", []dkim.Result{by("notexample.com", good)}, nil, Accept},
		{"not trusted and wrong", "trusted.example", []dkim.Result{by("third.example", bad)}, nil, Accept},
		{"not trusted, the author's wrong", "trusted.example", []dkim.Result{by("third.example", good), by("example.com", bad)}, []string{"bad signature data"}, Reject},
		{"trusted, the author's wrong", "trusted.example", []dkim.Result{by("trusted.example", good), by("example.com", bad)}, success, Accept},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx"}}
			r.Verdicts.Set(BadSignature, Reject)
			header := "From: ann@example.com"
			for _, x := range c.results {
				header = "DKIM-Signature: d=" + x.Signature.Domain + "\n" + header
			}
			if c.trusted != "" {
				r.Verdicts.TrustSignaturesFrom = csl(t, c.trusted)
			}
			f := &Facts{Fields: fieldsOf(t, header), Macro: func(string) string { return "JOB" }}
			o := r.Outcome(f, r.Plan(context.Background(), f), &Verdict{Results: c.results})
			var got []string
			for _, line := range told(o.Notes) {
				if strings.HasPrefix(line, "DKIM verification") || strings.HasPrefix(line, "bad signature") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(c.told, got); diff != "" {
				t.Errorf("log (-want +got)\n%s", diff)
			}
			if o.Reply.Action != c.reply {
				t.Errorf("reply %v, want %v", o.Reply.Action, c.reply)
			}
			if c.results[0].Status == dkim.StatusPass && !strings.Contains(o.Edits[0].Value, "dkim=pass") {
				t.Errorf("the result is not told: %q", o.Edits[0].Value)
			}
		})
	}
}

// counting is a set that counts its questions.
type counting struct {
	dataset.Set
	asked *int
}

func (c counting) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	*c.asked++
	return c.Set.Lookup(ctx, key, columns)
}

// TestTrustLookupsAreFew: a message may bear any number of domains, and a table may be far.
func TestTrustLookupsAreFew(t *testing.T) {
	header := ""
	for i := range 100 {
		header += fmt.Sprintf("DKIM-Signature: d=xn--bcher-kva.d%d.example\n", i)
	}
	asked := 0
	r := &Rules{Verify: true}
	r.Verdicts.TrustSignaturesFrom = counting{csl(t, "trusted.example"), &asked}
	f := &Facts{Fields: fieldsOf(t, header+"From: ann@example.com"), Macro: func(string) string { return "JOB" }}
	r.Plan(context.Background(), f)
	if asked != 2*16 { // in either form
		t.Errorf("%d questions", asked)
	}
	// Any number of signatures of one domain is one of them.
	header = strings.Repeat("DKIM-Signature: d=other.example\n", 100) + "DKIM-Signature: d=trusted.example\n"
	f.Fields = fieldsOf(t, header+"From: ann@example.com")
	if p := r.Plan(context.Background(), f); !p.trusts("trusted.example") || p.trusts("other.example") {
		t.Errorf("%v", p.Trusted)
	}
	p := &Plan{Trusted: map[string]bool{"trusted.example": true}}
	other := strings.Repeat("ü", 20) + ".example"
	if n := testing.AllocsPerRun(10, func() { p.trusts(other) }); n > 1 {
		t.Errorf("%v allocations for a domain that was not looked up", n)
	}
}
