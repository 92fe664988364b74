package resolver

import (
	"errors"

	"github.com/miekg/dns"
)

var (
	errEmptyName   = errors.New("the name is empty")
	errEmptyLabel  = errors.New("two dots in a row")
	errLongLabel   = errors.New("a label exceeds 63 octets")
	errLongName    = errors.New("the name exceeds 253 octets")
	errBadOctet    = errors.New("a character that cannot stand in a domain name (international names are looked up in their xn-- form)")
	maxLabelOctets = 63
	maxNameOctets  = 253
)

// canonical gives the name as cache key and question: absolute, lower case. It
// allocates nothing when the name is lower case and has its final dot.
//
// RFC 6376 §3.6.2.1: selector and domain are concatenated as they stand, so what comes
// in is text from a stranger. Octets that zone files would have to escape are refused
// instead: no host or key name has them.
func canonical(name string) (string, error) {
	if name == "" {
		return "", errEmptyName
	}
	if name == "." {
		return name, nil
	}
	label, upper := 0, false
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '.':
			if label == 0 {
				return "", errEmptyLabel
			}
			label = -1
		case c >= 'A' && c <= 'Z':
			upper = true
		case c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' || c == '\'' || c == '$':
			return "", errBadOctet
		}
		if label++; label > maxLabelOctets {
			return "", errLongLabel
		}
	}
	absolute := name[len(name)-1] == '.'
	if length := len(name); length > maxNameOctets+1 || length > maxNameOctets && !absolute {
		return "", errLongName
	}
	if absolute && !upper {
		return name, nil
	}
	return toFQDN(name, absolute), nil
}

func toFQDN(name string, absolute bool) string {
	b := make([]byte, 0, len(name)+1)
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	if !absolute {
		b = append(b, '.')
	}
	return string(b)
}

// sameName compares two names in miekg/dns's presentation form.
func sameName(a, b string) bool {
	return a == b || dns.CanonicalName(a) == dns.CanonicalName(b)
}
