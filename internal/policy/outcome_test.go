package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/keystore"
)

// result is a signature's result as dkim gives it.
func result(reason dkim.Reason, change ...func(*dkim.Result)) dkim.Result {
	s := &dkim.Signature{Domain: "example.com", Selector: "sel", Identity: "@example.com",
		Algorithm: dkim.RSASHA256, Encoded: "RNAhx6cVabcdefgh"}
	r := dkim.Result{Reason: reason, Status: reason.Status(), Signature: s, Key: &dkim.KeyRecord{Key: 1}, KeyBits: 2048}
	for _, f := range change {
		f(&r)
	}
	return r
}

func noKey(r *dkim.Result)    { r.Key, r.KeyBits = nil, 0 }
func testing1(r *dkim.Result) { r.Testing = true }

// describeOutcome is an outcome in lines: the reply, a quarantine, each edit.
func describeOutcome(o *Outcome) []string {
	r := o.Reply
	lines := []string{r.String()}
	lines[0] = strings.Join(strings.Fields(lines[0]), " ")
	if o.Quarantine != "" {
		lines = append(lines, "quarantine "+o.Quarantine)
	}
	for _, e := range o.Edits {
		value := strings.ReplaceAll(e.Value, "\r\n\t", "~")
		switch e.Op {
		case InsertField:
			lines = append(lines, fmt.Sprintf("insert %d %s:%s", e.Index, e.Name, value))
		case DeleteField:
			lines = append(lines, fmt.Sprintf("delete %s %d", e.Name, e.Index))
		default:
			lines = append(lines, fmt.Sprintf("op%d %s:%s", e.Op, e.Name, value))
		}
	}
	return lines
}

// Replies, field values and log lines are those observed of opendkim 2.11.
func TestOutcomeOfVerifying(t *testing.T) {
	with := func(c Condition, a Action) func(*Rules, *Facts) {
		return func(r *Rules, _ *Facts) { r.Verdicts.Set(c, a) }
	}
	const good = "insert 0 Authentication-Results: mx.example;~dkim=pass (2048-bit key) header.d=example.com " +
		"header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV"
	const bad = `insert 0 Authentication-Results: mx.example;~dkim=fail reason="signature verification failed" (2048-bit key) header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV`
	const absent = `insert 0 Authentication-Results: mx.example;~dkim=fail reason="key not found in DNS" header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV`
	const revoked = `insert 0 Authentication-Results: mx.example;~dkim=fail reason="key revoked" header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV`
	const unknown = "insert 0 Authentication-Results: mx.example;~dkim=temperror header.d=example.com " +
		"header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV"
	cases := []struct {
		name    string
		results []dkim.Result
		change  func(*Rules, *Facts)
		want    []string
		told    []string
	}{
		{"pass", []dkim.Result{result(dkim.ReasonNone)}, nil, []string{"accept", good},
			[]string{"DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL "}},
		{"wrong signature", []dkim.Result{result(dkim.ReasonBadSignature)}, nil, []string{"accept", bad},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL error:02000068:rsa routines::bad signature", "bad signature data"}},
		{"changed body, reject", []dkim.Result{result(dkim.ReasonBodyHash)}, with(BadSignature, Reject), []string{"reject 550 5.7.0 bad DKIM signature data", bad},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL ", "bad signature data"}},
		{"wrong signature, tempfail", []dkim.Result{result(dkim.ReasonBadSignature)}, with(BadSignature, TempFail), []string{"tempfail 451 4.7.0 bad DKIM signature data", bad},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL error:02000068:rsa routines::bad signature", "bad signature data"}},
		{"wrong signature, discard", []dkim.Result{result(dkim.ReasonBadSignature)}, with(BadSignature, Discard), []string{"discard", bad},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL error:02000068:rsa routines::bad signature", "bad signature data"}},
		{"wrong signature, quarantine", []dkim.Result{result(dkim.ReasonBadSignature)}, with(BadSignature, Quarantine), []string{"accept", "quarantine opendkim", bad},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL error:02000068:rsa routines::bad signature", "bad signature data"}},
		{"wrong signature under a testing key", []dkim.Result{result(dkim.ReasonBadSignature, testing1)}, with(BadSignature, Reject), []string{"accept", bad},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL error:02000068:rsa routines::bad signature", "bad signature data"}},
		{"one of two passes", []dkim.Result{result(dkim.ReasonBadSignature, func(r *dkim.Result) { r.Signature.Encoded = "AAAAAAAABBBB" }), result(dkim.ReasonNone)}, with(BadSignature, Reject),
			[]string{"accept", `insert 0 Authentication-Results: mx.example;~dkim=fail reason="signature verification failed" (2048-bit key) header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=AAAAAAAA;~dkim=pass (2048-bit key) header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV`},
			[]string{"message has signatures from example.com, example.com", "DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL "}},
		{"key absent", []dkim.Result{result(dkim.ReasonKeyNotFound, noKey)}, with(KeyNotFound, Reject), []string{"reject 550 5.7.0 DKIM key retrieval failed", absent},
			[]string{"key retrieval failed (s=sel, d=example.com): 'sel._domainkey.example.com' record not found"}},
		{"key absent is no bad signature", []dkim.Result{result(dkim.ReasonKeyNotFound, noKey)}, with(BadSignature, Reject), []string{"accept", absent},
			[]string{"key retrieval failed (s=sel, d=example.com): 'sel._domainkey.example.com' record not found"}},
		{"key revoked, reject", []dkim.Result{result(dkim.ReasonKeyRevoked, noKey)}, with(BadSignature, Reject), []string{"reject", revoked},
			[]string{"key revoked (s=sel, d=example.com, a=rsa-sha256)"}},
		{"name server away", []dkim.Result{result(dkim.ReasonKeyQuery, noKey, func(r *dkim.Result) { r.KeyErr = errors.New("time-out") })}, with(DNSError, TempFail),
			[]string{"tempfail 451 4.7.5 DKIM key retrieval failed", unknown}, []string{"key retrieval failed (s=sel, d=example.com): time-out"}},
		{"expired is told and passed on", []dkim.Result{result(dkim.ReasonExpired)}, with(BadSignature, Reject),
			[]string{"accept", "insert 0 Authentication-Results: mx.example;~dkim=permerror header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV"},
			nil},
		{"small key", []dkim.Result{result(dkim.ReasonKeyTooSmall, func(r *dkim.Result) { r.KeyBits = 512 })}, with(BadSignature, Reject),
			[]string{"accept", `insert 0 Authentication-Results: mx.example;~dkim=policy reason="signing key too small" (512-bit key) header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV`},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL "}},
		{"no syntax", []dkim.Result{result(dkim.ReasonVersionMissing, noKey)}, with(BadSignature, Reject),
			[]string{"reject 550 5.7.0 DKIM signature syntax error", "insert 0 Authentication-Results: mx.example;~dkim=permerror header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=sel header.b=RNAhx6cV"},
			[]string{"syntax error: missing parameter(s) in signature data"}},
		{"protected key", []dkim.Result{result(dkim.ReasonNone, func(r *dkim.Result) { r.Security = dkim.Secure })}, nil,
			[]string{"accept", strings.Replace(good, "2048-bit key", "2048-bit key; secure", 1)}, []string{"DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL "}},
		{"unprotected key fails where wanted", []dkim.Result{result(dkim.ReasonNone, func(r *dkim.Result) { r.Security = dkim.Insecure })}, func(r *Rules, _ *Facts) { r.Verdicts.UnprotectedKey = TreatNeutral },
			[]string{"accept", strings.Replace(strings.Replace(good, "dkim=pass", "dkim=neutral", 1), "2048-bit key", "2048-bit key; unprotected", 1)}, []string{"DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL "}},
		{"unprotected key is a bad signature where wanted", []dkim.Result{result(dkim.ReasonNone, func(r *dkim.Result) { r.Security = dkim.Insecure })}, func(r *Rules, _ *Facts) {
			r.Verdicts.UnprotectedKey = TreatFail
			r.Verdicts.Set(BadSignature, Reject)
		},
			[]string{"reject 550 5.7.0 bad DKIM signature data", strings.Replace(strings.Replace(good, "dkim=pass", "dkim=policy", 1), "2048-bit key", "2048-bit key; unprotected", 1)},
			[]string{"DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL ", "bad signature data"}},
		{"header.b not wanted", []dkim.Result{result(dkim.ReasonNone)}, func(r *Rules, _ *Facts) { r.Results.NoHeaderB = true },
			[]string{"accept", strings.TrimSuffix(good, " header.b=RNAhx6cV")}, []string{"DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL "}},
		{"job in the name", []dkim.Result{result(dkim.ReasonNone)}, func(r *Rules, _ *Facts) { r.Results.AuthservIDWithJobID = true },
			[]string{"accept", strings.Replace(good, "mx.example;", "mx.example/JOB;", 1)}, []string{"DKIM verification successful", "s=sel d=example.com a=rsa-sha256 SSL "}},
		{"unsigned", nil, nil, []string{"accept"}, []string{"?no signature data"}},
		{"unsigned, told anyway", nil, func(r *Rules, _ *Facts) { r.Results.AlwaysAddARHeader = true }, []string{"accept", "insert 0 Authentication-Results: mx.example; dkim=none"}, nil},
		{"unsigned, told anyway by a long name and a job unknown", nil, func(r *Rules, f *Facts) {
			r.Results = AuthResults{AuthservID: strings.Repeat("m", 63) + ".example", AuthservIDWithJobID: true, AlwaysAddARHeader: true}
			f.JobID = "(unknown-jobid)"
		}, []string{"accept", `insert 0 Authentication-Results: "` + strings.Repeat("m", 63) + `.example/(unknown-jobid)"; dkim=none`}, nil},
		{"unsigned, refused", nil, with(NoSignature, Reject), []string{"reject 550 5.7.0 no DKIM signature data"}, []string{"no signature data"}},
		{"redirected", []dkim.Result{result(dkim.ReasonBadSignature)}, func(r *Rules, _ *Facts) { r.Verdicts.RedirectFailuresTo = "sec@example.org" },
			[]string{"accept", bad, "op5 :ann@example.org", "op1 Original-Recipient: rfc822;ann@example.org", "op4 :sec@example.org"},
			[]string{"s=sel d=example.com a=rsa-sha256 SSL error:02000068:rsa routines::bad signature", "bad signature data"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx.example"}}
			f := &Facts{JobID: "JOB", Recipients: []string{"ann@example.org"}, Fields: fieldsOf(t, standardHeader),
				Macro: func(name string) string { return map[string]string{"i": "JOB"}[name] }}
			if c.change != nil {
				c.change(r, f)
			}
			o := r.Outcome(f, &Plan{Verify: true}, &Verdict{Results: c.results})
			if diff := cmp.Diff(c.want, describeOutcome(o)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.told, told(o.Notes)); diff != "" {
				t.Errorf("log lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutcomeOfSigning(t *testing.T) {
	key := &keystore.SigningKey{Selector: "sel", Domain: "example.com", Algorithm: dkim.RSASHA256}
	request := SignRequest{Key: key, Domain: "example.com"}
	r := &Rules{Sign: true, Signing: Signing{RemoveOldSignatures: true}, Results: AuthResults{SoftwareHeader: "dojang Filter v1"}}
	r.Verdicts.Set(SignatureError, Reject)
	macros := map[string]string{"i": "JOB", "j": "mx.example"}
	f := &Facts{JobID: "JOB", ClientAddr: netip.MustParseAddr("10.0.0.1"), Macro: func(name string) string { return macros[name] },
		Fields: fieldsOf(t, "DKIM-Signature: a\nDKIM-Signature: b\n"+standardHeader)}
	plan := &Plan{Sign: []SignRequest{request}}

	o := r.Outcome(f, plan, &Verdict{Signatures: []Signature{{Request: request, Value: " v=1"}}})
	want := []string{"accept", "delete DKIM-Signature 2", "delete DKIM-Signature 1",
		"insert 0 DKIM-Signature: v=1", "insert 0 DKIM-Filter: dojang Filter v1 mx.example JOB"}
	if diff := cmp.Diff(want, describeOutcome(o)); diff != "" {
		t.Errorf("signed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"DKIM-Signature field added (s=sel, d=example.com)"}, told(o.Notes)); diff != "" {
		t.Errorf("log lines: %s", diff)
	}

	o = r.Outcome(f, plan, &Verdict{SignError: errors.New("private key too small")})
	if got := describeOutcome(o)[0]; got != "reject 550 5.7.0 DKIM signing error" {
		t.Errorf("signing failed: got %q", got)
	}

}

// TestSigningAnew: what verified is signed anew, but a stranger's signature does not
// make it mail of the domain that we sign for.
func TestSigningAnew(t *testing.T) {
	stranger := result(dkim.ReasonNone, func(r *dkim.Result) { r.Signature.Domain = "evil.example" })
	bogus := result(dkim.ReasonNone, func(r *dkim.Result) { r.Security = dkim.Bogus })
	for _, c := range []struct {
		name, from string
		results    []dkim.Result
		want       bool
	}{
		{"verified", "joe@example.com", []dkim.Result{result(dkim.ReasonNone)}, true},
		{"not verified", "joe@example.com", []dkim.Result{result(dkim.ReasonBadSignature)}, false},
		{"unsigned, of another", "joe@evil.example", nil, false},
		{"ours in a display name", `"boss@example.com" <joe@evil.example>`, []dkim.Result{stranger}, false},
		{"ours in a comment", "joe@evil.example (boss@example.com)", []dkim.Result{stranger}, false},
		{"ours in an encoded word", "=?utf-8?q?boss=40example?= =?utf-8?b?LmNvbQ?= <joe@evil.example>", []dkim.Result{stranger}, false},
		{"ours with a dot at its end", "boss@example.com., joe@evil.example", []dkim.Result{stranger}, false},
		{"a character set in which nobody sees addresses", "=?utf-7?q?boss+AEA-example.com?= <joe@evil.example>", []dkim.Result{stranger}, false},
		{"by another, of another", "joe@evil.example", []dkim.Result{stranger}, true},
		{"by us, of another", "joe@example.com", []dkim.Result{stranger}, false},
		{"by us below, of another", "joe@list.example.com", []dkim.Result{stranger}, false},
		{"by us, of us and another", "joe@example.com", []dkim.Result{stranger, result(dkim.ReasonNone)}, true},
		{"by us beside another, of another", "joe@evil.example, boss@example.com", []dkim.Result{stranger}, false},
		{"by us in a second field, of another", "joe@evil.example\nFrom: boss@example.com", []dkim.Result{stranger}, false},
		{"unreadable beside another", "joe@evil.example\nFrom: <boss@example.com", []dkim.Result{stranger}, false},
		{"unreadable", "joe@evil.example\nFrom: <x> <y", []dkim.Result{stranger}, false},
		{"by a key that BogusKey refuses", "joe@example.com", []dkim.Result{bogus}, false},
	} {
		f := &Facts{Fields: fieldsOf(t, "From: "+c.from)}
		rules := &Rules{Verdicts: Verdicts{BogusKey: TreatFail}}
		author, problem := rules.author(f, &rules.Signing)
		if problem != nil {
			t.Fatal(c.name)
		}
		plan := &Plan{Author: author, Sign: []SignRequest{{Domain: "example.com"}}, Verify: true, resigned: true, SignOnlyIfVerified: true}
		if got := rules.SignsNow(f, plan, &Verdict{Results: c.results}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		// ResignAll lets all else pass, but nobody write in our name.
		plan.SignOnlyIfVerified = false
		all := c.want || c.name == "unsigned, of another"
		if got := rules.SignsNow(f, plan, &Verdict{Results: c.results}); got != all {
			t.Errorf("ResignAll: %s: %v", c.name, got)
		}
		if plan.Internal = true; !rules.SignsNow(f, plan, &Verdict{Results: c.results}) {
			t.Errorf("ResignAll: from inside: %s: false", c.name)
		}
	}
}

// Fields that claim to be ours go, in whatever form (trap 13 and 16); those of
// others, and ours without a dkim result, stay.
func TestTrap13And16ForgedResultsAreDeletedFromTheBack(t *testing.T) {
	long := strings.Repeat("x", 400_000)
	head := strings.Join([]string{
		"Authentication-Results: MX.example; dkim=pass header.d=bank.example",  // 1: capitals
		"Authentication-Results: other.example; dkim=pass",                     // 2: another's
		`Authentication-Results: "mx.example"; dkim=pass`,                      // 3: quoted
		"Authentication-Results: (c) mx.example. (d) 1; dkim=pass",             // 4: comment, dot, version
		"Authentication-Results: mx.example; spf=pass smtp.mailfrom=a.example", // 5: ours, no dkim
		"Authentication-Results: mx.example; dkim=pass; !!!",                   // 6: unparsable tail
		"Authentication-Results: mx.example; dkim=pass reason=" + long,         // 7: huge
		"From: a@example.com",
	}, "\n")
	notes := ""
	deletions := func(a AuthResults) (list []int) {
		r := &Rules{Verify: true, Results: a}
		o := r.Outcome(&Facts{JobID: "JOB", Fields: fieldsOf(t, head)}, &Plan{Verify: true}, &Verdict{})
		for _, e := range o.Edits {
			if e.Op == DeleteField {
				list = append(list, e.Index)
			}
		}
		notes = strings.Join(told(o.Notes), "\n")
		return list
	}
	if diff := cmp.Diff([]int{7, 6, 4, 3, 1}, deletions(AuthResults{AuthservID: "mx.example"})); diff != "" {
		t.Errorf("default (-want +got): %s", diff)
	}
	if want := "removed 5 Authentication-Results fields that bear our name"; strings.Count(notes, want) != 1 {
		t.Errorf("%q, not %q", notes, want)
	}
	if diff := cmp.Diff([]int{7, 6, 5, 4, 3, 1}, deletions(AuthResults{AuthservID: "mx.example", RemoveARAll: true})); diff != "" {
		t.Errorf("RemoveARAll (-want +got): %s", diff)
	}
	if diff := cmp.Diff([]int{7, 6, 4, 3, 2, 1},
		deletions(AuthResults{AuthservID: "mx.example", RemoveARFrom: []string{".example"}})); diff != "" {
		t.Errorf("RemoveARFrom (-want +got): %s", diff)
	}
	if got := deletions(AuthResults{AuthservID: "mx.example", KeepAuthResults: true}); got != nil {
		t.Errorf("KeepAuthResults: deleted %v", got)
	}
}
