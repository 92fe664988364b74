package policy

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"dojang/authres"
	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/taglist"
)

// ATPS are the options about authorised third-party signatures (RFC 6541).
type ATPS struct {
	Domains dataset.Set // author domains whose consent is claimed when signing
	Hash    string      // sha256, sha1 or none
}

// claim notes whether our signatures claim the consent of the author's
// domain.
func (a *ATPS) claim(ctx context.Context, p *Plan) error {
	if len(p.Sign) == 0 {
		return nil
	}
	claimed, err := containsDomain(ctx, a.Domains, p.Author.domain())
	if claimed {
		p.ATPS = p.Author.domain()
	}
	return err
}

// tags are the tags of RFC 6541 §4.1. Compat(opendkim 2.11): their order.
func (a *ATPS) tags(p *Plan) [][2]string {
	domain, ok := dkim.ToASCII(p.ATPS)
	if !ok || !dkim.ValidDomain(domain) {
		return nil
	}
	return [][2]string{{"atpsh", a.Hash}, {"atps", domain}}
}

// atpsNames are the names at which the author's domain would publish its consent
// to a signature; none when the signature claims none, or another domain's.
//
// OpenDKIM asks for the hash with the padding of base32; RFC 4648 §3.2 leaves it
// to the protocol, and others publish without.
func atpsNames(s *dkim.Signature, author Author) []string {
	signer, ok := dkim.ToASCII(s.Domain)
	domain, _ := dkim.ToASCII(author.Domain)
	if !ok || signer == domain || !sameDomain(string(s.Tags.Value("atps")), domain) {
		return nil
	}
	label, ok := ATPSLabel(string(s.Tags.Value("atpsh")), signer)
	if !ok { // RFC 6541 §4.1: the tag must be there
		return nil
	}
	names := []string{label + "._atps." + domain}
	if bare := strings.TrimRight(label, "="); bare != label {
		names = append(names, bare+"._atps."+domain)
	}
	return names
}

// ATPSLabel is what a signer's domain, in small letters and A-labels, is called below
// _atps of those that authorize it (RFC 6541 §4.2). hash is atpsh=: sha256, sha1 or
// none; it reports false for any other.
func ATPSLabel(hash, signer string) (label string, ok bool) {
	var sum []byte
	switch hash {
	case "none":
		return signer, true
	case "sha1":
		h := sha1.Sum([]byte(signer))
		sum = h[:]
	case "sha256":
		h := sha256.Sum256([]byte(signer))
		sum = h[:]
	default:
		return "", false
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum)), true
}

// atpsConsents reports whether a record consents to a signer (RFC 6541 §4.4).
func atpsConsents(text, signer string) bool {
	tags, err := taglist.Parse([]byte(text))
	if err != nil || string(tags.Value("v")) != "ATPS1" {
		return false
	}
	d := tags.Value("d")
	return d == nil || sameDomain(string(d), signer)
}

func sameDomain(a, b string) bool {
	x, ok1 := dkim.ToASCII(a)
	y, ok2 := dkim.ToASCII(b)
	return ok1 && ok2 && x == y
}

// atpsMethod is the result of RFC 6541 §8.3, nil when no signature claims
// consent. Compat(opendkim 2.11): neutral is the word where nothing is
// published.
func atpsMethod(p *Plan, v *Verdict, judged []judgement) *authres.Method {
	rank := map[string]int{"": -1, "neutral": 0, "temperror": 1, "fail": 2, "pass": 3}
	best := ""
	for i := range judged {
		s := judged[i].Signature
		if !s.Tags.Has("atps") {
			continue
		}
		result := "neutral"
		if judged[i].Status == dkim.StatusPass {
			result = v.atps(s, p.Author)
		}
		if rank[result] > rank[best] {
			best = result
		}
	}
	if best == "" {
		return nil
	}
	return &authres.Method{Name: "dkim-atps", Result: best}
}

func (v *Verdict) atps(s *dkim.Signature, author Author) string {
	for _, name := range atpsNames(s, author) {
		answer := v.Answers[name]
		switch {
		case answer.Temporary:
			return "temperror"
		case len(answer.Texts) == 0:
			continue
		}
		for _, text := range answer.Texts {
			if atpsConsents(text, s.Domain) {
				return "pass"
			}
		}
		return "fail"
	}
	return "neutral"
}
