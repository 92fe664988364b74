package dkim

import (
	"testing"

	"dojang/header"
)

// TestConditionalSignatures: a signature of version 2 counts when the domain it
// names has signed too, by a signature that depends on none itself.
func TestConditionalSignatures(t *testing.T) {
	weak := func(domain, condition string) func(*SignOptions) {
		return func(o *SignOptions) {
			o.Domain, o.Condition, o.BodyLength = domain, condition, new(int64)
			o.Sign = NewHeaderSet("From", "Date", "Message-ID")
		}
	}
	full := func(domain string) func(*SignOptions) { return func(o *SignOptions) { o.Domain = domain } }
	original := []string{from, "Date: d", "Subject: s"}
	changed := []string{from, "Date: d", "Subject: [list] s"}
	wanted := VerifyOptions{Conditional: true}
	for _, c := range []struct {
		name   string
		o      VerifyOptions
		first  func(*SignOptions) // of the original, which is changed then
		second func(*SignOptions) // of what came of it; nil for none
		want   Reason             // of the first
	}{
		{"the list signs", wanted, weak("example.com", "list.example"), full("list.example"), ReasonNone},
		{"in capitals", wanted, weak("example.com", "List.example"), full("list.EXAMPLE"), ReasonNone},
		{"nobody signs", wanted, weak("example.com", "list.example"), nil, ReasonCondition},
		{"another signs", wanted, weak("example.com", "list.example"), full("other.example"), ReasonCondition},
		{"the list signs on a condition", wanted, weak("example.com", "list.example"), weak("list.example", "example.com"), ReasonCondition},
		{"not wanted", VerifyOptions{}, weak("example.com", "list.example"), full("list.example"), ReasonVersion},
		{"a usual one", wanted, full("example.com"), full("list.example"), ReasonBadSignature},
	} {
		once := signed(t, original, "Hello\r\n", c.first)
		fields := append([]string{string(once.At(0).Raw)}, changed...)
		message := new(header.List)
		for _, f := range fields {
			message.AddRaw([]byte(f))
		}
		if c.second != nil {
			message = signed(t, fields, "Hello\r\nfooter\r\n", c.second)
		}
		results := check(t, message, "Hello\r\nfooter\r\n", c.o, nil)
		if got := results[len(results)-1].Reason; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestMandatoryTags: what must be understood and is not makes a signature
// unusable, and version 1 has no such tags.
func TestMandatoryTags(t *testing.T) {
	const rest = "; a=rsa-sha256; d=example.com; s=sel; h=From; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA"
	for tags, want := range map[string]Reason{
		"v=2; !cd=list.example":        ReasonNone,
		"v=2; !cd=":                    ReasonVersion,
		"v=2; !cd=a b":                 ReasonVersion,
		"v=2":                          ReasonVersion,
		"v=2; !xx=1":                   ReasonVersion,
		"v=2; !cd=list.example; !xx=1": ReasonVersion,
		"v=1; !cd=list.example":        ReasonSyntax,
		"v=1; !=x":                     ReasonSyntax,
		"v=3; !cd=list.example":        ReasonVersion,
	} {
		s, err := ParseSignature([]byte(tags + rest))
		if want == ReasonNone && (err != nil || s.Condition != "list.example") || want != ReasonNone && err != error(want) {
			t.Errorf("%s: %v, want %v", tags, err, want)
		}
	}
}
