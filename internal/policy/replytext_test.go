package policy

import (
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
)

// TestRequestedText: what a domain wishes stands before our own words, as
// opendkim 2.11 was seen to reply (test/reports holds the two beside each
// other). RFC 6651 §3.2 defines the tag.
func TestRequestedText(t *testing.T) {
	const plain, name = "reject 550 5.7.0 bad DKIM signature data", "_report._domainkey.example.com"
	without := strings.Replace(asking, " r=y;", "", 1)
	wish := func(text string) string { return "reject 550 5.7.0 " + text + ": bad DKIM signature data" }
	fits := strings.Repeat("x", 512-len("550 5.7.0 : bad DKIM signature data\r\n"))
	for _, c := range []struct {
		name, signature string
		reason          dkim.Reason
		action          Action
		record          string
		want            string
	}{
		{"changed body", asking, dkim.ReasonBodyHash, Reject, "rs=please=20read", wish("please read")},
		{"changed header", asking, dkim.ReasonBadSignature, Reject, "v=DKIM1; ra=x; rs=hello; rr=x", wish("hello")},
		{"tempfail", asking, dkim.ReasonBadSignature, TempFail, "rs=hello", "tempfail 451 4.7.0 hello: bad DKIM signature data"},
		{"discard", asking, dkim.ReasonBadSignature, Discard, "rs=hello", "discard"},
		{"accept", asking, dkim.ReasonBadSignature, Continue, "rs=hello", "accept"},
		{"signer in capitals", strings.Replace(asking, "d=example.com", "d=Example.COM", 1), dkim.ReasonBadSignature, Reject, "rs=hello", wish("hello")},
		{"not asked for", without, dkim.ReasonBadSignature, Reject, "rs=hello", plain},
		{"revoked", asking, dkim.ReasonKeyRevoked, Reject, "rs=hello", "reject"},
		{"no wish", asking, dkim.ReasonBadSignature, Reject, "ra=x", plain},
		{"empty", asking, dkim.ReasonBadSignature, Reject, "rs= ; ra=x", plain},
		{"no record", asking, dkim.ReasonBadSignature, Reject, "NOTFOUND", plain},
		{"no answer", asking, dkim.ReasonBadSignature, Reject, "TEMPERROR", plain},
		{"no list of tags", asking, dkim.ReasonBadSignature, Reject, "junk; rs=hello", plain},
		{"blanks and folding", asking, dkim.ReasonBadSignature, Reject, "rs= see \r\n\t http://example.com/ ", wish("see http://example.com/")},
		{"tilde and exclamation mark", asking, dkim.ReasonBadSignature, Reject, "rs=~a!", wish("~a!")},
		{"percent", asking, dkim.ReasonBadSignature, Reject, "rs=100%s=25n", wish("100%s%n")},
		{"line end", asking, dkim.ReasonBadSignature, Reject, "rs=a=0D=0A250=20ok", plain},
		{"bare line feed", asking, dkim.ReasonBadSignature, Reject, "rs=a=0Ab", plain},
		{"NUL", asking, dkim.ReasonBadSignature, Reject, "rs=a=00b", plain},
		{"DEL", asking, dkim.ReasonBadSignature, Reject, "rs=a=7Fb", plain},
		{"UTF-8", asking, dkim.ReasonBadSignature, Reject, "rs=h=C3=A9", plain},
		{"UTF-8 bare", asking, dkim.ReasonBadSignature, Reject, "rs=h\u00e9", plain},
		{"8 bit", asking, dkim.ReasonBadSignature, Reject, "rs=h=E9", plain},
		{"no quoting", asking, dkim.ReasonBadSignature, Reject, "rs=a=zz", plain},
		{"quoting cut in two", asking, dkim.ReasonBadSignature, Reject, "rs=a=2 0b", plain},
		{"as long as it can be", asking, dkim.ReasonBadSignature, Reject, "rs=" + fits, wish(fits)},
		{"too long", asking, dkim.ReasonBadSignature, Reject, "rs=" + fits + "x", plain},
	} {
		r := &Rules{Verify: true}
		r.Verdicts.Set(BadSignature, c.action)
		result := parsed(t, c.signature, c.reason, 0)
		f := &Facts{JobID: "JOB", Fields: fieldsOf(t, "DKIM-Signature:"+c.signature+"\n"+standardHeader)}
		v := &Verdict{Results: []dkim.Result{result}, Answers: answers(map[string]string{name: c.record})}
		if got := describeOutcome(r.Outcome(f, &Plan{Verify: true}, v))[0]; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestRequestedTextIsAskedFor only where there is a reply to put it into, and
// after what the results depend on.
func TestRequestedTextIsAskedFor(t *testing.T) {
	const name = "_report._domainkey.example.com"
	without := strings.Replace(asking, " r=y;", "", 1)
	for _, c := range []struct {
		name, signature string
		action          Action
		want            []string
	}{
		{"reject", asking, Reject, []string{name}},
		{"tempfail", asking, TempFail, []string{name}},
		{"accept", asking, Accept, nil},
		{"as it is", asking, Continue, nil},
		{"discard", asking, Discard, nil},
		{"quarantine", asking, Quarantine, nil},
		{"not asked for", without, Reject, nil},
		{"no domain", strings.Replace(asking, "d=example.com", "d=", 1), Reject, nil},
		{"consent first", strings.Replace(asking, "r=y;", "r=y; atps=author.example; atpsh=none;", 1), Reject, []string{"example.com._atps.author.example", name}},
	} {
		r := &Rules{Verify: true}
		r.Verdicts.Set(BadSignature, c.action)
		s := parsed(t, c.signature, dkim.ReasonNone, 0).Signature
		p := &Plan{Verify: true, Author: Author{User: "ann", Domain: "author.example"}}
		if got := r.Questions(&Facts{Fields: fieldsOf(t, standardHeader)}, p,
			slices.Values([]*dkim.Signature{s, s})); !slices.Equal(got, c.want) {
			t.Errorf("%s: asks %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzRequestedText(f *testing.F) {
	for _, record := range []string{"rs=please=20read", "rs=a=0D=0A250=20ok", "ra=x; rs=h\u00e9", "rs=100%s=25n;"} {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, record string) {
		for _, c := range []byte(requestedText(record)) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q: byte %#x", record, c)
			}
		}
	})
}
