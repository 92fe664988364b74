package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
)

// deleted are the indices of Authentication-Results fields that go.
func deleted(o *Outcome) (list []int) {
	for _, e := range o.Edits {
		if e.Op == DeleteField && e.Name == fieldName {
			list = append(list, e.Index)
		}
	}
	return list
}

const claims = `Authentication-Results: mx.exam)ple; dkim=pass header.d=bank.example
Authentication-Results: mx.example; spf=pass smtp.mailfrom=bank.example
Authentication-Results: mx.example; dmarc=pass header.from=bank.example; arc=pass
Authentication-Results: mx.example.org (mx.example); dkim=pass header.d=mx.example
Authentication-Results: mx.example; spf=none (a\) smtp.mailfrom=x; dkim=pass header.d=bank.example (b) )
`

// TestResultsInOurNameGoOnEveryPath: what a message is does not matter, but whether we
// verify it.
func TestResultsInOurNameGoOnEveryPath(t *testing.T) {
	forgeries := []int{5, 1}
	for _, c := range []struct {
		name, more string
		rules      func(*Rules, *Facts)
		plan       Plan
		want       []int
	}{
		{"verified", standardHeader, nil, Plan{Verify: true}, forgeries},
		{"verified, ours", standardHeader, nil, Plan{Verify: true, Internal: true}, forgeries},
		{"verified and signed", standardHeader, nil, Plan{Verify: true, Sign: []SignRequest{{}}}, forgeries},
		{"signed", standardHeader, nil, Plan{Sign: []SignRequest{{}}}, nil},
		{"exempt", standardHeader, nil, Plan{exempt: true}, forgeries},
		{"malformed", "From: x", nil, Plan{malformed: true}, forgeries},
		{"malformed, ignored", "From: x", func(r *Rules, _ *Facts) { r.IgnoreMalformedMail = true }, Plan{malformed: true}, forgeries},
		{"strict", standardHeader + "\nFrom: x@y.example", func(r *Rules, _ *Facts) { r.StrictHeaders = true }, Plan{Verify: true}, forgeries},
		{"kept", standardHeader, func(r *Rules, _ *Facts) { r.Results.KeepAuthResults = true }, Plan{Verify: true}, nil},
		{"all", standardHeader, func(r *Rules, _ *Facts) { r.Results.RemoveARAll = true }, Plan{Verify: true}, []int{5, 3, 2, 1}},
		{"methods", standardHeader, func(r *Rules, _ *Facts) { r.Results.RemoveARMethods = []string{"spf"} }, Plan{Verify: true}, []int{5, 2, 1}},
		{"other methods", standardHeader, func(r *Rules, _ *Facts) { r.Results.RemoveARMethods = []string{"ARC"} }, Plan{Verify: true}, []int{5, 3, 1}},
		{"Mode s, malformed", "From: x", func(r *Rules, _ *Facts) { r.Verify = false }, Plan{malformed: true}, nil},
		{"a socket that signs, malformed", "From: x", func(_ *Rules, f *Facts) { f.SignOnly = true }, Plan{malformed: true}, nil},
	} {
		r := &Rules{Sign: true, Verify: true, Results: AuthResults{AuthservID: "mx.example"}}
		f := &Facts{JobID: "JOB", Fields: fieldsOf(t, claims+c.more)}
		if c.rules != nil {
			c.rules(r, f)
		}
		o := r.Outcome(f, &c.plan, &Verdict{})
		if got := deleted(o); !slices.Equal(got, c.want) {
			t.Errorf("%s: deleted %v, want %v", c.name, got, c.want)
		}
		written := slices.ContainsFunc(o.Edits, func(e Edit) bool { return e.Op == InsertField && e.Name == fieldName })
		if want := c.plan.malformed && r.verifies(f) && !r.IgnoreMalformedMail || r.StrictHeaders; written != want {
			t.Errorf("%s: results are written: %v", c.name, written)
		}
	}
}

// TestManySignaturesBoundFieldsAndLog: 3,500 empty fields in one message made 161 kB of
// results and 2,300 lines.
func TestManySignaturesBoundFieldsAndLog(t *testing.T) {
	empty := result(dkim.ReasonSyntax, func(r *dkim.Result) { r.Signature = &dkim.Signature{} })
	several := result(dkim.ReasonBadSignature,
		func(r *dkim.Result) { r.MultipleKeys = true; r.Signature.Encoded = strings.Repeat("A", 400) })
	for name, hostile := range map[string]dkim.Result{"empty": empty, "several keys": several} {
		results := append(slices.Repeat([]dkim.Result{hostile}, 3500), result(dkim.ReasonNone))
		r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx.example"}}
		o := r.Outcome(&Facts{JobID: "JOB", Fields: fieldsOf(t, standardHeader)}, &Plan{Verify: true}, &Verdict{Results: results})
		octets, all := 0, ""
		for _, e := range o.Edits {
			octets += len(e.Name) + len(e.Value)
			all += e.Value
		}
		if octets > 5000 || len(o.Edits) > maxResultFields {
			t.Errorf("%s: %d fields of %d octets", name, len(o.Edits), octets)
		}
		if !strings.Contains(all, "dkim=pass") || !strings.Contains(all, " more)") {
			t.Errorf("%s: %s", name, all)
		}
		octets = 0
		for _, n := range o.Notes {
			octets += len(n.Event.Text)
		}
		if octets > 8000 || len(o.Notes) > 50 {
			t.Errorf("%s: %d log lines of %d octets", name, len(o.Notes), octets)
		}
	}
}

// TestUnparsableResultsAreToldOnce: Outlook's fields have no name.
func TestUnparsableResultsAreToldOnce(t *testing.T) {
	const outlook = "Authentication-Results: spf=pass (sender IP is 192.0.2.1)\n smtp.mailfrom=example.net; dkim=pass " +
		"(signature was verified)\n header.d=example.net;dmarc=pass action=none\n"
	r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx.example"}}
	for n, want := range map[int]string{
		1: "?failed to parse Authentication-Results: header field",
		7: "?failed to parse Authentication-Results: header field and 6 more",
	} {
		o := r.Outcome(&Facts{JobID: "JOB", Fields: fieldsOf(t, strings.Repeat(outlook, n)+standardHeader)},
			&Plan{Verify: true}, &Verdict{})
		if len(deleted(o)) > 0 || !slices.Contains(told(o.Notes), want) {
			t.Errorf("%d: %q, deleted %v", n, told(o.Notes), deleted(o))
		}
	}
}

// TestLongNamesAreWrittenInASCII: OpenDMARC cuts a value behind 256 octets, and the
// beginning of this name is another's.
func TestLongNamesAreWrittenInASCII(t *testing.T) {
	name := strings.Repeat("\U00020000", 55) + ".bank.example." + strings.Repeat("a", 10) + ".evil.example"
	s := result(dkim.ReasonNone, func(r *dkim.Result) { r.Signature.Domain, r.Signature.Identity = name, "@"+name })
	r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx.example"}}
	o := r.Outcome(&Facts{JobID: "JOB", Fields: fieldsOf(t, standardHeader)}, &Plan{Verify: true}, &Verdict{Results: []dkim.Result{s}})
	a, ok := dkim.ToASCII(name)
	if !ok || len(name) < 254 {
		t.Fatalf("%d octets, %v", len(name), ok)
	}
	want := fmt.Sprintf(" mx.example;\r\n\tdkim=pass (2048-bit key) header.d=%s header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV", a)
	if got := o.Edits[0].Value; got != want {
		t.Errorf("%q", got)
	}
	for n, kept := range map[int]bool{253: true, 254: false} { // RFC 1035 §2.3.4, in text
		name := strings.Repeat("A.", 125) + strings.Repeat("B", n-250)
		j := judgement{Result: result(dkim.ReasonNone)}
		if got := j.writtenName(name); len(name) != n || (got == name) != kept {
			t.Errorf("%d octets become %q", len(name), got)
		}
	}
	j := judgement{Result: result(dkim.ReasonTooManySignatures)}
	if got := j.writtenName(name); got != "" {
		t.Errorf("the name of a signature that nobody looked at: %q", got)
	}
}
