package dkim

import (
	"strings"
	"testing"

	"dojang/header"
)

// TestNamesAreLookedAtBeforeWork: a name that is too long is none, and nothing is made of
// it before that is seen.
func TestNamesAreLookedAtBeforeWork(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := label + "." + label + "." + label + "." + strings.Repeat("a", 61)
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{long, true},
		{long + "a", false},
		{label + ".example", true},
		{label + "a.example", false},
		{strings.Repeat("a.", 126) + "a", true},
		{strings.Repeat("a.", 127) + "a", false},
		{"bücher.example", true},
		{"bücher。example", true},
		{strings.Repeat("ü", 56) + ".example", true}, // an A-label of 63 octets
		{strings.Repeat("ü", 63) + ".example", false},
		{strings.Repeat("ü", 64) + ".example", false},
		{strings.Repeat("ü.", 60) + "example", false}, // 9 octets each
	} {
		if a, ok := ToASCII(c.name); ok != c.ok || ok && len(a) > 253 {
			t.Errorf("%.80q (%d): %d octets, %v", c.name, len(c.name), len(a), ok)
		}
	}
	var b strings.Builder
	for i := range 20_000 {
		b.WriteRune(rune(0x4e00 + i))
	}
	huge := b.String()
	if n := testing.AllocsPerRun(3, func() { ToASCII(huge) }); n > 0 {
		t.Errorf("%v allocations for a name of %d octets", n, len(huge))
	}
	if ToUnicode("A"+huge) != "a"+huge {
		t.Error("a name of 60,000 octets has a Unicode form")
	}
}

// TestIdentityIsBounded: opendkim calls i= of more than 255 octets invalid.
func TestIdentityIsBounded(t *testing.T) {
	const rest = "v=1; a=rsa-sha256; d=example.com; s=s; h=from; bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA; i="
	for _, c := range []struct {
		identity string
		ok       bool
	}{
		{strings.Repeat("a", 243) + "@example.com", true},
		{strings.Repeat("a", 244) + "@example.com", false},
		{strings.Repeat("=61", 243) + "@example.com", true},
		{strings.Repeat("=61", 244) + "@example.com", false},
		{strings.Repeat("a \r\n ", 243) + "@example.com", true},
		{strings.Repeat("=61", 20_000) + "@example.com", false},
	} {
		_, err := ParseSignature([]byte(rest + c.identity))
		if (err == nil) != c.ok || err != nil && err != ReasonIdentityInvalid {
			t.Errorf("%.20q… of %d octets: %v", c.identity, len(c.identity), err)
		}
	}
}

// TestFromIsAlwaysSigned: RFC 6376 §5.4 names From in h=, also where there is none.
func TestFromIsAlwaysSigned(t *testing.T) {
	for fields, want := range map[string]string{
		"Subject: x":                        "Subject:From",
		"Subject: x\nFrom: a@example.com":   "Subject:From",
		"Subject: x\nfrom : a@example.com":  "Subject:from",
		"X-Other: x":                        "From",
		"From: a\nFrom: b\nSubject: nobody": "From:From:Subject",
	} {
		l := new(header.List)
		for f := range strings.SplitSeq(fields, "\n") {
			l.AddRaw([]byte(f))
		}
		s := Signer{fields: l, o: SignOptions{}}
		names, _ := s.selectFields()
		if got := strings.Join(names, ":"); got != want {
			t.Errorf("%q: h=%s, want %s", fields, got, want)
		}
	}
}
