package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/problem"
)

// zone is what the chain of trust says about a zone; immutable.
type zone struct {
	name     string
	keys     map[keyTag][]*dns.DNSKEY // those that may sign; empty when insecure
	insecure bool                     // proved not to be signed, or not in a way we can check
	// oblivious is the anchor's zone as seen through servers that know no DNSSEC.
	oblivious bool
	fetched   time.Time
	checked   bool // fetched with query.checked
}

// open reports whether the zone has no say about what lies in and below it, and what
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
// below no anchor are insecure. With an error comes the last zone found, or nil.
func (v *validator) zoneOf(ctx context.Context, name string) (*zone, error) {
	top, found := v.anchors.above(name)
	if !found {
		return insecureZone, nil
	}
	c, err := v.cached(ctx, top, func(ctx context.Context) (cut, life, error) {
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
		var c cut
		z, err = v.withFreshKeys(ctx, z, func(parent *zone) (err error) {
			c, err = v.cached(ctx, child, func(ctx context.Context) (cut, life, error) {
				return v.delegated(ctx, parent, child)
			})
			return err
		})
		switch {
		case err != nil:
			return z, err
		case c.nothing:
			return z, nil
		case c.zone != nil:
			z = c.zone
		}
	}
	return z, nil
}

// cached finds a cut in the cache or works it out, once for all who ask.
func (v *validator) cached(ctx context.Context, name string, work func(context.Context) (cut, life, error)) (cut, error) {
	key := cacheKey{name: name}
	if c, _, ok := v.cuts.get(key, v.d.now()); ok {
		return c, nil
	}
	if err := take(&budgetOf(ctx).cuts); err != nil {
		return cut{}, err
	}
	shared := name
	if isChecking(ctx) { // it should not join what has been found wrong
		shared = "checked " + name
	}
	r, err := v.flight.Do(ctx, shared, v.d.workLimit(), func(ctx context.Context) cutResult {
		// Its own budget: who joins should not depend on what another has left.
		c, lasting, err := work(withCutBudget(ctx))
		if err == nil {
			v.cuts.put(key, c, c.cost(), v.keep(c, lasting), v.d.now())
		}
		return cutResult{c, err}
	}, func(err error) cutResult { return cutResult{err: err} })
	if err != nil {
		return cut{}, &Error{Name: displayName(name), Kind: contextKind(ctx)}
	}
	return r.cut, r.err
}

// keep is how long a finding about a zone is kept. That none begins at a name is an
// absence: who delegates it should not wait for the record before it to run out.
func (v *validator) keep(c cut, lasting life) time.Duration {
	o := v.d.options
	most := o.MaxTTL
	if c.zone == nil {
		most = min(most, o.NegativeTTL)
	}
	return min(max(lasting.ttl, o.MinTTL, time.Second), most, lasting.left)
}

func (c cut) cost() int {
	cost := 100
	if c.zone != nil {
		for _, keys := range c.zone.keys {
			for _, key := range keys {
				cost += 200 + len(key.PublicKey)
			}
		}
	}
	return cost
}

// obliviousTime is how long servers without DNSSEC are taken to stay so.
const obliviousTime = 5 * time.Minute

// anchored is the zone of a trust anchor.
func (v *validator) anchored(ctx context.Context, name string) (cut, life, error) {
	a := v.anchors[name]
	z, lasting, err := v.keyed(ctx, name, a.ds, a.keys)
	var unsigned *unsignedError
	if errors.As(err, &unsigned) {
		if err := v.strips(ctx, name, unsigned); err != nil {
			return cut{}, life{}, err
		}
		v.warn(true, unsigned.servers[0].name)
		return cut{zone: &zone{name: name, oblivious: true}}, life{obliviousTime, noLimit}, nil
	}
	if err == nil {
		v.warn(false, "")
	}
	return cut{zone: z}, lasting, err
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

// delegated finds what lies at a name one label below a zone or within it: RFC 4035 §5.2.
func (v *validator) delegated(ctx context.Context, parent *zone, name string) (cut, life, error) {
	m, _, err := v.ask(ctx, name, dns.TypeDS, nil)
	if err != nil {
		return cut{}, life{}, err
	}
	if set := setOf(m.Answer, name, dns.TypeDS); len(set.records) > 0 {
		proof, err := parent.check(ctx, v.d.now(), set)
		if err != nil {
			return cut{}, life{}, err
		}
		if proof.wildcard != "" {
			return cut{}, life{}, fmt.Errorf("%s DS is made from a wildcard", problem.Quote(displayName(name)))
		}
		return v.signedChild(ctx, name, set.records, proof.life)
	}
	// The alias of a DNAME is not signed, the DNAME is.
	alias := setOf(m.Answer, name, dns.TypeCNAME)
	if len(alias.sigs) == 0 {
		h, _ := hopAt(m, name, dns.TypeDS) // without target where that would be too long
		if dname := dnameFor(m, name, h.target); dname != "" {
			alias = setOf(m.Answer, dname, dns.TypeDNAME)
		}
	}
	if len(alias.records) > 0 {
		return v.aliased(ctx, m, parent, name, alias)
	}
	records, err := v.denialOf(ctx, m, parent)
	if err != nil {
		return cut{}, life{}, err
	}
	c, err := records.noDS(ctx, name)
	return c, records.life, err
}

// aliased is what lies at a name that is an alias: no zone, once it is proved that the
// name has no more than a wildcard makes of it.
func (v *validator) aliased(ctx context.Context, m *dns.Msg, parent *zone, name string, alias rrset) (cut, life, error) {
	proof, err := parent.check(ctx, v.d.now(), alias)
	if err != nil || proof.wildcard == "" {
		return cut{}, proof.life, err
	}
	security, err := v.wildcardAnswer(ctx, m, parent, name, proof.wildcard)
	if err != nil {
		return cut{}, life{}, err
	}
	if security != Secure { // an unsigned delegation may lie there: RFC 5155 §6
		return cut{zone: insecureZone}, proof.life, nil
	}
	return cut{}, proof.life, nil
}

// signedChild is a zone whose DS records are proved.
func (v *validator) signedChild(ctx context.Context, name string, records []dns.RR, lasting life) (cut, life, error) {
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
		return cut{zone: insecureZone}, lasting, nil
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
	z, keyLife, err := v.keyed(ctx, name, list, nil)
	return cut{zone: z}, lasting.and(keyLife), err
}
