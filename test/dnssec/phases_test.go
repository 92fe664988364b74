package dnssec

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// phase is a moment in the life of a zone's keys. A and B sign all, K and L the keys alone
// and Z and Y the records alone; C is of another algorithm.
type phase struct {
	what                         string
	published, ofKeys, ofRecords string
	ds                           string
	want                         verdict
}

var phases = splitPhases([]phase{
	{what: "one key", published: "A", ofKeys: "A", ofRecords: "A", ds: "A"},
	{what: "a key for keys", published: "K Z", ofKeys: "K", ofRecords: "Z", ds: "K"},
	{what: "keys signed by both", published: "K Z", ofKeys: "K Z", ofRecords: "Z", ds: "K"},
	{what: "the next zone key is published", published: "K Z Y", ofKeys: "K", ofRecords: "Z", ds: "K"},
	{what: "the next zone key signs", published: "K Z Y", ofKeys: "K", ofRecords: "Y", ds: "K"},
	{what: "two zone keys sign", published: "K Z Y", ofKeys: "K", ofRecords: "Z Y", ds: "K"},
	{what: "signatures by a zone key that is gone", published: "K Y", ofKeys: "K", ofRecords: "Z Y", ds: "K"},
	{what: "double signature, old DS", published: "K L Z", ofKeys: "K L", ofRecords: "Z", ds: "K"},
	{what: "double signature, both DS", published: "K L Z", ofKeys: "K L", ofRecords: "Z", ds: "K L"},
	{what: "double signature, new DS", published: "K L Z", ofKeys: "K L", ofRecords: "Z", ds: "L"},
	{what: "double DS, old key", published: "K Z", ofKeys: "K", ofRecords: "Z", ds: "K L"},
	{what: "double DS, new key", published: "L Z", ofKeys: "L", ofRecords: "Z", ds: "K L"},
	{what: "both keys, signed by the old", published: "A B", ofKeys: "A", ofRecords: "A", ds: "A B"},
	{what: "algorithm roll: signatures first", published: "A", ofKeys: "A", ofRecords: "A C", ds: "A"},
	{what: "algorithm roll: keys", published: "A C", ofKeys: "A C", ofRecords: "A C", ds: "A"},
	{what: "algorithm roll: both DS", published: "A C", ofKeys: "A C", ofRecords: "A C", ds: "A C"},
	{what: "algorithm roll: new DS", published: "A C", ofKeys: "A C", ofRecords: "A C", ds: "C"},
	{what: "algorithm roll: old key gone", published: "C", ofKeys: "C", ofRecords: "A C", ds: "C"},
	{what: "algorithm roll, liberal: keys", published: "A C", ofKeys: "A C", ofRecords: "A", ds: "A"},
	{what: "algorithm roll, liberal: new DS", published: "A C", ofKeys: "A C", ofRecords: "C", ds: "C"},
	{what: "the DS of a key that is gone", published: "B", ofKeys: "B", ofRecords: "B", ds: "A", want: bogus},
	{what: "records signed by a key that is gone", published: "K Y", ofKeys: "K", ofRecords: "Z", ds: "K", want: bogus},
	{what: "keys not signed by the one with a DS", published: "K Z", ofKeys: "Z", ofRecords: "Z", ds: "K", want: bogus},
	{what: "records not signed", published: "A", ofKeys: "A", ds: "A", want: bogus},
	{what: "no delegation signer", published: "A", ofKeys: "A", ofRecords: "A", want: insecure},
})

// splitPhases takes the blanks away.
func splitPhases(list []phase) []phase {
	for i := range list {
		p := &list[i]
		for _, names := range []*string{&p.published, &p.ofKeys, &p.ofRecords, &p.ds} {
			*names = strings.ReplaceAll(*names, " ", "")
		}
	}
	return list
}

// phaseKeys makes the keys that a phase, or the phases of one change, name.
func (w *world) phaseKeys(zone string, of ...phase) map[rune]key {
	keys := make(map[rune]key)
	names := ""
	for _, p := range of {
		names += p.published + p.ofKeys + p.ofRecords + p.ds
	}
	algorithm := w.algorithm()
	another := w.algorithm()
	for another == algorithm {
		another = w.algorithm()
	}
	tags := make(map[uint16]bool)
	for _, name := range names {
		if _, made := keys[name]; made {
			continue
		}
		a := algorithm
		if name == 'C' {
			a = another
		}
		k := newKey(w.t, w.rng, zone, a)
		if name == 'Z' || name == 'Y' {
			record := *k.record
			record.Flags = dns.ZONE
			k.record = &record
		}
		for tags[k.record.KeyTag()] { // the same of the few RSA keys
			k = newKey(w.t, w.rng, zone, a)
		}
		tags[k.record.KeyTag()] = true
		keys[name] = k
	}
	return keys
}

func choose(keys map[rune]key, names string) (list []key) {
	for _, name := range names {
		list = append(list, keys[name])
	}
	return list
}

// delegate makes the DS records, honest and otherwise.
func (w *world) delegate(z *zone, p phase, keys map[rune]key) {
	if p.ds == "" {
		return
	}
	digests := []uint8{pick(w, []uint8{dns.SHA256, dns.SHA384})}
	switch w.rng.IntN(8) {
	case 0:
		digests = []uint8{dns.SHA256, dns.SHA384}
	case 1:
		digests = []uint8{dns.SHA1}
	case 2:
		digests = []uint8{dns.SHA1, dns.SHA256}
	}
	for _, k := range choose(keys, p.ds) {
		for _, digest := range digests {
			z.ds = append(z.ds, k.record.ToDS(digest))
		}
	}
	unknown := []dns.RR{
		mustRR(w.t, "%s 300 DS 4711 200 2 %s", z.name, strings.Repeat("ab", 32)),
		mustRR(w.t, "%s 300 DS 4711 13 99 %s", z.name, strings.Repeat("ab", 32)),
	}
	switch w.rng.IntN(16) {
	case 0:
		z.what = append(z.what, "DS records of unknown kinds, too")
		z.ds = append(z.ds, unknown...)
	case 1:
		z.what, z.want = append(z.what, "DS records of unknown kinds alone"), insecure
		z.ds = unknown
	case 2:
		z.what, z.want = append(z.what, "a DS record of no key"), bogus
		z.ds = []dns.RR{mustRR(w.t, "%s 300 DS 4711 13 2 %s", z.name, strings.Repeat("ab", 32))}
	}
	slices.SortFunc(z.ds, func(a, b dns.RR) int { return strings.Compare(a.String(), b.String()) })
}
