package policy

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/statistics"
)

// TestStatistics: the numbers are those in files of Debian's opendkim for such
// messages (test/reports compares them).
func TestStatistics(t *testing.T) {
	r := &Rules{Verify: true, Reports: Reports{Count: true}}
	f := &Facts{JobID: "JOB", ClientAddr: netip.MustParseAddr("192.0.2.1"), Fields: fieldsOf(t, standardHeader)}
	p := &Plan{Verify: true, Author: Author{User: "joe", Domain: "Example.com"}}
	body := func(header, body bool, length, covered int64) func(*dkim.Result) {
		return func(r *dkim.Result) {
			r.Signature.BodyHash, r.HeaderOK, r.BodyOK, r.CanonicalBodyLength, r.Signature.Length = []byte{1}, header, body, length, covered
		}
	}
	secure := func(r *dkim.Result) { r.Security = dkim.Secure }
	for _, c := range []struct {
		name    string
		results []dkim.Result
		size    int64
		count   int
		want    []statistics.Signature
	}{
		{"unsigned", nil, 0, 0, nil},
		{"good", []dkim.Result{result(dkim.ReasonNone, body(true, true, 30, -1), secure)}, 30, 1, []statistics.Signature{{Domain: "example.com", Passed: true, BodyChanged: false, Length: -1, Error: 0, DNSSEC: 2}}},
		{"changed body", []dkim.Result{result(dkim.ReasonBodyHash, body(true, false, 30, -1))}, 30, 1, []statistics.Signature{{Domain: "example.com", Passed: true, BodyChanged: true, Length: -1, Error: 28, DNSSEC: -1}}},
		{"changed header", []dkim.Result{result(dkim.ReasonBadSignature, body(false, true, 30, 9))}, 9, 1, []statistics.Signature{{Domain: "example.com", Passed: false, BodyChanged: false, Length: 9, Error: 28, DNSSEC: -1}}},
		{"l= too large", []dkim.Result{result(dkim.ReasonLengthTooLarge, body(false, false, 30, 900))}, 30, 1, []statistics.Signature{{Domain: "example.com", Passed: false, BodyChanged: false, Length: 900, Error: 33, DNSSEC: -1}}},
		{"expired", []dkim.Result{result(dkim.ReasonExpired, body(true, true, 30, -1))}, 0, 1, []statistics.Signature{{Domain: "example.com", Passed: false, BodyChanged: false, Length: 0, Error: 3, DNSSEC: -1}}},
		{"without From", []dkim.Result{result(dkim.ReasonHeadersRequired)}, 0, 1, []statistics.Signature{{Domain: "example.com", Passed: false, BodyChanged: false, Length: 0, Error: 32, DNSSEC: -1}}},
		{"revoked", []dkim.Result{result(dkim.ReasonKeyRevoked, body(false, true, 30, -1))}, 30, 1, []statistics.Signature{{Domain: "example.com", Passed: false, BodyChanged: false, Length: -1, Error: 42, DNSSEC: -1}}},
		{"one ignored", []dkim.Result{result(dkim.ReasonNone, body(true, true, 30, -1)), result(dkim.ReasonTooManySignatures)}, 30, 2, []statistics.Signature{{Domain: "example.com", Passed: true, BodyChanged: false, Length: -1, Error: 0, DNSSEC: -1}}},
		{"the first body counts", []dkim.Result{result(dkim.ReasonNone, body(true, true, 20, -1)), result(dkim.ReasonNone, body(true, true, 30, -1))}, 20, 2,
			[]statistics.Signature{{Domain: "example.com", Passed: true, Length: -1, DNSSEC: -1}, {Domain: "example.com", Passed: true, Length: -1, DNSSEC: -1}}},
		{"no body hash", []dkim.Result{result(dkim.ReasonBodyHashMissing, body(true, true, 20, 9), func(r *dkim.Result) { r.Signature.BodyHash = nil })}, 0, 1,
			[]statistics.Signature{{Domain: "example.com", Error: statistics.ErrorNumber(dkim.ReasonBodyHashMissing), DNSSEC: -1}}},
	} {
		o := r.Outcome(f, p, &Verdict{Now: time.Unix(1795453615, 0), Results: c.results})
		want := &statistics.Message{JobID: "JOB", Domain: "Example.com", Client: "192.0.2.1",
			Received: time.Unix(1795453615, 0), BodyBytes: c.size, Signatures: c.count, ATPS: -1, Spam: -1, Each: c.want}
		if diff := cmp.Diff(want, o.Statistics); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
	p.Scripted = &Scripted{Spam: true}
	if o := r.Outcome(f, p, &Verdict{}); o.Statistics.Spam != 1 {
		t.Errorf("a script calls it spam: %+v", o.Statistics)
	}
	r.Reports.Count = false
	if o := r.Outcome(f, p, &Verdict{}); o.Statistics != nil {
		t.Error("counted unasked")
	}
}
