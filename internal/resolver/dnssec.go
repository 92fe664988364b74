package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/flight"
	"dojang/internal/problem"
)

// validator judges answers by the chain of trust from the anchors: RFC 4033 to 4035,
// with RFC 5155 (NSEC3) and RFC 6840. The servers asked are the resolver's own; they
// need to pass signatures on, not to be believed.
type validator struct {
	d       *DNS
	anchors trustAnchors
	cuts    *cache[cut] // by name: what lies there in the tree of zones
	flight  flight.Group[string, cutResult]

	oblivious atomic.Bool // the servers pass no signatures on
}

const maxCuts = 8192

func newValidator(d *DNS, anchors trustAnchors) *validator {
	return &validator{d: d, anchors: anchors, cuts: newCache[cut](maxCuts)}
}

type checkingKey struct{}

// withChecking has the name servers check what they answer: see query.checked.
func withChecking(ctx context.Context) context.Context {
	return context.WithValue(ctx, checkingKey{}, true)
}

func isChecking(ctx context.Context) bool { return ctx.Value(checkingKey{}) != nil }

// positive judges one hop of an answer for name: its records or its alias. The life
// bounds how long they may be kept.
func (v *validator) positive(ctx context.Context, m *dns.Msg, name string, qtype uint16, h hop) (Security, life, error) {
	owner, rrtype := name, qtype
	if h.records == nil {
		owner, rrtype = dns.CanonicalName(h.alias.Header().Name), h.alias.Header().Rrtype
	}
	set := setOf(m.Answer, owner, rrtype)
	if rrtype == dns.TypeCNAME {
		// RFC 6672 §5.3.1: the alias made from a DNAME is not signed, the DNAME is.
		if len(set.sigs) == 0 {
			if dname := dnameFor(m, name, h.target); dname != "" {
				set = setOf(m.Answer, dname, dns.TypeDNAME)
			}
		}
	}
	z, proof, err := v.checkSet(ctx, set)
	if err != nil {
		return Bogus, life{}, err
	}
	if security, open := z.open(); open {
		return security, unbounded, nil
	}
	security := Secure
	if proof.wildcard != "" {
		security, err = v.wildcardAnswer(ctx, m, z, name, proof.wildcard)
	}
	return security, proof.life, err
}

// dnameFor finds the DNAME in an answer that makes name an alias of target.
func dnameFor(m *dns.Msg, name, target string) string {
	for _, rr := range m.Answer {
		dname, ok := rr.(*dns.DNAME)
		if !ok {
			continue
		}
		owner := dns.CanonicalName(dname.Hdr.Name)
		if owner == name || !dns.IsSubDomain(owner, name) {
			continue
		}
		if made, err := substitute(dname, name); err == nil && made == target {
			return owner
		}
	}
	return ""
}

// checkSet finds the zone a set is signed by and verifies it. A zone proved insecure
// vouches for nothing and needs no signature.
func (v *validator) checkSet(ctx context.Context, set rrset) (*zone, verified, error) {
	why := error(nil)
	for _, signer := range v.signers(set.sigs, set.owner) {
		z, err := v.zoneOf(ctx, signer)
		if err != nil {
			why = err
			continue
		}
		if _, open := z.open(); open {
			return z, verified{}, nil
		}
		var proof verified
		z, err = v.withFreshKeys(ctx, z, func(z *zone) (err error) {
			proof, err = z.check(ctx, v.d.now(), set)
			return err
		})
		if err == nil {
			z, err = v.holder(ctx, z, set)
		}
		if err == nil {
			return z, proof, nil
		}
		why = err
	}
	// Unsigned or wrongly signed: right only where the zone is not signed.
	z, err := v.zoneOf(ctx, set.owner)
	if err != nil {
		return nil, verified{}, err
	}
	if _, open := z.open(); open {
		return z, verified{}, nil
	}
	if why == nil {
		why = fmt.Errorf("%s is not signed, though the zone %s is", set, problem.Quote(displayName(z.name)))
	}
	return nil, verified{}, why
}

// holder gives the zone that holds a set which z signed: RFC 4035 §5.3.1 has that be
// the signer, and a parent's old signature may still be good when a child has taken the
// name over. Where it cannot be found out, z's word counts: z could make the child's keys.
func (v *validator) holder(ctx context.Context, z *zone, set rrset) (*zone, error) {
	name := set.owner
	if set.rrtype == dns.TypeCNAME { // RFC 1034 §3.6.2: an alias begins no zone
		name = parentOf(name)
	}
	if !dns.IsSubDomain(z.name, name) {
		return z, nil
	}
	holder, _ := v.zoneOf(ctx, name)
	if holder == nil {
		return z, nil
	}
	if _, open := holder.open(); open {
		return holder, nil
	}
	if dns.IsSubDomain(holder.name, z.name) { // z, or not found out
		return z, nil
	}
	return nil, fmt.Errorf("%s is signed by %s, but belongs to the zone %s", set, problem.Quote(displayName(z.name)),
		problem.Quote(displayName(holder.name)))
}

// staleAge is how old keys must be to be fetched again when a signature does not fit:
// a zone that lost its key cannot wait for the old ones to run out.
const staleAge = time.Minute

func (v *validator) stale(ctx context.Context, z *zone) bool {
	return v.d.now().Sub(z.fetched) >= staleAge || isChecking(ctx) && !z.checked
}

// withFreshKeys does work with a zone's keys, and once more with new ones when the old
// do not fit. It gives the zone that was worked with last.
func (v *validator) withFreshKeys(ctx context.Context, z *zone, work func(*zone) error) (*zone, error) {
	err := work(z)
	var failed *Error
	if err == nil || errors.Is(err, errBudget) || errors.As(err, &failed) || !v.stale(ctx, z) {
		return z, err
	}
	v.cuts.drop(cacheKey{name: z.name})
	fresh, err := v.zoneOf(ctx, z.name)
	if err != nil {
		return z, err
	}
	return fresh, work(fresh)
}

// signers lists the zones that signatures claim to be by, those that may sign for
// owner: at or above it and not above the closest trust anchor.
func (v *validator) signers(sigs []*dns.RRSIG, owner string) []string {
	top, _ := v.anchors.above(owner)
	const maxSigners = 2
	var list []string
	for _, sig := range sigs {
		signer := dns.CanonicalName(sig.SignerName)
		if !dns.IsSubDomain(signer, owner) || !dns.IsSubDomain(top, signer) || slices.Contains(list, signer) {
			continue
		}
		if list = append(list, signer); len(list) == maxSigners {
			break
		}
	}
	return list
}

// wildcardAnswer demands the proof that no closer name exists: RFC 4035 §5.3.4.
func (v *validator) wildcardAnswer(ctx context.Context, m *dns.Msg, z *zone, name, encloser string) (Security, error) {
	records, err := v.denialOf(ctx, m, z)
	if err != nil {
		return Bogus, err
	}
	security, ok, err := records.noCloserMatch(ctx, name, encloser)
	if err != nil {
		return Bogus, err
	}
	if !ok {
		return Bogus, fmt.Errorf("%s was made from a wildcard without proof that the name itself does not exist",
			problem.Quote(displayName(name)))
	}
	return security, nil
}

// negative judges that name has no records of a type, or does not exist. The life
// bounds how long that may be believed.
func (v *validator) negative(ctx context.Context, m *dns.Msg, name string, qtype uint16) (Security, life, error) {
	var sigs []*dns.RRSIG
	for _, rr := range m.Ns {
		if sig, ok := rr.(*dns.RRSIG); ok && (sig.TypeCovered == dns.TypeNSEC || sig.TypeCovered == dns.TypeNSEC3) {
			sigs = append(sigs, sig)
		}
	}
	why := error(nil)
	for _, signer := range v.signers(sigs, name) {
		z, err := v.zoneOf(ctx, signer)
		if err != nil {
			why = err
			continue
		}
		if security, open := z.open(); open {
			return security, unbounded, nil
		}
		var security Security
		var lasting life
		_, err = v.withFreshKeys(ctx, z, func(z *zone) (err error) {
			security, lasting, err = v.denied(ctx, m, z, name, qtype)
			return err
		})
		if err == nil {
			return security, lasting, nil
		}
		why = err
	}
	z, err := v.zoneOf(ctx, name)
	if err != nil {
		return Bogus, life{}, err
	}
	if security, open := z.open(); open {
		return security, unbounded, nil
	}
	if why == nil {
		why = fmt.Errorf("no proof that %s has no such record, though the zone %s is signed",
			problem.Quote(displayName(name)), problem.Quote(displayName(z.name)))
	}
	return Bogus, life{}, why
}

// denied checks the proof of a negative answer from a zone.
func (v *validator) denied(ctx context.Context, m *dns.Msg, z *zone, name string, qtype uint16) (Security, life, error) {
	records, err := v.denialOf(ctx, m, z)
	if err != nil {
		return Bogus, life{}, err
	}
	var security Security
	var ok bool
	if m.Rcode == dns.RcodeNameError {
		security, ok, err = records.noName(ctx, name)
		if !ok && err == nil && records.nsec3 == nil {
			// Some servers say NXDOMAIN for an empty non-terminal. What is proved counts.
			if security, ok, err = records.noType(ctx, name, qtype); ok {
				m.Rcode = dns.RcodeSuccess
			}
		}
	} else {
		security, ok, err = records.noType(ctx, name, qtype)
	}
	if err != nil {
		return Bogus, life{}, err
	}
	if !ok {
		return Bogus, life{}, fmt.Errorf("the proof that %s has no such record is not complete", problem.Quote(displayName(name)))
	}
	return security, records.life, nil
}

// ask is a query for the validator's own needs.
func (v *validator) ask(ctx context.Context, name string, qtype uint16, refuse func(*dns.Msg, *server) error) (*dns.Msg, *server, error) {
	m, s, fail := v.d.exchange(ctx, query{name: name, qtype: qtype, dnssec: true, checked: isChecking(ctx), refuse: refuse})
	if fail != nil {
		fail.Name = displayName(name) + " " + dns.TypeToString[qtype]
		return nil, nil, fail
	}
	return m, s, nil
}
