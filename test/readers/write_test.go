package readers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/policy"
)

// written are the fields that the filter writes about signatures, from the top.
func written(t *testing.T, signatures ...dkim.Result) (values [][]byte) {
	t.Helper()
	fields, _, err := header.Parse([]byte("From: a@example.com\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := &policy.Rules{Verify: true, Results: policy.AuthResults{AuthservID: host}}
	o := r.Outcome(&policy.Facts{JobID: "JOB", Fields: fields}, &policy.Plan{Verify: true}, &policy.Verdict{Results: signatures})
	for _, e := range slices.Backward(o.Edits) { // each stands above the one before
		values = append(values, []byte(e.Value))
	}
	return values
}

func signature(reason dkim.Reason, s *dkim.Signature) dkim.Result {
	return dkim.Result{Reason: reason, Status: reason.Status(), Signature: s, Key: &dkim.KeyRecord{Key: 1}, KeyBits: 2048}
}

// differs says what a reader finds in fields about signatures that is not theirs; "" for
// nothing. It may find less: a field that it cannot read, a property that it does not
// know.
func differs(found []*reading, signatures []dkim.Result) string {
	var results []result
	for _, r := range found {
		if r == nil {
			return "" // a reader that gives up one field knows no order
		}
		if r.id != host && r.id != "" { // rspamd knows none
			return fmt.Sprintf("the name %q", r.id)
		}
		results = append(results, r.results...)
	}
	if len(results) > len(signatures) {
		return fmt.Sprintf("%d results of %d signatures", len(results), len(signatures))
	}
	for i, res := range results {
		s := signatures[i].Signature
		pass := signatures[i].Status == dkim.StatusPass
		if res.method != "dkim" || (res.result == "pass") != pass {
			return fmt.Sprintf("%s=%s", res.method, res.result)
		}
		for _, p := range res.properties {
			if !meant(s, p) {
				return fmt.Sprintf("%s=%q", p.name, p.value)
			}
		}
	}
	return ""
}

func meant(s *dkim.Signature, p property) bool {
	same := func(s string) bool { // but for the quotes of a local part
		return strings.ReplaceAll(p.value, `"`, "") == strings.ReplaceAll(s, `"`, "")
	}
	name := func(s string) bool { // a long one is written in ASCII
		a, _ := dkim.ToASCII(s)
		return same(s) || p.value == a
	}
	switch p.name {
	case "header.d":
		return name(s.Domain)
	case "header.i":
		return same(s.Identity)
	case "header.s":
		return name(s.Selector)
	case "header.a":
		return p.value == s.Algorithm.String()
	case "header.b":
		return p.value != "" && strings.HasPrefix(s.Encoded, p.value)
	case "reason": // Mail::AuthenticationResults takes it for one
		return p.value == dkim.ReasonBadSignature.String()
	}
	return false
}

// value is what may stand in a tag of a signature, or more.
func (m mutator) value(usual string) string {
	switch m.IntN(6) {
	case 0:
		usual = m.one(
			"x", "=", "", "a.a.a", "=header.d=", "header.d=", ";dkim=pass header.d=", "x; dkim=pass header.d=", `x" header.d=`, `x\" header.d=`, "(", ") header.d=", "x\u00a0header.d=", ".header.d=", "..",
		) + usual
	case 1:
		usual = m.one("x.", "", "a b ", "a/b=") + usual + m.one("=header.d=bank.example", ".", "..", " header.d=bank.example", "; dkim=pass header.d=bank.example", `"; dkim=pass header.d=bank.example x="`, "\\", ";", "=", "\u3000header.d=x")
	case 2:
		usual = strings.Repeat(m.one("a", "a.", "ü", "\U00020000", "a b"), m.IntN(260)) + m.one("", ".bank.example.") + usual
	}
	for m.spoils() {
		i := m.IntN(len(usual) + 1)
		usual = usual[:i] + nasty[m.IntN(len(nasty))] + usual[i:]
	}
	return usual
}

func (m mutator) signature() dkim.Result {
	m.rate = []float64{0.01, 0.1, 0.3}[m.IntN(3)]
	s := &dkim.Signature{
		Domain:    m.value(m.one("evil.example", "почта.example", "a.b.c.evil.example")),
		Selector:  m.value("sel"),
		Algorithm: dkim.RSASHA256,
		Encoded:   m.value(m.one("abcd/+12", "ab==", "abcdefgh12345678")),
	}
	s.Identity = m.value("@" + s.Domain)
	switch m.IntN(4) {
	case 0:
		s.Identity = m.value("joe") + "@" + s.Domain
	case 1:
		s.Identity = `"` + m.value(m.one("a b", `a\"b`, "joe@bank.example", "dkim=pass")) + `"@` + s.Domain
	}
	if m.IntN(6) == 0 {
		s.Algorithm = 0
	}
	if m.IntN(6) == 0 {
		s.Selector = ""
	}
	if m.IntN(6) == 0 {
		s.Encoded = ""
	}
	return signature([]dkim.Reason{dkim.ReasonNone, dkim.ReasonBadSignature, dkim.ReasonExpired}[m.IntN(3)], s)
}

// testKnownValues: each of these gave a reader a property of a stranger's choice, or is
// near to one that did.
func testKnownValues(t *testing.T, all []*reader) {
	long := strings.Repeat("a", 242)
	for _, c := range []struct {
		name string
		s    dkim.Signature
	}{
		{"an equals sign first in i=", dkim.Signature{Domain: "evil.example", Identity: "=header.d=" + long + ".bank.example.x@evil.example"}},
		{"dots and equals signs in i=", dkim.Signature{Domain: "evil.example", Identity: "x.header.d=bank.example=y@evil.example"}},
		{"an escaped quote in i=", dkim.Signature{Domain: "evil.example", Identity: `"a\"; dkim=pass header.d=bank.example x=\""@evil.example`}},
		{"a semicolon in i=", dkim.Signature{Domain: "evil.example", Identity: `"a; dkim=pass header.d=bank.example b"@evil.example`}},
		{"an encoded word in i=", dkim.Signature{Domain: "evil.example", Identity: `=?utf-8?q?=22=3B_dkim=3Dpass_header=2Ed=3Dbank.example_x=3D?=@evil.example`}},
		{"an address in i='s local part", dkim.Signature{Domain: "evil.example", Identity: `"joe@bank.example"@evil.example`}},
		{"a parenthesis in i=", dkim.Signature{Domain: "evil.example", Identity: `"(x"@header.d`}},
		{"a wide space in i=", dkim.Signature{Domain: "evil.example", Identity: "x\u3000header.d@evil.example"}},
		{"letters of UTF-8 in d=", dkim.Signature{Domain: "übank.example", Identity: "joe@übank.example"}},
		{"a final dot in d=", dkim.Signature{Domain: "evil.example.", Identity: "@evil.example"}},
		{"a long name in d=", dkim.Signature{Domain: strings.Repeat("\U00020000", 59) + ".bank.example.aaaaa.evil.example", Identity: "@evil.example"}},
		{"an equals sign last in b=", dkim.Signature{Domain: "evil.example", Identity: "@evil.example", Encoded: "abc="}},
		{"an equals sign first in b=", dkim.Signature{Domain: "evil.example", Identity: "@evil.example", Encoded: "=header.d=bank.example"}},
		{"all of them", dkim.Signature{Domain: "a b", Identity: "a b", Selector: "a b", Encoded: "a b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, selector := range []string{"", "sel"} {
				c.s.Selector = selector
				other := &dkim.Signature{Domain: "good.example", Identity: "@good.example", Selector: "s",
					Algorithm: dkim.RSASHA256, Encoded: "abcdefghij"}
				signatures := []dkim.Result{signature(dkim.ReasonNone, &c.s), signature(dkim.ReasonNone, other)}
				values := written(t, signatures...)
				for r, found := range askAll(t, all, values) {
					if what := differs(found, signatures); what != "" {
						t.Errorf("%s finds %s in %q", all[r].name, what, values)
					}
				}
			}
		})
	}
}

// testEveryReaderFindsWhatIsUsual: a test of the others, which find nothing where all
// is quoted or left out.
func testEveryReaderFindsWhatIsUsual(t *testing.T, all []*reader) {
	for _, identity := range []string{"@example.com", "joe@example.com", "joe.doe+x@mail.example.com"} {
		s := &dkim.Signature{Domain: "example.com", Identity: identity, Selector: "s1", Algorithm: dkim.RSASHA256, Encoded: "ab/d+f12xxxx"}
		want := []property{{"header.d", "example.com"}, {"header.i", identity}, {"header.a", "rsa-sha256"},
			{"header.s", "s1"}, {"header.b", "ab/d+f12"}}
		for r, found := range askAll(t, all, written(t, signature(dkim.ReasonNone, s))) {
			if len(found) != 1 || found[0] == nil || len(found[0].results) != 1 {
				t.Fatalf("%s finds %+v", all[r].name, found[0])
			}
			properties := found[0].results[0].properties
			byName := func(a, b property) int { return strings.Compare(a.name, b.name) } // rspamd has no order
			slices.SortFunc(properties, byName)
			slices.SortFunc(want, byName)
			if !slices.Equal(properties, want) {
				t.Errorf("%s finds %+v", all[r].name, found[0])
			}
		}
	}
}

// testNoReaderFindsAnotherValue: whatever stands in a signature.
func testNoReaderFindsAnotherValue(t *testing.T, all []*reader) {
	mutants, read := 0, make([]int, len(all))
	campaign(t, func(m mutator) {
		var values [][]byte
		var signatures [][]dkim.Result
		var ends []int
		for range 300 {
			these := []dkim.Result{m.signature()}
			if m.IntN(4) == 0 {
				these = append(these, m.signature(), m.signature())
			}
			values = append(values, written(t, these...)...)
			signatures, ends = append(signatures, these), append(ends, len(values))
			mutants += len(these)
		}
		for r, found := range askAll(t, all, values) {
			begin := 0
			for i, end := range ends {
				if what := differs(found[begin:end], signatures[i]); what != "" {
					t.Errorf("%s finds %s in %q of %+v", all[r].name, what, values[begin:end], *signatures[i][0].Signature)
					return
				}
				for _, one := range found[begin:end] {
					if one != nil {
						read[r]++
					}
				}
				begin = end
			}
		}
	})
	for r := range all {
		t.Logf("%d signatures, of whose fields %s reads %d", mutants, all[r].name, read[r])
		if read[r]*4 < mutants/3 {
			t.Errorf("%s reads too few to prove anything", all[r].name)
		}
	}
}
