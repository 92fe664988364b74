package policy

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
)

// parsed is the result of a signature as it stands in a field.
func parsed(t *testing.T, value string, reason dkim.Reason, index int) dkim.Result {
	t.Helper()
	s, _ := dkim.ParseSignature([]byte(value))
	return dkim.Result{Reason: reason, Status: reason.Status(), Signature: s, FieldIndex: index, CanonicalBodyLength: 4}
}

const asking = " v=1; a=rsa-sha256; d=example.com; s=sel; r=y; h=From:Subject; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA"

// TestWhoIsReported: SendReports, r=y, and a failure that will stay one. What is
// asked for in rr= is not known yet; its tokens are those of RFC 6651 §5.1.
func TestWhoIsReported(t *testing.T) {
	without := strings.Replace(asking, " r=y;", "", 1)
	for _, c := range []struct {
		name    string
		send    bool
		results []dkim.Result
		want    string
	}{
		{"changed header", true, []dkim.Result{parsed(t, asking, dkim.ReasonBadSignature, 0)}, "v signature signature verification failed"},
		{"changed body", true, []dkim.Result{parsed(t, asking, dkim.ReasonBodyHash, 0)}, "v bodyhash signature verification failed"},
		{"revoked", true, []dkim.Result{parsed(t, asking, dkim.ReasonKeyRevoked, 0)}, "o revoked key revoked"},
		{"no key", true, []dkim.Result{parsed(t, asking, dkim.ReasonKeyNotFound, 0)}, "d signature key not found in DNS"},
		{"expired", true, []dkim.Result{parsed(t, asking, dkim.ReasonExpired, 0)}, "x signature signature expired"},
		{"small key", true, []dkim.Result{parsed(t, asking, dkim.ReasonKeyTooSmall, 0)}, "p signature signing key too small"},
		{"key without sense", true, []dkim.Result{parsed(t, asking, dkim.ReasonKeySyntax, 0)}, "s signature key syntax error"},
		{"no answer yet", true, []dkim.Result{parsed(t, asking, dkim.ReasonKeyQuery, 0)}, ""},
		{"passes", true, []dkim.Result{parsed(t, asking, dkim.ReasonNone, 0)}, ""},
		{"another passes", true, []dkim.Result{parsed(t, asking, dkim.ReasonBadSignature, 0), parsed(t, without, dkim.ReasonNone, 0)}, ""},
		{"not asked for", true, []dkim.Result{parsed(t, without, dkim.ReasonBadSignature, 0)}, ""},
		{"asked for oddly", true, []dkim.Result{parsed(t, strings.Replace(asking, "r=y", "r=Y", 1), dkim.ReasonBadSignature, 0)}, ""},
		{"not sent", false, []dkim.Result{parsed(t, asking, dkim.ReasonBadSignature, 0)}, ""},
	} {
		r := &Rules{Verify: true, Reports: Reports{Send: c.send}}
		f := &Facts{JobID: "JOB", Sender: "ann@example.com", ClientAddr: netip.MustParseAddr("192.0.2.1"),
			Fields: fieldsOf(t, "DKIM-Signature:"+asking+"\n"+standardHeader)}
		o := r.Outcome(f, &Plan{Verify: true}, &Verdict{Now: time.Unix(1, 0), Results: c.results})
		got := ""
		if o.Report != nil {
			got = fmt.Sprintf("%s %s %s", o.Report.Condition, o.Report.Failure, o.Report.Reason)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestReportedBody: a body that was not kept whole is not shown.
func TestReportedBody(t *testing.T) {
	r := &Rules{Verify: true, Reports: Reports{Send: true}}
	f := &Facts{JobID: "JOB", Fields: fieldsOf(t, "DKIM-Signature:"+asking+"\n"+standardHeader)}
	for kept, want := range map[string]string{"abcd": "abcd", "abc": "", "": ""} {
		v := &Verdict{Results: []dkim.Result{parsed(t, asking, dkim.ReasonBodyHash, 0)},
			Kept: func(dkim.Canonicalization) []byte { return []byte(kept) }}
		if o := r.Outcome(f, &Plan{Verify: true}, v); string(o.Report.CanonicalBody) != want {
			t.Errorf("kept %q: %q, want %q", kept, o.Report.CanonicalBody, want)
		}
	}
	limited := strings.Replace(asking, "r=y;", "r=y; l=2;", 1)
	f.Fields = fieldsOf(t, "DKIM-Signature:"+limited+"\n"+standardHeader)
	v := &Verdict{Results: []dkim.Result{parsed(t, limited, dkim.ReasonBodyHash, 0)},
		Kept: func(dkim.Canonicalization) []byte { return []byte("abcd") }}
	if o := r.Outcome(f, &Plan{Verify: true}, v); string(o.Report.CanonicalBody) != "ab" {
		t.Errorf("l=2: %q", o.Report.CanonicalBody)
	}
}

// TestDifferencesAreTold names the fields that are not as they were, with
// LogWhy.
func TestDifferencesAreTold(t *testing.T) {
	value := strings.Replace(asking, "h=From", "z=From:=20ann@example.com|Subject:=20then; h=From", 1)
	r := &Rules{Verify: true, Reports: Reports{Diagnose: true}}
	f := &Facts{JobID: "JOB", Fields: fieldsOf(t, "DKIM-Signature:"+value+"\nFrom: ann@example.com\nSubject: now")}
	o := r.Outcome(f, &Plan{Verify: true}, &Verdict{Results: []dkim.Result{parsed(t, value, dkim.ReasonBadSignature, 0)}})
	if diff := cmp.Diff([]string{"WARNING: symbol 'i' not available", "bad signature data", `?header field Subject was changed after signing, then: "then", now: "now"`}, told(o.Notes)); diff != "" {
		t.Errorf("log (-want +got)\n%s", diff)
	}
	if o.Diagnosis == nil || !strings.Contains(string(o.Diagnosis.Text), "Subject was changed") {
		t.Errorf("diagnosis: %+v", o.Diagnosis)
	}
	o = r.Outcome(f, &Plan{Verify: true}, &Verdict{Results: []dkim.Result{parsed(t, value, dkim.ReasonNone, 0)}})
	if o.Diagnosis != nil {
		t.Error("a signature that passes was diagnosed")
	}
	many := strings.Repeat("|X:=20then", 21)
	value = strings.Replace(asking, "h=From", "z=From:=20ann@example.com"+many+"; h=From"+strings.Repeat(":X", 21), 1)
	f.Fields = fieldsOf(t, "DKIM-Signature:"+value+"\nFrom: ann@example.com"+strings.Repeat("\nX: now", 21))
	o = r.Outcome(f, &Plan{Verify: true}, &Verdict{Results: []dkim.Result{parsed(t, value, dkim.ReasonBadSignature, 0)}})
	if n := strings.Count(strings.Join(told(o.Notes), "\n"), "was changed after signing"); n != 20 {
		t.Errorf("%d differences of 21 are told", n)
	}
}

// TestCanonicalizedDataIsForThoseBehindUs (RFC 9991): the value's form is what
// the unreleased opendkim of 2026 writes, and a field that came with the message
// goes.
func TestCanonicalizedDataIsForThoseBehindUs(t *testing.T) {
	r := &Rules{Verify: true, Reports: Reports{AddCanonicalizedData: true}, Results: AuthResults{AuthservID: "mx"}}
	value := " v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=test; h=From:Date:Subject; " +
		"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA"
	f := &Facts{JobID: "JOB", Fields: fieldsOf(t, "DKIM-Signature:"+value+
		"\nX-DKIM-Canonicalized-Body: forged\nFrom: user@example.com\nDate: Tue, 22 Dec 2009 13:04:12 -0800\nSubject: Signing test")}
	v := &Verdict{Results: []dkim.Result{parsed(t, value, dkim.ReasonNone, 0)},
		Kept: func(dkim.Canonicalization) []byte { return []byte("This is a test!\r\n")[:4] }}
	o := r.Outcome(f, &Plan{Verify: true}, v)
	if e := o.Edits[0]; e.Op != DeleteField || e.Name != canonicalizedBody || e.Index != 1 {
		t.Errorf("first edit is %+v", e)
	}
	got := map[string]string{}
	for _, e := range o.Edits[1:] {
		got[e.Name] = e.Value
	}
	if want := " d=example.com; s=test; b=VGhpcw=="; got[canonicalizedBody] != want {
		t.Errorf("body: %q, want %q", got[canonicalizedBody], want)
	}
	lines := strings.Split(got[canonicalizedHeader], "\r\n        ")
	if len(lines[0]) != len(" d=example.com; s=test; b=")+48 || len(lines[1]) != 64 {
		t.Errorf("folded at %d and %d", len(lines[0]), len(lines[1]))
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.Join(lines, ""), " d=example.com; s=test; b="))
	want := "From: user@example.com\r\nDate: Tue, 22 Dec 2009 13:04:12 -0800\r\nSubject: Signing test\r\nDKIM-Signature:" +
		strings.TrimSuffix(value, "AAAA")
	if err != nil || string(text) != want {
		t.Errorf("header: %q, %v", text, err)
	}
}
