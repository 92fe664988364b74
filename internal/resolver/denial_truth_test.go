package resolver

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// truthZone is a zone with all that a name can be, as "name types"; what it proves is held
// to what RFC 1034 §4.3.2 and RFC 4592 say is there.
var truthZone = map[string][]uint16{
	"example.":       {dns.TypeSOA, dns.TypeNS, dns.TypeTXT},
	"a.example.":     {dns.TypeA},
	"c.example.":     {dns.TypeCNAME},
	"d.example.":     {dns.TypeDNAME},
	"b.e.example.":   {dns.TypeTXT},            // e is there for its sake
	"s.example.":     {dns.TypeNS, dns.TypeDS}, // a signed zone begins
	"u.example.":     {dns.TypeNS},             // one that is not signed
	"q.*.v.example.": {dns.TypeTXT},            // *.v is there without records
	"*.w.example.":   {dns.TypeTXT, dns.TypeCAA},
	"x.w.example.":   {dns.TypeMX},
	"*.y.example.":   {dns.TypeCNAME},
}

// ancestors are a name and those above it, to the root.
func ancestors(name string) []string {
	list := []string{name}
	for name != "." {
		name = parentOf(name)
		list = append(list, name)
	}
	return list
}

func inTruth(name string) bool {
	for owner := range truthZone {
		if slices.Contains(ancestors(owner), name) && dns.IsSubDomain("example.", name) {
			return true
		}
	}
	return false
}

// ruled reports whether the zone has a say about a name: it is in it, and below no
// delegation and no DNAME.
func ruled(name string) bool {
	if !dns.IsSubDomain("example.", name) {
		return false
	}
	for _, above := range ancestors(name)[1:] {
		types := truthZone[above]
		if slices.Contains(types, dns.TypeDNAME) || slices.Contains(types, dns.TypeNS) && above != "example." {
			return false
		}
	}
	return true
}

func truthEncloser(name string) string {
	return ancestors(name)[slices.IndexFunc(ancestors(name), inTruth)]
}

// trulyNoName: neither the name nor the wildcard that would make it.
func trulyNoName(name string) bool {
	return ruled(name) && !inTruth(name) && !inTruth("*."+truthEncloser(name))
}

// trulyNoType: the name, or the wildcard in its place, has neither the type nor an alias; of a
// delegation the parent knows the DS alone, of its own apex all but that (RFC 4035 §3.1.4.1).
func trulyNoType(name string, qtype uint16) bool {
	if !ruled(name) || trulyNoName(name) {
		return false
	}
	if !inTruth(name) {
		name = "*." + truthEncloser(name)
	}
	types := truthZone[name]
	switch {
	case slices.Contains(types, qtype) || slices.Contains(types, dns.TypeCNAME):
		return false
	case slices.Contains(types, dns.TypeSOA):
		return qtype != dns.TypeDS
	case slices.Contains(types, dns.TypeNS):
		return qtype == dns.TypeDS
	}
	return true
}

// trulyNoDS is what lies at a name without DS: see denial.noDS.
func trulyNoDS(name string) (c cut, ok bool) {
	types := truthZone[name]
	switch {
	case !ruled(name) || slices.Contains(types, dns.TypeDS) || slices.Contains(types, dns.TypeSOA):
		return cut{}, false
	case !inTruth(name):
		return cut{nothing: true}, true
	case slices.Contains(types, dns.TypeNS):
		return cut{zone: insecureZone}, true
	}
	return cut{}, true
}

// truthNames are all names of the zone, others before, between and below them, and some of
// other zones.
func truthNames() []string {
	names := []string{".", "com.", "aexample.", "z.com."}
	for owner := range truthZone {
		for _, name := range ancestors(owner) {
			if !dns.IsSubDomain("example.", name) {
				continue
			}
			names = append(names, name)
			for _, label := range []string{"a", "m", "*", "m.m"} {
				names = append(names, label+"."+name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// chainOf orders names as RFC 4034 §6.1 has it: by their labels from the right.
func chainOf(names []string) []string {
	reversed := func(name string) []string {
		labels := dns.SplitDomainName(name)
		slices.Reverse(labels)
		return labels
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Compare(reversed(a), reversed(b)) })
	return names
}

// choices are subsets of n: all, each pair, each alone, all but one; as many as a proof needs,
// and one too few.
func choices(n int) [][]int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	list := [][]int{all}
	for i := range n {
		list = append(list, []int{i}, slices.Delete(slices.Clone(all), i, i+1))
		for j := range i {
			list = append(list, []int{i, j})
		}
	}
	return list
}

// proves holds a choice of records to the truth: all of them prove all that is true, and
// none proves as secure what is not.
func proves(t *testing.T, what string, d *denial, all bool, secure Security) {
	t.Helper()
	hold := func(name, of string, security Security, ok bool, err error, truth bool) {
		t.Helper()
		if err != nil || ok && !truth && security != Insecure || all && truth && (!ok || security != Secure && security != secure) {
			t.Errorf("%s: %s of %s: %v, %v, %v; in truth %v", what, of, name, ok, security, err, truth)
		}
	}
	for _, name := range truthNames() {
		ctx := context.WithValue(t.Context(), budgetKey{}, &budget{1000, 1000, 1000})
		security, ok, err := d.noName(ctx, name)
		hold(name, "no such name", security, ok, err, trulyNoName(name))
		for _, qtype := range []uint16{dns.TypeTXT, dns.TypeDS, dns.TypeNS} {
			security, ok, err := d.noType(ctx, name, qtype)
			hold(name, "no "+dns.TypeToString[qtype], security, ok, err, trulyNoType(name, qtype))
		}
		for _, encloser := range ancestors(name)[1:] {
			if !inTruth(encloser) || !ruled("*."+encloser) {
				continue // no wildcard of the zone's is below it
			}
			security, ok, err := d.noCloserMatch(ctx, name, encloser)
			hold(name, "nothing nearer than *."+encloser, security, ok, err,
				ruled(name) && !inTruth(name) && encloser == truthEncloser(name))
		}
		c, err := d.noDS(ctx, name)
		want, denied := trulyNoDS(name)
		if err == nil && (!denied || c != want) && (c.zone == nil || secure == Secure) ||
			all && denied && (err != nil || c != want && secure == Secure) {
			t.Errorf("%s: what begins at %s: %+v, %v; in truth %+v, %v", what, name, c, err, want, denied)
		}
		if err != nil && !errors.Is(err, errNotDenied) {
			t.Errorf("%s: %s: %v", what, name, err)
		}
	}
}

// TestNSECProvesTheTruth, and nothing else, whatever part of its records comes.
func TestNSECProvesTheTruth(t *testing.T) {
	var owners []string
	for owner := range truthZone {
		owners = append(owners, owner)
	}
	chainOf(owners)
	for i, choice := range choices(len(owners)) {
		d := &denial{zone: &zone{name: "example."}}
		var chosen []string
		for _, n := range choice {
			d.add(rrset{records: []dns.RR{&dns.NSEC{Hdr: dns.RR_Header{Name: owners[n]}, NextDomain: owners[(n+1)%len(owners)],
				TypeBitMap: append(slices.Clone(truthZone[owners[n]]), dns.TypeRRSIG, dns.TypeNSEC)}}})
			chosen = append(chosen, owners[n])
		}
		proves(t, "NSEC of "+strings.Join(chosen, " "), d, i == 0, Secure)
	}
}

// TestNSEC3ProvesTheTruth likewise, with a record for each name that is there (RFC 5155 §7.1),
// or with none for the delegations that opt out, of which nothing is secure then.
func TestNSEC3ProvesTheTruth(t *testing.T) {
	for flags, security := range []Security{Secure, Insecure} {
		types := map[string][]uint16{} // by hash
		names := map[string]string{}
		for owner := range truthZone {
			if flags == optOut && owner == "u.example." {
				continue
			}
			for _, name := range ancestors(owner) {
				if dns.IsSubDomain("example.", name) {
					hash := dns.HashName(name, dns.SHA1, 1, "AB")
					types[hash], names[hash] = truthZone[name], name
				}
			}
		}
		var hashes []string
		for hash := range types {
			hashes = append(hashes, hash)
		}
		slices.Sort(hashes)
		known := map[string]string{} // to hash each name once for all choices
		for i, choice := range choices(len(hashes)) {
			d := &denial{zone: &zone{name: "example."}}
			var chosen []string
			for _, n := range choice {
				d.add(rrset{records: []dns.RR{&dns.NSEC3{Hdr: dns.RR_Header{Name: strings.ToLower(hashes[n]) + ".example."}, Hash: dns.SHA1,
					Flags: uint8(flags), Iterations: 1, Salt: "AB", NextDomain: hashes[(n+1)%len(hashes)], TypeBitMap: types[hashes[n]]}}})
				chosen = append(chosen, names[hashes[n]])
			}
			d.nsec3.hashes = known
			proves(t, "NSEC3 of "+strings.Join(chosen, " "), d, i == 0, security)
		}
	}
}
