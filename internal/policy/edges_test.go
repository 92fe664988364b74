package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// TestFlat: what a reader does with quotes, backslashes and comments (RFC 5322 §3.2.1,
// §3.2.2, §3.2.4), "|" for the end of a line.
func TestFlat(t *testing.T) {
	for _, c := range []struct {
		text                       string
		kept, asWritten, blindly   string
		keptJoined, asWrittenJoins string
	}{
		{"a b", "a b", "a b", "a b", "a b", "a b"},
		{"a(b)c", "a|b|c", "ac", "ac", "a|b|c", "ac"},
		{"a(b(c)d)e", "a|b|c|d|e", "ae", "ae", "a|b|c|d|e", "ae"},
		{`a(b\)c)d`, "a|b |c|d", "ad", "ac|d", "a|b|c|d", "ad"},
		{`a"(b)"c`, "a |b| c", "a |b| c", "a  c", "a|b|c", "a|b|c"},
		{`a("b)c`, "a| b|c", "ac", "ac", "a|b|c", "ac"},
		{`"a\"b"`, " a  b ", ` a"b `, " a  b ", "ab", `a"b`},
		{`a\"b`, "a  b", "a  b", "a  b", "ab", "ab"},
		{`a\`, "a ", "a ", "a ", "a", "a"},
		{`"a\`, " a ", " a ", " a ", "a", "a"},
		{`a(b\`, `a|b `, `a|b `, `a|b `, "a|b", "a|b"},
		{"a)b", "a|b", "a|b", "a|b", "a|b", "a|b"},
		{"a(b", "a|b", "a|b", "a|b", "a|b", "a|b"},
		{"a(b(c)", "a|b|c|", "a|b|c|", "a|b|c|", "a|b|c|", "a|b|c|"},
		{"a<b>c", "a|b c", "a|b c", "a|b c", "a|bc", "a|bc"},
		{"a:b;c,d[e]f\tg\rh\ni", "a|b|c|d|e|f g h|i", "a|b|c|d|e|f g h|i", "a|b|c|d|e|f g h|i", "a|b|c|d|e|f g h|i", "a|b|c|d|e|f g h|i"},
	} {
		for _, x := range []struct {
			c      comments
			joined bool
			want   string
		}{{kept, false, c.kept}, {cutAsWritten, false, c.asWritten}, {cutBlindly, false, c.blindly},
			{kept, true, c.keptJoined}, {cutAsWritten, true, c.asWrittenJoins}} {
			if got := strings.ReplaceAll(flat(c.text, x.c, x.joined, false), "\n", "|"); got != x.want {
				t.Errorf("%q, comments %d, joined %v: %q, want %q", c.text, x.c, x.joined, got, x.want)
			}
		}
	}
	// Only in a raw text blanks within quotes divide, and those of comments are nobody's.
	for raw, want := range map[bool]string{false: ` a b c d`, true: ` a|b c d`} {
		if got := strings.ReplaceAll(flat(`"a b" c d`, kept, true, raw), "\n", "|"); got != strings.TrimSpace(want) {
			t.Errorf("raw %v: %q, want %q", raw, got, want)
		}
	}
}

// TestHostEnd: letters, digits, hyphens and underscores, dots, and whatever is not ASCII.
func TestHostEnd(t *testing.T) {
	for c := range 256 {
		b := byte(c)
		part := strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", b) >= 0 || c > 127
		if got := hostEnd("a" + string([]byte{b}) + "c"); got == 3 != part {
			t.Errorf("%q ends a domain: %v", b, got != 3)
		}
	}
	if hostEnd("") != 0 || hostEnd("@") != 0 {
		t.Error("nothing is a domain")
	}
}

// TestOctetsAreNotASCII from 128 on.
func TestOctetsAreNotASCII(t *testing.T) {
	for text, want := range map[string]bool{"": true, "a\x7f": true, "a\x80": false, "\xff": false, "é": false} {
		if isASCII(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// asked is a set that has nothing and remembers for what it was asked; some questions fail.
type asked struct {
	keys  []string
	fails string
}

func (a *asked) Close() error { return nil }

func (a *asked) Lookup(_ context.Context, key string, _ int) ([]string, error) {
	a.keys = append(a.keys, key)
	if a.fails != "" && strings.Contains(key, a.fails) {
		return nil, &dataset.Error{Err: errors.New("connection refused"), Temp: true}
	}
	return nil, dataset.ErrNotFound
}

// TestLongNamesAreNotAskedFor: up to the bounds, sets are asked, for both forms.
func TestLongNamesAreNotAskedFor(t *testing.T) {
	user := strings.Repeat("u", dataset.MaxUserBytes)
	host := strings.Repeat("h", dataset.MaxHostBytes)
	for _, c := range []struct {
		domain bool
		key    string
		want   int
	}{
		{true, host, 1}, {true, host + "h", 0}, {true, unicodeDomain, 2}, {true, asciiDomain, 2}, {true, "example.com", 1},
		{false, user + "@" + host, 1}, {false, user + "@" + host + "h", 0}, {false, "a@" + unicodeDomain, 2}, {false, "a@" + asciiDomain, 2},
	} {
		for _, fails := range []string{"", "example"} {
			set := &asked{fails: fails}
			do := containsAddress
			if c.domain {
				do = containsDomain
			}
			found, err := do(t.Context(), set, c.key)
			fail := fails != "" && strings.Contains(c.key, fails)
			want := c.want
			if fail {
				want = 1
			}
			if found || len(set.keys) != want || (err != nil) != fail {
				t.Errorf("%.30q, %d bytes: asked for %.60q, %v, %v", c.key, len(c.key), set.keys, found, err)
			}
		}
	}
	if found, err := containsDomain(t.Context(), nil, "a"); found || err != nil {
		t.Error("no set has a domain")
	}
	if found, err := containsAddress(t.Context(), nil, "a@b"); found || err != nil {
		t.Error("no set has an address")
	}
}

// TestSigningLookupFails where either form cannot be asked for.
func TestSigningLookupFails(t *testing.T) {
	for _, fails := range []string{unicodeDomain, asciiDomain} {
		for _, host := range []string{unicodeDomain, asciiDomain} {
			if rows, err := signingLookup(t.Context(), &asked{fails: fails}, "joe", host, 2, true); err == nil || rows != nil {
				t.Errorf("%s, where %s fails: %v, %v", host, fails, rows, err)
			}
		}
	}
}

// TestSignatureAlgorithm changes the hash of keys of its own type that have none of
// their own.
func TestSignatureAlgorithm(t *testing.T) {
	for _, c := range []struct {
		option, key dkim.Algorithm
		fixed       bool
		want        dkim.Algorithm
	}{
		{0, dkim.RSASHA256, false, dkim.RSASHA256},
		{dkim.RSASHA1, dkim.RSASHA256, false, dkim.RSASHA1},
		{dkim.RSASHA1, dkim.RSASHA256, true, dkim.RSASHA256},
		{dkim.RSASHA1, dkim.Ed25519SHA256, false, dkim.Ed25519SHA256},
		{dkim.Ed25519SHA256, dkim.RSASHA256, false, dkim.RSASHA256},
	} {
		r := &Rules{Signing: Signing{SignatureAlgorithm: c.option}}
		key := &keystore.SigningKey{Algorithm: c.key, AlgorithmFixed: c.fixed}
		if got := r.SignOptions(&Facts{Fields: new(header.List)}, &Plan{}, SignRequest{Key: key}, time.Time{}).Algorithm; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestQuarantineOfWhatFails: Quarantine holds accepted mail whose signature is bad,
// CaptureUnknownErrors what we could not judge for a reason of our own.
func TestQuarantineOfWhatFails(t *testing.T) {
	for _, c := range []struct {
		reason              dkim.Reason
		quarantine, capture bool
		action              Action
		want                string
	}{
		{dkim.ReasonBadSignature, true, false, Accept, "opendkim"},
		{dkim.ReasonBodyHash, true, false, Accept, "opendkim"},
		{dkim.ReasonBadSignature, true, false, Reject, ""},
		{dkim.ReasonBadSignature, false, true, Accept, ""},
		{dkim.ReasonKeyNotFound, true, true, Accept, ""},
		{dkim.ReasonInternal, false, true, Accept, "opendkim"},
		{dkim.ReasonInternal, true, false, Accept, ""},
	} {
		r := &Rules{Verify: true, Verdicts: Verdicts{Quarantine: c.quarantine, CaptureUnknownErrors: c.capture}}
		for _, condition := range []Condition{BadSignature, KeyNotFound, InternalError} {
			r.Verdicts.Set(condition, c.action)
		}
		f := &Facts{Fields: fieldsOf(t, "DKIM-Signature: x\n"+standardHeader)}
		o := r.Outcome(f, &Plan{Verify: true}, &Verdict{Results: []dkim.Result{result(c.reason)}})
		if o.Quarantine != c.want || o.Reply.Action != c.action {
			t.Errorf("%v, Quarantine %v, CaptureUnknownErrors %v: %s, quarantine %q", c.reason, c.quarantine, c.capture,
				o.Reply, o.Quarantine)
		}
	}
}

// TestRelatedDomains: the same one, above and below it, and no other.
func TestRelatedDomains(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"example.com", "Example.COM", true}, {"a.example.com", "example.com", true}, {"com", "example.com", true},
		{unicodeDomain, asciiDomain, true}, {"a." + unicodeDomain, asciiDomain, true},
		{"notexample.com", "example.com", false}, {"example.com", "example.org", false},
		{"", "example.com", false}, {"", "", false}, {"", "example.com.", false}, {strings.Repeat("a", 300), "example.com", false},
	} {
		if related(c.a, c.b) != c.want || related(c.b, c.a) != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, !c.want)
		}
	}
	p := &Plan{Trusted: map[string]bool{}, Author: Author{Domain: "example.com"}}
	if (&Verdicts{}).VerifyOptions(p, time.Time{}).TrustFirst == nil {
		t.Error("those that are trusted do not come first")
	}
	if (&Verdicts{}).VerifyOptions(&Plan{}, time.Time{}).TrustFirst != nil {
		t.Error("all are trusted, and some come first")
	}
}

// TestScriptsDecideAlone: where a script has decided, nobody is told of the failure and
// no On- option is followed.
func TestScriptsDecideAlone(t *testing.T) {
	for _, action := range []Action{Continue, Accept, Discard, TempFail} {
		r := &Rules{Verify: true, Reports: Reports{Send: true}}
		r.Verdicts.Set(BadSignature, Reject)
		f := &Facts{JobID: "JOB", Fields: fieldsOf(t, "DKIM-Signature:"+asking+"\nMessage-ID: <1@example.com>\n"+standardHeader)}
		p := &Plan{Verify: true, Scripted: &Scripted{Rules: r, Reply: Reply{Action: action}}}
		o := r.Outcome(f, p, &Verdict{Results: []dkim.Result{parsed(t, asking, dkim.ReasonBadSignature, 0)}})
		want := action
		if action == Continue || action == Accept {
			want = Reject
		}
		if o.Reply.Action != want || (o.Report != nil) != (want == Reject) {
			t.Errorf("a script's %s: %s, report %+v", action, o.Reply, o.Report)
		}
		if o.Report != nil && (o.Report.MessageID != " <1@example.com>" || len(o.Report.CanonicalHeader) == 0) {
			t.Errorf("report %+v", o.Report)
		}
		if !strings.Contains(o.Summary, "verified: fail (s=sel, d=example.com: ") {
			t.Errorf("summary %q", o.Summary)
		}
	}
}

// TestCanonicalizedOfWhatWasChecked: nothing is added for a signature that cannot be read
// or that there were too many of.
func TestCanonicalizedOfWhatWasChecked(t *testing.T) {
	broken := parsed(t, strings.Replace(asking, "h=From:Subject; ", "", 1), dkim.ReasonHeadersMissing, 0)
	unsigned := parsed(t, strings.Replace(asking, "b=AAAA", "b=", 1), dkim.ReasonSignatureMissing, 0)
	for name, c := range map[string]struct {
		result dkim.Result
		want   int
	}{
		"good":     {parsed(t, asking, dkim.ReasonNone, 0), 1},
		"too many": {parsed(t, asking, dkim.ReasonTooManySignatures, 0), 0},
		"no h=":    {broken, 0},
		"no b=":    {unsigned, 0},
	} {
		r := &Rules{Verify: true, Reports: Reports{AddCanonicalizedData: true}}
		f := &Facts{Fields: fieldsOf(t, "DKIM-Signature:"+asking+"\n"+standardHeader)}
		o := r.Outcome(f, &Plan{Verify: true}, &Verdict{Results: []dkim.Result{c.result}})
		n := 0
		for _, e := range o.Edits {
			if e.Op == InsertField && e.Name == "X-DKIM-Canonicalized-Header" {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s: %d fields", name, n)
		}
	}
}

// TestDiagnosisWithoutDifferences says so: the failure has another cause.
func TestDiagnosisWithoutDifferences(t *testing.T) {
	const header = "From: ann@example.com\nSubject: s"
	for copy, same := range map[string]bool{"From:=20ann@example.com|Subject:=20s": true, "From:=20ann@example.com|Subject:=20old": false} {
		r := &Rules{Verify: true, Reports: Reports{Diagnose: true}}
		signature := strings.Replace(asking, "r=y;", "z="+strings.ReplaceAll(copy, "@", "=40")+";", 1)
		o := r.Outcome(&Facts{Fields: fieldsOf(t, "DKIM-Signature:"+signature+"\n"+header)}, &Plan{Verify: true},
			&Verdict{Results: []dkim.Result{parsed(t, signature, dkim.ReasonBadSignature, 0)}})
		if o.Diagnosis == nil {
			t.Fatal("no diagnosis")
		}
		if !strings.HasPrefix(string(o.Diagnosis.Text), "z tag headers:\n\nFrom: ann@example.com\nSubject: ") {
			t.Errorf("it begins with %.60q", o.Diagnosis.Text)
		}
		if !strings.Contains(string(o.Diagnosis.Text), "Received headers:\n\nDKIM-Signature:"+signature+"\n"+header+"\n") {
			t.Errorf("the header is not shown:\n%s", o.Diagnosis.Text)
		}
		if got := strings.Contains(string(o.Diagnosis.Text), "none in the fields"); got != same {
			t.Errorf("z=%s:\n%s", copy, o.Diagnosis.Text)
		}
	}
}

// TestRowsNameSeveralKeys with MultipleSignatures, and else one whose name has commas.
func TestRowsNameSeveralKeys(t *testing.T) {
	for _, c := range []struct {
		several bool
		name    string
		want    []rowKey
	}{
		{true, "a, b ,%", []rowKey{{"a", "x@author.example"}, {"b", "x@author.example"}, {"author.example", "x@author.example"}}},
		{true, "a", []rowKey{{"a", "x@author.example"}}},
		{false, "a,b", []rowKey{{"a,b", "x@author.example"}}},
		{false, "%", []rowKey{{"author.example", "x@author.example"}}},
	} {
		k := &Keys{MultipleSignatures: c.several}
		got := k.rowKeys(dataset.Entry{Values: []string{c.name, "x@%"}}, Author{User: "u", Domain: "author.example"})
		if !slices.Equal(got, c.want) {
			t.Errorf("%v, %q: %v", c.several, c.name, got)
		}
	}
}

// TestSignsFor: the tables in memory tell for whom we sign, none that must be asked.
func TestSignsFor(t *testing.T) {
	key := &keystore.SigningKey{Name: "k"}
	for name, c := range map[string]struct {
		rules  Rules
		domain string
		want   bool
	}{
		"Domain":                 {Rules{Sign: true, Keys: Keys{Domain: csl(t, "example.com"), DefaultKey: key}}, "example.com", true},
		"Domain, another":        {Rules{Sign: true, Keys: Keys{Domain: csl(t, "example.com"), DefaultKey: key}}, "example.org", false},
		"Domain without KeyFile": {Rules{Sign: true, Keys: Keys{Domain: csl(t, "example.com")}}, "example.com", false},
		"Domain that fails":      {Rules{Sign: true, Keys: Keys{Domain: failing{}, DefaultKey: key}}, "example.com", false},
		"SigningTable":           {Rules{Sign: true, Keys: Keys{SigningTable: csl(t, "example.com=k")}}, "example.com", true},
		"SigningTable, another":  {Rules{Sign: true, Keys: Keys{SigningTable: csl(t, "example.com=k")}}, "example.org", false},
		"SigningTable for all":   {Rules{Sign: true, Keys: Keys{SigningTable: csl(t, "*=k")}}, "example.com", false},
		"SigningTable on server": {Rules{Sign: true, Keys: Keys{SigningTable: &asked{}, Domain: csl(t, "example.com"), DefaultKey: key}}, "example.com", false},
		"a key alone":            {Rules{Sign: true, Keys: Keys{SigningTable: csl(t, "example.org=k"), KeyDomains: map[string]bool{"example.com": true}}}, "Example.com", true},
		"verifier":               {Rules{Keys: Keys{SigningTable: csl(t, "example.com=k")}}, "example.com", false},
		"no author":              {Rules{Sign: true, Keys: Keys{SigningTable: csl(t, "example.com=k")}}, "", false},
		"nothing":                {Rules{Sign: true}, "example.com", false},
	} {
		if got := c.rules.SignsFor(t.Context(), Author{User: "joe", Domain: c.domain}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestReplaceField gives one field another value, with the blank before it or not.
func TestReplaceField(t *testing.T) {
	for value, want := range map[string]string{"new": "Subject: new", " new": "Subject: new", "\tnew": "Subject:\tnew",
		"  new": "Subject:  new"} {
		f := &Facts{Fields: fieldsOf(t, "From: a@example.com\nSubject: old\nSubject: older")}
		s := &Scripted{Plan: &Plan{}, Facts: f}
		s.ReplaceField(1, value)
		var got []string
		for i := range s.Plan.Fields.Len() {
			got = append(got, string(s.Plan.Fields.At(i).Raw))
		}
		if diff := cmp.Diff([]string{"From: a@example.com", want, "Subject: older"}, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", value, diff)
		}
		if text := string(f.Fields.At(1).Raw); text != "Subject: old" {
			t.Errorf("the message itself: %q", text)
		}
	}
}
