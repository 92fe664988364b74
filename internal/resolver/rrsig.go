package resolver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/problem"
)

// What one look-up may cost, whoever made the zones: CVE-2023-50387 ("KeyTrap") and
// CVE-2023-50868 are about validators without such bounds.
const (
	maxCutsPerLookup    = 48 // names at which a zone may begin; two queries each
	maxSignatureChecks  = 48 // public key operations, for the answer
	maxSignaturesPerCut = 12 // and for each cut
	maxNSEC3Hashes      = 48
	maxSignaturesPerSet = 8
	maxKeysPerSignature = 4
	maxDSPerZone        = 16
	maxDenialSets       = 16
	// maxNSEC3Iterations: RFC 9276 §3.2 lets validators take zones with more as
	// insecure; 150 is where BIND and unbound drew the line.
	maxNSEC3Iterations = 150
)

// budget is what is left of those limits for one look-up, or for the shared work on
// one cut. One goroutine works with it.
type budget struct {
	cuts, signatures, hashes int
}

type budgetKey struct{}

var errBudget = errors.New("validating it takes more work than any honest zone needs")

func withBudget(ctx context.Context) context.Context {
	return context.WithValue(ctx, budgetKey{}, &budget{maxCutsPerLookup, maxSignatureChecks, maxNSEC3Hashes})
}

func withCutBudget(ctx context.Context) context.Context {
	return context.WithValue(ctx, budgetKey{}, &budget{0, maxSignaturesPerCut, maxNSEC3Hashes})
}

func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	if b == nil {
		b = new(budget)
	}
	return b
}

func take(left *int) error {
	if *left <= 0 {
		return errBudget
	}
	*left--
	return nil
}

// supportedAlgorithm reports whether we check an algorithm's signatures: RFC 9904's without Ed448.
// Those with SHA-1 are left out: RFC 9905 §2 has validators treat zones that are signed
// with nothing better as insecure.
func supportedAlgorithm(algorithm uint8) bool {
	switch algorithm {
	case dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
		return true
	}
	return false
}

func supportedDS(ds *dns.DS) bool {
	switch ds.DigestType {
	case dns.SHA1, dns.SHA256, dns.SHA384:
		return supportedAlgorithm(ds.Algorithm)
	}
	return false
}

// isZoneKey reports whether a key may sign a zone's records, by an algorithm we know.
func isZoneKey(k *dns.DNSKEY) bool {
	return k.Flags&dns.ZONE != 0 && k.Flags&dns.REVOKE == 0 && k.Protocol == 3 && supportedAlgorithm(k.Algorithm)
}

// usableKey reports whether we can check a zone key's signatures, and would believe them.
func usableKey(k *dns.DNSKEY) bool {
	if k.Algorithm == dns.RSASHA256 || k.Algorithm == dns.RSASHA512 {
		return usableRSA(k.PublicKey)
	}
	return true
}

// usableRSA holds a key of RFC 3110 to what crypto/rsa and miekg/dns work with: 1,024
// to 4,096 bits, an odd exponent from 3 to 2^31-1. Less than 1,024 bits can be forged, and
// with the exponent 1 anything.
func usableRSA(encoded string) bool {
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < 3 {
		return false
	}
	exponent, rest := int(key[0]), key[1:]
	if exponent == 0 {
		exponent, rest = int(key[1])<<8|int(key[2]), key[3:]
	}
	if exponent == 0 || len(rest) <= exponent {
		return false
	}
	e, modulus := new(big.Int).SetBytes(rest[:exponent]), new(big.Int).SetBytes(rest[exponent:])
	// RFC 3110 §2 forbids zeros in front; miekg/dns refuses them.
	return exponent <= 4 && rest[0] != 0 && e.BitLen() >= 2 && e.BitLen() <= 31 && e.Bit(0) == 1 &&
		modulus.BitLen() >= 1024 && modulus.BitLen() <= 4096 && modulus.Bit(0) == 1
}

// rrset is records of one name and type with the signatures over them.
type rrset struct {
	owner   string // canonical
	rrtype  uint16
	records []dns.RR
	sigs    []*dns.RRSIG
}

// String names the set for people.
func (set rrset) String() string {
	return problem.Quote(displayName(set.owner)) + " " + dns.TypeToString[set.rrtype]
}

// setOf collects a set from a section.
func setOf(section []dns.RR, owner string, rrtype uint16) rrset {
	set := rrset{owner: owner, rrtype: rrtype}
	for _, rr := range section {
		header := rr.Header()
		if header.Class != dns.ClassINET || header.Rrtype != rrtype && header.Rrtype != dns.TypeRRSIG ||
			dns.CanonicalName(header.Name) != owner {
			continue
		}
		if sig, ok := rr.(*dns.RRSIG); ok {
			if sig.TypeCovered == rrtype {
				set.sigs = append(set.sigs, sig)
			}
			continue
		}
		if header.Name != owner { // RFC 4343: case does not tell names apart
			rr = dns.Copy(rr)
			rr.Header().Name = owner
		}
		set.records = append(set.records, rr)
	}
	return set
}

// life is how long something verified holds.
type life struct {
	ttl  time.Duration // by its TTLs: the options may stretch it
	left time.Duration // until the signature ends: nothing may stretch that
}

// noLimit is the life of what no signature bounds.
const noLimit = time.Duration(1<<63 - 1)

var unbounded = life{noLimit, noLimit}

func (l life) and(other life) life {
	return life{min(l.ttl, other.ttl), min(l.left, other.left)}
}

// verified is what a good signature says about a set.
type verified struct {
	life life
	// wildcard is the closest encloser below which "*" made the set, "" when the
	// owner itself is signed.
	wildcard string
}

// check verifies a set with a zone's keys: RFC 4035 §5.3.
func (z *zone) check(ctx context.Context, now time.Time, set rrset) (verified, error) {
	if len(set.records) == 0 || !dns.IsSubDomain(z.name, set.owner) {
		return verified{}, errors.New("no such records in the zone")
	}
	if len(set.sigs) == 0 {
		return verified{}, fmt.Errorf("%s is not signed", set)
	}
	why := fmt.Errorf("no signature over %s is by a key of %s", set, problem.Quote(displayName(z.name)))
	tried := 0
	for _, sig := range set.sigs {
		candidates := z.keys[keyTag{sig.Algorithm, sig.KeyTag}]
		if len(candidates) == 0 || dns.CanonicalName(sig.SignerName) != z.name || int(sig.Labels) > labelsSigned(set.owner) {
			continue
		}
		if !current(sig, now) {
			why = periodError(set, sig, now)
			continue
		}
		if tried++; tried > maxSignaturesPerSet {
			break
		}
		ok, err := verifyWith(ctx, candidates, sig, set.records)
		if err != nil {
			return verified{}, err
		}
		if ok {
			return set.verifiedBy(sig, now)
		}
		why = fmt.Errorf("the signature over %s by key %d of %s is wrong", set, sig.KeyTag, problem.Quote(displayName(z.name)))
	}
	return verified{}, why
}

// keyTag is what a signature says of its key; several keys may share it.
type keyTag struct {
	algorithm uint8
	tag       uint16
}

// keysByTag sorts keys, so that signatures by keys that are gone cost nothing.
func keysByTag(list []*dns.DNSKEY) map[keyTag][]*dns.DNSKEY {
	keys := make(map[keyTag][]*dns.DNSKEY, len(list))
	for _, key := range list {
		tag := keyTag{key.Algorithm, key.KeyTag()}
		if len(keys[tag]) < maxKeysPerSignature {
			keys[tag] = append(keys[tag], key)
		}
	}
	return keys
}

// verifyWith reports whether one of the keys made the signature; an error ends the look-up.
func verifyWith(ctx context.Context, keys []*dns.DNSKEY, sig *dns.RRSIG, records []dns.RR) (bool, error) {
	b := budgetOf(ctx)
	for _, key := range keys {
		if err := take(&b.signatures); err != nil {
			return false, err
		}
		if sig.Verify(key, records) == nil {
			return true, nil
		}
	}
	return false, nil
}

// current reports whether now lies within a signature's times: RFC 4034 §3.1.5. What ends
// more than 68 years ahead has ended.
func current(sig *dns.RRSIG, now time.Time) bool {
	return !now.Before(serialTime(sig.Inception, now)) && !now.After(serialTime(sig.Expiration, now))
}

func (set rrset) verifiedBy(sig *dns.RRSIG, now time.Time) (verified, error) {
	// RFC 4035 §5.3.3: no longer than the signature, nor than it says.
	seconds := min(minTTL(set.records), sig.OrigTtl, sig.Hdr.Ttl)
	v := verified{life: life{time.Duration(seconds) * time.Second, serialTime(sig.Expiration, now).Sub(now)}}
	if signed := labelsSigned(set.owner); int(sig.Labels) < signed {
		v.wildcard = lastLabels(set.owner, int(sig.Labels))
	}
	if v.wildcard != "" && set.rrtype == dns.TypeDNAME { // RFC 4592 §4.4: it has no meaning that all agree on
		return verified{}, fmt.Errorf("%s is made from a wildcard", set)
	}
	return v, nil
}

func periodError(set rrset, sig *dns.RRSIG, now time.Time) error {
	const layout = "2006-01-02 15:04:05 MST"
	inception, expiration := serialTime(sig.Inception, now), serialTime(sig.Expiration, now)
	if now.Before(inception) {
		return fmt.Errorf("the signature over %s is not valid before %s: is this machine's clock right?", set, inception.Format(layout))
	}
	return fmt.Errorf("the signature over %s expired on %s", set, expiration.Format(layout))
}

// serialTime reads a signature's time as RFC 4034 §3.1.5 has it: the one nearest to now.
func serialTime(seconds uint32, now time.Time) time.Time {
	return time.Unix(now.Unix()+int64(int32(seconds-uint32(now.Unix()))), 0).UTC()
}

// labelsSigned counts a name's labels as the RRSIG's Labels field does: RFC 4034 §3.1.3.
func labelsSigned(name string) int {
	n := dns.CountLabel(name)
	if strings.HasPrefix(name, "*.") {
		n--
	}
	return n
}

// lastLabels gives the ancestor of name with so many labels.
func lastLabels(name string, labels int) string {
	for dns.CountLabel(name) > labels {
		name = parentOf(name)
	}
	return name
}
