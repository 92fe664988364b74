package keycheck

import (
	"errors"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"dojang/internal/keyrecord"
)

const maxNameOctets = 253

// canonicalName is a name in A-labels and lower case, without the final dot.
func canonicalName(name string) string {
	return strings.ToLower(strings.TrimSuffix(keyrecord.ASCII(name), "."))
}

func checkNames(selector, domain, record string) error {
	if err := keyrecord.CheckName("selector", selector); err != nil {
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

// registered is the name one label below the public suffix: what somebody owns.
func registered(name string) string {
	if r, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return r
	}
	return name
}

// SameDomain reports whether two names are the same, in whatever form each is written.
func SameDomain(a, b string) bool { return canonicalName(a) == canonicalName(b) }

// IsSubdomain reports whether name lies below domain, in whatever form each is written.
func IsSubdomain(name, domain string) bool {
	return strings.HasSuffix(canonicalName(name), "."+canonicalName(domain))
}
