package resolver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
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

// supportedAlgorithm tells the signature algorithms we can check: RFC 8624 §3.1's
// without Ed448.
func supportedAlgorithm(algorithm uint8) bool {
	switch algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
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

// usableKey tells whether a key may sign a zone's records and we can check it.
func usableKey(k *dns.DNSKEY) bool {
	if k.Flags&dns.ZONE == 0 || k.Flags&dns.REVOKE != 0 || k.Protocol != 3 {
		return false
	}
	switch k.Algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512:
		return usableRSA(k.PublicKey)
	}
	return supportedAlgorithm(k.Algorithm)
}

// usableRSA holds a key of RFC 3110 to what crypto/rsa and miekg/dns work with:
// 1,024 to 4,096 bits.
func usableRSA(encoded string) bool {
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < 3 {
		return false
	}
	exponent, rest := int(key[0]), key[1:]
	if exponent == 0 {
		exponent, rest = int(key[1])<<8|int(key[2]), key[3:]
	}
	if exponent == 0 || exponent > 4 || len(rest) <= exponent {
		return false
	}
	modulus := len(rest) - exponent
	return modulus >= 1024/8 && modulus <= 4096/8
}

// rrset is records of one name and type with the signatures over them.
type rrset struct {
	owner   string // canonical
	rrtype  uint16
	records []dns.RR
	sigs    []*dns.RRSIG
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
		set.records = append(set.records, rr)
	}
	return set
}

// verified is what a good signature says about a set.
type verified struct {
	ttl time.Duration
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
		return verified{}, fmt.Errorf("%s %s is not signed", quote(displayName(set.owner)), dns.TypeToString[set.rrtype])
	}
	problem := fmt.Errorf("no signature over %s %s is by a key of %s", quote(displayName(set.owner)), dns.TypeToString[set.rrtype], quote(displayName(z.name)))
	b := budgetOf(ctx)
	for _, sig := range set.sigs[:min(len(set.sigs), maxSignaturesPerSet)] {
		if dns.CanonicalName(sig.SignerName) != z.name || int(sig.Labels) > labelsSigned(set.owner) {
			continue
		}
		if !sig.ValidityPeriod(now) {
			problem = periodError(set, sig, now)
			continue
		}
		tried := 0
		for _, key := range z.keys {
			if key.Algorithm != sig.Algorithm || key.KeyTag() != sig.KeyTag {
				continue
			}
			if tried++; tried > maxKeysPerSignature {
				break
			}
			if err := take(&b.signatures); err != nil {
				return verified{}, err
			}
			if err := sig.Verify(key, set.records); err != nil {
				problem = fmt.Errorf("the signature over %s %s by key %d of %s is wrong", quote(displayName(set.owner)), dns.TypeToString[set.rrtype], sig.KeyTag, quote(displayName(z.name)))
				continue
			}
			return set.verifiedBy(sig, now), nil
		}
	}
	return verified{}, problem
}

func (set rrset) verifiedBy(sig *dns.RRSIG, now time.Time) verified {
	// RFC 4035 §5.3.3: no longer than the signature, nor than it says.
	seconds := min(minTTL(set.records), sig.OrigTtl, sig.Hdr.Ttl)
	left := time.Duration(int32(sig.Expiration-uint32(now.Unix()))) * time.Second
	v := verified{ttl: min(time.Duration(seconds)*time.Second, max(left, 0))}
	if signed := labelsSigned(set.owner); int(sig.Labels) < signed {
		v.wildcard = lastLabels(set.owner, int(sig.Labels))
	}
	return v
}

func periodError(set rrset, sig *dns.RRSIG, now time.Time) error {
	const layout = "2006-01-02 15:04:05 MST"
	inception, expiration := serialTime(sig.Inception, now), serialTime(sig.Expiration, now)
	what := quote(displayName(set.owner)) + " " + dns.TypeToString[set.rrtype]
	if now.Before(inception) {
		return fmt.Errorf("the signature over %s is not valid before %s: is this machine's clock right?", what, inception.Format(layout))
	}
	return fmt.Errorf("the signature over %s expired on %s", what, expiration.Format(layout))
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
