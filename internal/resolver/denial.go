package resolver

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/miekg/dns"
)

// denial is the verified NSEC or NSEC3 records of an answer: proof of what is not.
type denial struct {
	zone  *zone
	nsec  []*nsec
	nsec3 *hashed // nil when there are none
	life  life
}

var errNoDenial = errors.New("no signed NSEC or NSEC3 record came with the answer")

// denialOf verifies what an answer's authority section holds of a zone's NSEC and
// NSEC3 records. Records that do not verify are left out; without any there is an error.
func (v *validator) denialOf(ctx context.Context, m *dns.Msg, z *zone) (*denial, error) {
	records := &denial{zone: z, life: unbounded}
	problem := errNoDenial
	seen := make(map[string]bool)
	for _, rr := range m.Ns {
		header := rr.Header()
		owner := dns.CanonicalName(header.Name)
		if header.Rrtype != dns.TypeNSEC && header.Rrtype != dns.TypeNSEC3 || seen[owner] {
			continue
		}
		if seen[owner] = true; len(seen) > maxDenialSets {
			return nil, errBudget
		}
		set := setOf(m.Ns, owner, header.Rrtype)
		proof, err := z.check(ctx, v.d.now(), set)
		switch {
		case errors.Is(err, errBudget):
			return nil, err
		case err != nil:
			problem = err
			continue
		case proof.wildcard != "":
			// A wildcard's own NSEC, dressed up as another name's: RFC 6840 §4.1 in spirit.
			continue
		}
		records.add(set)
		records.life = records.life.and(proof.life)
	}
	if records.nsec == nil && records.nsec3 == nil {
		return nil, problem
	}
	return records, nil
}

func (d *denial) add(set rrset) {
	for _, rr := range set.records {
		switch rr := rr.(type) {
		case *dns.NSEC:
			if n := newNSEC(rr); n != nil {
				d.nsec = append(d.nsec, n)
			}
		case *dns.NSEC3:
			if d.nsec3 == nil {
				d.nsec3 = newHashed(d.zone.name, rr)
			}
			if d.nsec3 != nil {
				d.nsec3.add(rr)
			}
		}
	}
}

// noName: the name does not exist, nor a wildcard that would make it.
func (d *denial) noName(ctx context.Context, name string) (Security, bool, error) {
	if d.nsec3 != nil {
		return d.nsec3.noName(ctx, name)
	}
	covering := d.covering(name)
	if covering == nil || dns.IsSubDomain(name, covering.next) {
		return Bogus, false, nil
	}
	wildcard := wildcardOf(covering.encloser(name))
	covering = d.covering(wildcard)
	return Secure, covering != nil && !dns.IsSubDomain(wildcard, covering.next), nil
}

// noType: the name has no records of the type, nor an alias: RFC 4035 §5.4.
func (d *denial) noType(ctx context.Context, name string, qtype uint16) (Security, bool, error) {
	if d.nsec3 != nil {
		return d.nsec3.noType(ctx, name, qtype)
	}
	if n := d.matching(name); n != nil {
		return Secure, lacks(n.types, name, qtype), nil
	}
	covering := d.covering(name)
	if covering == nil {
		return Bogus, false, nil
	}
	if dns.IsSubDomain(name, covering.next) { // an empty non-terminal
		return Secure, true, nil
	}
	wildcard := wildcardOf(covering.encloser(name))
	if n := d.matching(wildcard); n != nil {
		return Secure, lacks(n.types, n.owner, qtype), nil
	}
	// RFC 4592 §2.2.2: a wildcard, too, may exist for the sake of what lies below it.
	covering = d.covering(wildcard)
	return Secure, covering != nil && dns.IsSubDomain(wildcard, covering.next), nil
}

// noCloserMatch: an answer made from "*.encloser" is the right one for name.
func (d *denial) noCloserMatch(ctx context.Context, name, encloser string) (Security, bool, error) {
	if d.nsec3 != nil {
		return d.nsec3.noCloserMatch(ctx, name, encloser)
	}
	covering := d.covering(name)
	if covering == nil {
		return Bogus, false, nil
	}
	// The name's closest encloser must be the wildcard's parent and no deeper name.
	return Secure, covering.encloser(name) == encloser, nil
}

var errNotDenied = errors.New("it is not proved whether a signed zone begins there")

// noDS says what lies at a name that has no DS record in the zone above it.
func (d *denial) noDS(ctx context.Context, name string) (cut, error) {
	if d.nsec3 != nil {
		return d.nsec3.noDS(ctx, name)
	}
	if n := d.matching(name); n != nil {
		return cutFromTypes(n.types)
	}
	switch covering := d.covering(name); {
	case covering == nil:
		return cut{}, errNotDenied
	case dns.IsSubDomain(name, covering.next):
		return cut{}, nil
	}
	return cut{nothing: true}, nil
}

// cutFromTypes reads the parent side's record of a name: RFC 6840 §4.4.
func cutFromTypes(types []uint16) (cut, error) {
	switch {
	case slices.Contains(types, dns.TypeDS), slices.Contains(types, dns.TypeSOA):
		return cut{}, errNotDenied // the record contradicts the answer, or is the child's
	case slices.Contains(types, dns.TypeNS):
		return cut{zone: insecureZone}, nil
	}
	return cut{}, nil
}

// lacks reports whether a name's record denies a type. A delegation's record speaks for
// DS alone, and only a delegation's or the root's may: RFC 6840 §4.1, §4.4.
func lacks(types []uint16, owner string, qtype uint16) bool {
	if slices.Contains(types, qtype) || slices.Contains(types, dns.TypeCNAME) {
		return false
	}
	if qtype == dns.TypeDS {
		return !slices.Contains(types, dns.TypeSOA) || owner == "."
	}
	return !isDelegation(types)
}

func isDelegation(types []uint16) bool {
	return slices.Contains(types, dns.TypeNS) && !slices.Contains(types, dns.TypeSOA)
}

// nsec is an NSEC record with its names ready for comparison.
type nsec struct {
	owner, next         string
	ownerOrder, nextOrd []byte
	types               []uint16
}

func newNSEC(rr *dns.NSEC) *nsec {
	n := &nsec{owner: dns.CanonicalName(rr.Hdr.Name), next: dns.CanonicalName(rr.NextDomain), types: rr.TypeBitMap}
	n.ownerOrder, n.nextOrd = orderOf(n.owner), orderOf(n.next)
	if n.ownerOrder == nil || n.nextOrd == nil {
		return nil
	}
	return n
}

func (d *denial) matching(name string) *nsec {
	for _, n := range d.nsec {
		if n.owner == name {
			return n
		}
	}
	return nil
}

// covering finds the record between whose names a name would lie.
func (d *denial) covering(name string) *nsec {
	order := orderOf(name)
	if !dns.IsSubDomain(d.zone.name, name) {
		return nil
	}
	for _, n := range d.nsec {
		if n.covers(order) && !n.above(name) {
			return n
		}
	}
	return nil
}

func (n *nsec) covers(order []byte) bool {
	if bytes.Compare(n.ownerOrder, order) >= 0 {
		return false
	}
	// The last record's next name is the zone's apex.
	last := bytes.Compare(n.nextOrd, n.ownerOrder) <= 0
	return last || bytes.Compare(order, n.nextOrd) < 0
}

// above reports whether the record is of a delegation or DNAME above name, which knows
// nothing of what lies below: RFC 6840 §4.1.
func (n *nsec) above(name string) bool {
	return dns.IsSubDomain(n.owner, name) && (isDelegation(n.types) || slices.Contains(n.types, dns.TypeDNAME))
}

// encloser is the closest existing ancestor of a covered name.
func (n *nsec) encloser(name string) string {
	return lastLabels(name, max(dns.CompareDomainName(n.owner, name), dns.CompareDomainName(n.next, name)))
}

// orderOf gives octets that compare as RFC 4034 §6.1 orders names: labels from the
// right, each followed by an octet below all others. The zero octet within a label
// becomes two, so that it stays above the end of a label.
func orderOf(name string) []byte {
	var wire [256]byte
	end, err := dns.PackDomainName(name, wire[:], 0, nil, false)
	if err != nil {
		return nil
	}
	var starts []int
	for i := 0; i < end && wire[i] != 0; i += int(wire[i]) + 1 {
		starts = append(starts, i)
	}
	order := make([]byte, 0, 2*end)
	for i := len(starts) - 1; i >= 0; i-- {
		label := wire[starts[i]+1 : starts[i]+1+int(wire[starts[i]])]
		for _, c := range label {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c <= 1 { // 0 and 1 as pairs: 1 1 and 1 2
				order = append(order, 1, c+1)
				continue
			}
			order = append(order, c)
		}
		order = append(order, 0)
	}
	return order
}

func wildcardOf(encloser string) string {
	if encloser == "." {
		return "*."
	}
	return "*." + encloser
}
