package policy

import (
	"context"
	"strings"

	"dojang/dkim"
	"dojang/taglist"
)

// maxTrustLookups bounds how many domains of one message's signatures are
// looked up in TrustSignaturesFrom.
const maxTrustLookups = 16

// findTrusted looks the signing domains of a message up in TrustSignaturesFrom.
func (v *Verdicts) findTrusted(ctx context.Context, p *Plan, f *Facts) error {
	set := v.TrustSignaturesFrom
	if set == nil || !p.Verify {
		return nil
	}
	p.Trusted = make(map[string]bool)
	fields := p.Header(f.Fields)
	for i, looked := 0, 0; i < fields.Len() && looked < maxTrustLookups; i++ {
		if !fields.At(i).Is(dkim.FieldName) {
			continue
		}
		tags, _ := taglist.Parse(fields.At(i).Value()) // a broken one may name its domain
		written := string(tags.Value("d"))
		if _, known := p.Trusted[written]; known {
			continue
		}
		looked++
		p.Trusted[written] = false
		domain, ok := dkim.ToASCII(written)
		if !ok {
			continue
		}
		trusted, err := containsDomain(ctx, set, domain)
		if err != nil {
			return err
		}
		p.Trusted[written], p.Trusted[domain] = trusted, trusted
	}
	return nil
}

// trusts reports whether a signing domain is one that was found in TrustSignaturesFrom,
// as it was written or as an A-label. Any number of signatures asks: nothing is converted.
func (p *Plan) trusts(domain string) bool {
	return p.Trusted[domain] || p.Trusted[strings.ToLower(domain)]
}

// counts reports whether a signature may decide a message's fate: when
// TrustSignaturesFrom is set, the author's domain, one above or below it, and
// those in the set. What a signature by somebody else is found to be is told
// all the same.
func (p *Plan) counts(s *dkim.Signature) bool {
	return p.Trusted == nil || p.trusts(s.Domain) || related(s.Domain, p.Author.Domain)
}

// related reports whether one domain is the other or lies above it.
func related(a, b string) bool {
	x, _ := dkim.ToASCII(a) // "" for what is no name
	y, _ := dkim.ToASCII(b)
	return x != "" && y != "" && (x == y || strings.HasSuffix(x, "."+y) || strings.HasSuffix(y, "."+x))
}
