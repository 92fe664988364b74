package dkim

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxDomainBytes is the length of the longest domain name (RFC 1035 §2.3.4).
const maxDomainBytes = 253

// maxLabelBytes is the length of the longest label (RFC 1035 §2.3.4).
const maxLabelBytes = 63

// ToASCII returns a domain in the form in which it is looked up and compared:
// lower case, U-labels as A-labels (RFC 8616 §5). ok is false when it has no
// such form, or one longer than a domain name may be: 253 octets, 63 a label.
func ToASCII(domain string) (name string, ok bool) {
	switch {
	case !fitsDomain(domain):
		return "", false
	case isASCII(domain):
		return strings.ToLower(domain), true
	}
	if len(domain) > maxDomainBytes {
		// Seldom, and for the most part of no name: one label shows that soonest.
		for label := range strings.SplitSeq(domain, ".") {
			if a, err := idna.Lookup.ToASCII(label); err != nil || !fitsDomain(a) {
				return "", false
			}
		}
	}
	name, err := idna.Lookup.ToASCII(domain)
	if err != nil || !fitsDomain(name) {
		return "", false
	}
	return name, true
}

// ToUnicode returns a domain with its A-labels as U-labels, for people and for tables
// that are written so. A domain that has no such form is returned in lower case.
func ToUnicode(domain string) string {
	domain = strings.ToLower(domain)
	if !fitsDomain(domain) {
		return domain
	}
	if name, err := idna.Lookup.ToUnicode(domain); err == nil {
		return name
	}
	return domain
}

// fitsDomain reports whether s, in either form, may be as long as a domain name
// may be: an A-label has at least one octet for each character of its U-label.
// It looks before anything is converted, since conversion takes time in the
// square of a label's length.
func fitsDomain(s string) bool {
	if len(s) > utf8.UTFMax*maxDomainBytes {
		return false
	}
	total, label := 0, 0
	for _, c := range s {
		switch c {
		case '.', '\u3002', '\uff0e', '\uff61': // UTS #46 §2.3: the dots of East Asia
			label = 0
		default:
			label++
		}
		if total++; total > maxDomainBytes || label > maxLabelBytes {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ErrName is wrapped by the errors about a signing domain or a selector that is no
// domain name.
var ErrName = errors.New("not a domain name")

// ValidDomain reports whether s can stand in d= and s= (RFC 6376 §3.5): labels of
// letters, digits, hyphens and (since people use them) underscores, or
// U-labels, no dot at either end, no longer than a name may be.
func ValidDomain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	s, ok := ToASCII(s)
	if !ok {
		return false
	}
	label := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		label++
	}
	return label > 0
}

// isWithin reports whether domain is parent or a subdomain of it.
func isWithin(domain, parent string) bool {
	d, ok1 := ToASCII(domain)
	p, ok2 := ToASCII(parent)
	if !ok1 || !ok2 {
		return false
	}
	return d == p || len(d) > len(p) && d[len(d)-len(p)-1] == '.' && strings.HasSuffix(d, p)
}
