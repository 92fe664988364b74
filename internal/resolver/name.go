package resolver

import (
	"errors"
	"strings"

	"github.com/miekg/dns"
)

var (
	errEmptyName  = errors.New("the name is empty")
	errEmptyLabel = errors.New("two dots in a row")
	errLongLabel  = errors.New("a label exceeds 63 octets")
	errLongName   = errors.New("the name exceeds 253 octets")
	errBadOctet   = errors.New("a character that cannot stand in a domain name (international names are looked up in their xn-- form)")
)

const (
	maxLabelOctets = 63
	maxNameOctets  = 253
	// escapedOctets are those miekg/dns writes with a backslash.
	escapedOctets = `"\'();@$`
)

// plain gives the name as cache key: lower case, no final dot, "" for the root. It
// allocates nothing when the name is in lower case.
//
// RFC 6376 §3.6.2.1: selector and domain are concatenated as they stand, so what comes
// in is text from a stranger. Octets that zone files would have to escape are refused
// instead: no host or key name has them.
func plain(name string) (string, error) {
	if name == "" {
		return "", errEmptyName
	}
	if name == "." {
		return "", nil
	}
	if name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	if len(name) > maxNameOctets {
		return "", errLongName
	}
	label, upper := 0, false
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '.' {
			if label == 0 {
				return "", errEmptyLabel
			}
			label = 0
			continue
		}
		if label++; label > maxLabelOctets {
			return "", errLongLabel
		}
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_':
		case c >= 'A' && c <= 'Z':
			upper = true
		case c <= ' ' || c >= 0x7f || strings.IndexByte(escapedOctets, c) >= 0:
			return "", errBadOctet
		}
	}
	if label == 0 {
		return "", errEmptyLabel
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, nil
}

// canonical gives the name as miekg/dns writes it: absolute, lower case.
func canonical(name string) (string, error) {
	key, err := plain(name)
	return key + ".", err
}

// sameName compares two names in miekg/dns's presentation form.
func sameName(a, b string) bool {
	return a == b || dns.CanonicalName(a) == dns.CanonicalName(b)
}

// parentOf takes the first label off a canonical name.
func parentOf(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// displayName is a name as people write it: without the final dot.
func displayName(name string) string {
	if len(name) > 1 && name[len(name)-1] == '.' {
		return name[:len(name)-1]
	}
	return name
}
