package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// zone is what the chain of trust says about a zone; immutable.
type zone struct {
	name     string
	keys     []*dns.DNSKEY // those that may sign; empty when insecure
	insecure bool          // proved not to be signed, or not in a way we can check
	// oblivious is the anchor's zone as seen through servers that know no DNSSEC.
	oblivious bool
	fetched   time.Time
}

// open tells whether the zone has no say about what lies in and below it, and what
// that makes of it.
func (z *zone) open() (Security, bool) {
	switch {
	case z.oblivious:
		return SecurityUnknown, true
	case z.insecure:
		return Insecure, true
	}
	return Secure, false
}

// cut says what lies at a name in the tree of zones.
type cut struct {
	zone    *zone // a zone begins here
	nothing bool  // the name does not exist: nothing begins below either
	// neither: the name belongs to the zone above it
}

type cutResult struct {
	cut cut
	err error
}

// insecureZone stands for all that lies below a delegation without DS.
var insecureZone = &zone{insecure: true}

// zoneOf gives the zone name lies in, going down from the closest trust anchor. Names
// below no anchor are insecure.
func (v *validator) zoneOf(ctx context.Context, name string) (*zone, error) {
	top, found := v.anchors.above(name)
	if !found {
		return insecureZone, nil
	}
	c, err := v.cached(ctx, top, func(ctx context.Context) (cut, time.Duration, error) {
		return v.anchored(ctx, top)
	})
	if err != nil {
		return nil, err
	}
	z := c.zone
	for labels := dns.CountLabel(top) + 1; labels <= dns.CountLabel(name); labels++ {
		if _, open := z.open(); open {
			return z, nil
		}
		child := lastLabels(name, labels)
		parent := z
		c, err := v.cached(ctx, child, func(ctx context.Context) (cut, time.Duration, error) {
			return v.delegated(ctx, parent, child)
		})
		switch {
		case err != nil:
			return nil, err
		case c.nothing:
			return z, nil
		case c.zone != nil:
			z = c.zone
		}
	}
	return z, nil
}

// cached finds a cut in the cache or works it out, once for all who ask.
func (v *validator) cached(ctx context.Context, name string, work func(context.Context) (cut, time.Duration, error)) (cut, error) {
	key := cacheKey{name: name}
	if c, _, ok := v.cuts.get(key, v.d.now()); ok {
		return c, nil
	}
	if err := take(&budgetOf(ctx).cuts); err != nil {
		return cut{}, err
	}
	r, err := v.flight.Do(ctx, name, v.d.workLimit(), func(ctx context.Context) cutResult {
		// Its own budget: who joins should not depend on what another has left.
		c, ttl, err := work(withCutBudget(ctx))
		if err == nil {
			v.cuts.put(key, c, c.cost(), v.life(ttl), v.d.now())
		}
		return cutResult{c, err}
	}, func(err error) cutResult { return cutResult{err: err} })
	if err != nil {
		return cut{}, &Error{Name: displayName(name), Kind: contextKind(ctx)}
	}
	return r.cut, r.err
}

func (c cut) cost() int {
	cost := 100
	if c.zone != nil {
		for _, key := range c.zone.keys {
			cost += 200 + len(key.PublicKey)
		}
	}
	return cost
}

// obliviousTime is how long servers without DNSSEC are taken to stay so.
const obliviousTime = 5 * time.Minute

// anchored is the zone of a trust anchor.
func (v *validator) anchored(ctx context.Context, name string) (cut, time.Duration, error) {
	a := v.anchors[name]
	z, ttl, err := v.keyed(ctx, name, a.ds, a.keys)
	var unsigned *unsignedError
	if errors.As(err, &unsigned) {
		v.warn(true, unsigned.server)
		return cut{zone: &zone{name: name, oblivious: true}}, obliviousTime, nil
	}
	if err == nil {
		v.warn(false, "")
	}
	return cut{zone: z}, ttl, err
}

// warn tells of a change in what the servers can do.
func (v *validator) warn(oblivious bool, server string) {
	if v.oblivious.Swap(oblivious) == oblivious || v.d.options.Warn == nil {
		return
	}
	if oblivious {
		v.d.options.Warn("name server " + server + " passes no DNSSEC signatures on: keys cannot be validated and count as unprotected")
		return
	}
	v.d.options.Warn("the name servers pass DNSSEC signatures on again: keys are validated")
}

// unsignedError is keys without any signature where there must be some.
type unsignedError struct{ zone, server string }

func (e *unsignedError) Error() string {
	return fmt.Sprintf("no signed DNSKEY records of %s came, though it should be signed", quote(displayName(e.zone)))
}

// delegated finds what lies at a name one label below a zone or within it: RFC 4035 §5.2.
func (v *validator) delegated(ctx context.Context, parent *zone, name string) (cut, time.Duration, error) {
	m, _, err := v.ask(ctx, name, dns.TypeDS)
	if err != nil {
		return cut{}, 0, err
	}
	now := v.d.now()
	if set := setOf(m.Answer, name, dns.TypeDS); len(set.records) > 0 {
		proof, err := parent.check(ctx, now, set)
		if err != nil {
			return cut{}, 0, err
		}
		if proof.wildcard != "" {
			return cut{}, 0, fmt.Errorf("%s DS is made from a wildcard", quote(displayName(name)))
		}
		return v.signedChild(ctx, name, set.records, proof.ttl)
	}
	// An alias can begin no zone.
	if set := setOf(m.Answer, name, dns.TypeCNAME); len(set.records) > 0 {
		proof, err := parent.check(ctx, now, set)
		return cut{}, proof.ttl, err
	}
	if dname := dnameFor(m, name, aliasTarget(m, name)); dname != "" {
		set := setOf(m.Answer, dname, dns.TypeDNAME)
		proof, err := parent.check(ctx, now, set)
		return cut{}, proof.ttl, err
	}
	records, err := v.denialOf(ctx, m, parent)
	if err != nil {
		return cut{}, 0, err
	}
	c, err := records.noDS(ctx, name)
	return c, records.ttl, err
}

func aliasTarget(m *dns.Msg, name string) string {
	h, err := hopAt(m, name, dns.TypeDS)
	if err != nil {
		return ""
	}
	return h.target
}

// signedChild is a zone whose DS records are proved.
func (v *validator) signedChild(ctx context.Context, name string, records []dns.RR, ttl time.Duration) (cut, time.Duration, error) {
	var list []*dns.DS
	strong := false
	for _, rr := range records {
		if ds, ok := rr.(*dns.DS); ok && supportedDS(ds) {
			list = append(list, ds)
			strong = strong || ds.DigestType != dns.SHA1
		}
	}
	if len(list) == 0 {
		// RFC 4035 §5.2: none we can follow means as good as unsigned.
		return cut{zone: insecureZone}, ttl, nil
	}
	if strong { // RFC 4509 §3: a SHA-1 digest does not count beside a better one
		kept := list[:0]
		for _, ds := range list {
			if ds.DigestType != dns.SHA1 {
				kept = append(kept, ds)
			}
		}
		list = kept
	}
	z, keyTTL, err := v.keyed(ctx, name, list, nil)
	return cut{zone: z}, min(ttl, keyTTL), err
}

// keyed asks for a zone's keys and verifies them by digests or keys that are trusted.
func (v *validator) keyed(ctx context.Context, name string, digests []*dns.DS, trusted []*dns.DNSKEY) (*zone, time.Duration, error) {
	m, s, err := v.ask(ctx, name, dns.TypeDNSKEY)
	if err != nil {
		return nil, 0, err
	}
	set := setOf(m.Answer, name, dns.TypeDNSKEY)
	if len(set.records) == 0 || len(set.sigs) == 0 {
		return nil, 0, &unsignedError{name, s.name}
	}
	z := &zone{name: name, fetched: v.d.now()}
	for _, rr := range set.records {
		if key, ok := rr.(*dns.DNSKEY); ok && usableKey(key) {
			z.keys = append(z.keys, key)
		}
	}
	// Only keys that are trusted already may vouch for the set.
	entry := &zone{name: name}
	for _, key := range z.keys {
		if isTrusted(key, digests, trusted) {
			entry.keys = append(entry.keys, key)
		}
	}
	if len(entry.keys) == 0 {
		return nil, 0, fmt.Errorf("none of the keys of %s is the one its parent zone or the trust anchor names", quote(displayName(name)))
	}
	proof, err := entry.check(ctx, v.d.now(), set)
	if err != nil {
		return nil, 0, err
	}
	return z, proof.ttl, nil
}

// isTrusted tells whether a key is one of those trusted, or has one of the digests.
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
