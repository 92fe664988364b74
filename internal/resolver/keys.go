package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"dojang/internal/problem"
)

// unsignedError is keys without any signature where there must be some, from every
// server that answered.
type unsignedError struct {
	zone    string
	servers []*server
}

func (e *unsignedError) Error() string {
	return fmt.Sprintf("no signed DNSKEY records of %s came, though it should be signed", problem.Quote(displayName(e.zone)))
}

var errUnsigned = errors.New("its answer has no signed DNSKEY records")

// askKeys asks for a zone's keys, one server after the other until they come signed.
func (v *validator) askKeys(ctx context.Context, name string) (rrset, *server, error) {
	var set rrset
	var bare []*server
	_, s, err := v.ask(ctx, name, dns.TypeDNSKEY, func(m *dns.Msg, s *server) error {
		if set = setOf(m.Answer, name, dns.TypeDNSKEY); len(set.records) == 0 || len(set.sigs) == 0 {
			bare = append(bare, s)
			return errUnsigned
		}
		return nil
	})
	switch {
	case err != nil && len(bare) > 0:
		return rrset{}, nil, &unsignedError{name, bare}
	case err != nil:
		return rrset{}, nil, err
	}
	for _, s := range bare { // those that do better are asked first
		s.setDown(v.d.now())
	}
	return set, s, nil
}

// keyed asks for a zone's keys and verifies them by digests or keys that are trusted.
func (v *validator) keyed(ctx context.Context, name string, digests []*dns.DS, trusted []*dns.DNSKEY) (*zone, life, error) {
	set, s, err := v.askKeys(ctx, name)
	if err != nil {
		return nil, life{}, err
	}
	var usable, unusable []*dns.DNSKEY
	for _, rr := range set.records {
		key, ok := rr.(*dns.DNSKEY)
		switch {
		case !ok || !isZoneKey(key):
		case usableKey(key):
			usable = append(usable, key)
		default:
			unusable = append(unusable, key)
		}
	}
	// Only keys that are trusted already may vouch for the set.
	var named []*dns.DNSKEY
	for _, key := range usable {
		if isTrusted(key, digests, trusted) {
			named = append(named, key)
		}
	}
	if len(named) == 0 {
		if len(trusted) == 0 && allNamed(digests, unusable) {
			return insecureZone, unbounded, nil
		}
		return nil, life{}, fmt.Errorf("none of the keys of %s is the one its parent zone or the trust anchor names",
			problem.Quote(displayName(name)))
	}
	entry := &zone{name: name, keys: keysByTag(named)}
	proof, err := entry.check(ctx, v.d.now(), set)
	if err != nil {
		return nil, life{}, err
	}
	s.setSigns(v.d.now())
	if len(unusable) > 0 {
		// The zone's own word: some of its records may be signed by these alone.
		return insecureZone, proof.life, nil
	}
	z := &zone{name: name, keys: keysByTag(usable), fetched: v.d.now(), checked: isChecking(ctx)}
	return z, proof.life, nil
}

// allNamed reports whether each digest is of one of the keys: a zone whose every way in is
// a key we cannot use is as good as one with an algorithm we do not know, RFC 4035 §5.2.
func allNamed(digests []*dns.DS, keys []*dns.DNSKEY) bool {
	if len(digests) == 0 || len(digests) > maxDSPerZone {
		return false
	}
	for _, ds := range digests {
		named := func(key *dns.DNSKEY) bool { return isTrusted(key, []*dns.DS{ds}, nil) }
		if !slices.ContainsFunc(keys, named) {
			return false
		}
	}
	return true
}

// isTrusted reports whether a key is one of those trusted, or has one of the digests.
func isTrusted(key *dns.DNSKEY, digests []*dns.DS, trusted []*dns.DNSKEY) bool {
	for _, known := range trusted {
		if known.Algorithm == key.Algorithm && known.PublicKey == key.PublicKey {
			return true
		}
	}
	tag := key.KeyTag()
	for _, ds := range digests[:min(len(digests), maxDSPerZone)] {
		if ds.KeyTag != tag || ds.Algorithm != key.Algorithm {
			continue
		}
		if made := key.ToDS(ds.DigestType); made != nil && strings.EqualFold(made.Digest, ds.Digest) {
			return true
		}
	}
	return false
}

// strips returns nil for servers that know no DNSSEC, and unsigned for those that pass
// signatures on and left out an anchor's, or had them left out.
func (v *validator) strips(ctx context.Context, name string, unsigned *unsignedError) error {
	if top, found := v.anchors.above(parentOf(name)); found && top != name {
		// The anchor above shows what the servers can do; an error shows nothing.
		_, _, _ = v.keyed(ctx, top, v.anchors[top].ds, v.anchors[top].keys)
	}
	now := v.d.now()
	for _, s := range unsigned.servers {
		if s.signs(now) {
			return unsigned
		}
	}
	return nil
}
