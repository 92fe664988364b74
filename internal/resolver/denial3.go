package resolver

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

const optOut = 1 // RFC 5155 §3.1.2.1

// hashed is the verified NSEC3 records of one zone with the same parameters.
type hashed struct {
	zone       string
	salt       string
	iterations uint16
	records    []*dns.NSEC3
	owners     []string          // the hash in each record's name, upper case
	hashes     map[string]string // by name
}

// newHashed takes the parameters of a record, nil where they are unknown to us:
// RFC 5155 §8.1 has such records ignored.
func newHashed(zone string, rr *dns.NSEC3) *hashed {
	if rr.Hash != dns.SHA1 || rr.Flags&^optOut != 0 {
		return nil
	}
	return &hashed{zone: zone, salt: rr.Salt, iterations: rr.Iterations, hashes: make(map[string]string)}
}

func (h *hashed) add(rr *dns.NSEC3) {
	owner := dns.CanonicalName(rr.Hdr.Name)
	if rr.Hash != dns.SHA1 || rr.Flags&^optOut != 0 || rr.Salt != h.salt || rr.Iterations != h.iterations ||
		owner == h.zone || parentOf(owner) != h.zone {
		return
	}
	h.records = append(h.records, rr)
	h.owners = append(h.owners, strings.ToUpper(dns.SplitDomainName(owner)[0]))
}

// costly reports whether hashing is dearer than we will pay; the zone then counts as insecure.
func (h *hashed) costly() bool { return h.iterations > maxNSEC3Iterations }

func (h *hashed) hash(ctx context.Context, name string) (string, error) {
	if hash, done := h.hashes[name]; done {
		return hash, nil
	}
	if err := take(&budgetOf(ctx).hashes); err != nil {
		return "", err
	}
	hash := dns.HashName(name, dns.SHA1, h.iterations, h.salt)
	if hash == "" {
		return "", errors.New("a name cannot be hashed")
	}
	h.hashes[name] = hash
	return hash, nil
}

func (h *hashed) matching(ctx context.Context, name string) (*dns.NSEC3, error) {
	hash, err := h.hash(ctx, name)
	if err != nil {
		return nil, err
	}
	for i, owner := range h.owners {
		if owner == hash {
			return h.records[i], nil
		}
	}
	return nil, nil
}

func (h *hashed) covering(ctx context.Context, name string) (*dns.NSEC3, error) {
	hash, err := h.hash(ctx, name)
	if err != nil {
		return nil, err
	}
	for i, owner := range h.owners {
		next := strings.ToUpper(h.records[i].NextDomain)
		within := owner < hash && hash < next
		last := next <= owner && (hash > owner || hash < next)
		if within || last {
			return h.records[i], nil
		}
	}
	return nil, nil
}

// closest is the closest encloser proof of RFC 5155 §8.3: an ancestor that exists, and
// the record covering the next closer name, which therefore does not. found is
// false when there is no such proof.
func (h *hashed) closest(ctx context.Context, name string) (encloser string, cover *dns.NSEC3, found bool, err error) {
	for next := name; next != h.zone && next != "."; {
		ancestor := parentOf(next)
		rr, err := h.matching(ctx, ancestor)
		if err != nil {
			return "", nil, false, err
		}
		if rr != nil {
			if isDelegation(rr.TypeBitMap) || slices.Contains(rr.TypeBitMap, dns.TypeDNAME) {
				return "", nil, false, nil
			}
			cover, err = h.covering(ctx, next)
			return ancestor, cover, cover != nil, err
		}
		next = ancestor
	}
	return "", nil, false, nil
}

// weakened is Insecure where the proof rests on an opt-out: an unsigned delegation may
// lie in the gap.
func weakened(cover *dns.NSEC3) Security {
	if cover.Flags&optOut != 0 {
		return Insecure
	}
	return Secure
}

// noName is RFC 5155 §8.4.
func (h *hashed) noName(ctx context.Context, name string) (Security, bool, error) {
	if h.costly() {
		return Insecure, true, nil
	}
	encloser, cover, found, err := h.closest(ctx, name)
	if err != nil || !found {
		return Bogus, false, err
	}
	wildcard, err := h.covering(ctx, wildcardOf(encloser))
	return weakened(cover), wildcard != nil, err
}

// noType is RFC 5155 §8.5 to §8.7.
func (h *hashed) noType(ctx context.Context, name string, qtype uint16) (Security, bool, error) {
	if h.costly() {
		return Insecure, true, nil
	}
	rr, err := h.matching(ctx, name)
	if err != nil {
		return Bogus, false, err
	}
	if rr != nil {
		return Secure, lacks(rr.TypeBitMap, name, qtype), nil
	}
	encloser, cover, found, err := h.closest(ctx, name)
	if err != nil || !found {
		return Bogus, false, err
	}
	wildcard, err := h.matching(ctx, wildcardOf(encloser))
	if err != nil {
		return Bogus, false, err
	}
	if wildcard != nil {
		return weakened(cover), lacks(wildcard.TypeBitMap, wildcardOf(encloser), qtype), nil
	}
	// An empty non-terminal above unsigned delegations only has no record of its own.
	return Insecure, cover.Flags&optOut != 0, nil
}

// noCloserMatch is RFC 5155 §8.8.
func (h *hashed) noCloserMatch(ctx context.Context, name, encloser string) (Security, bool, error) {
	if h.costly() {
		return Insecure, true, nil
	}
	next := lastLabels(name, dns.CountLabel(encloser)+1)
	cover, err := h.covering(ctx, next)
	if err != nil || cover == nil {
		return Bogus, false, err
	}
	return weakened(cover), true, nil
}

// noDS is RFC 5155 §8.6 as seen from the parent.
func (h *hashed) noDS(ctx context.Context, name string) (cut, error) {
	if h.costly() {
		return cut{zone: insecureZone}, nil
	}
	rr, err := h.matching(ctx, name)
	if err != nil {
		return cut{}, err
	}
	if rr != nil {
		return cutFromTypes(rr.TypeBitMap)
	}
	_, cover, found, err := h.closest(ctx, name)
	switch {
	case err != nil:
		return cut{}, err
	case !found:
		return cut{}, errNotDenied
	case cover.Flags&optOut != 0:
		return cut{zone: insecureZone}, nil
	}
	return cut{nothing: true}, nil
}
