package keycheck

import (
	"errors"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"dojang/internal/keyrecord"
)

const maxNameOctets = 253

func checkNames(selector, domain, record string) error {
	if err := keyrecord.CheckSelector(selector); err != nil {
		return err
	}
	if err := keyrecord.CheckName("domain", domain); err != nil {
		return err
	}
	if len(record) > maxNameOctets {
		return errors.New("the record's name exceeds 253 octets")
	}
	return nil
}

// fromWire is a name of a DNS message as reports have it.
func fromWire(name string) string {
	name = dns.CanonicalName(name)
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// isBelow reports whether name is zone or lies below it.
func isBelow(name, zone string) bool {
	return zone == "." || name == zone || strings.HasSuffix(name, "."+zone)
}

func labels(name string) int {
	if name == "." {
		return 0
	}
	return strings.Count(name, ".") + 1
}

// lastLabels is the last n labels of a name, "." for none.
func lastLabels(name string, n int) string {
	if n == 0 {
		return "."
	}
	for labels(name) > n {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}

// registered is the name that somebody registered at a registry: one label below a
// public suffix of ICANN's. What lies below the suffix of a hoster's need not be there.
func registered(name string) string {
	for n := 1; n <= labels(name); n++ {
		own := lastLabels(name, n)
		suffix, icann := publicsuffix.PublicSuffix(own)
		if labels(suffix) < n || !icann && n > 1 {
			return own
		}
	}
	return name
}

// SameDomain reports whether two names are the same, in whatever form each is written.
func SameDomain(a, b string) bool { return keyrecord.Canonical(a) == keyrecord.Canonical(b) }

// IsSubdomain reports whether name lies below domain, in whatever form each is written.
func IsSubdomain(name, domain string) bool {
	return strings.HasSuffix(keyrecord.Canonical(name), "."+keyrecord.Canonical(domain))
}
