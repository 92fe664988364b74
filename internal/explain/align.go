package explain

import (
	"strings"

	"golang.org/x/net/publicsuffix"

	"dojang/dkim"
	"dojang/header"
)

// Alignment says whether a signature's domain is the author's, as DMARC asks (RFC 7489
// §3.1.1).
type Alignment struct {
	Author         string `json:"author"`         // the domain of From, "" when it has none or several
	Organizational string `json:"organizational"` // the author's organizational domain (RFC 7489 §3.2)
	Strict         bool   `json:"strict"`         // d= is the author's domain
	Relaxed        bool   `json:"relaxed"`        // d= has the same organizational domain
}

// alignment compares d= with From. A From that is no single author's aligns with nothing.
func alignment(fields *header.List, domain string) Alignment {
	from, _, ok := fields.First("From")
	if !ok || fields.Count("From") > 1 {
		return Alignment{}
	}
	authors, err := header.Addresses(from.Value())
	if err != nil || len(authors) == 0 {
		return Alignment{}
	}
	author := ascii(authors[0].Domain)
	for _, a := range authors[1:] {
		if ascii(a.Domain) != author {
			return Alignment{}
		}
	}
	signer := ascii(domain)
	if author == "" || signer == "" {
		return Alignment{}
	}
	a := Alignment{Author: author, Organizational: organizational(author), Strict: author == signer}
	a.Relaxed = a.Strict || a.Organizational == organizational(signer)
	return a
}

func ascii(domain string) string {
	name, ok := dkim.ToASCII(domain)
	if !ok {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// organizational is the domain one label below the public suffix; a public suffix is its own.
func organizational(domain string) string {
	name, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return name
}
