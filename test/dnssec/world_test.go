package dnssec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// verdict is what a zone's key should be found to be.
type verdict int

const (
	secure verdict = iota
	insecure
	bogus
)

// zone is one zone of a world.
type zone struct {
	name, parent string
	what         []string // how it came to be, for people
	want         verdict  // of its own key, where all above it is secure
	tampered     bool
	stale        bool     // one of its servers has an old version
	records      []dns.RR // as served
	old          []dns.RR // as the stale server serves them
	ds           []dns.RR // at the parent
	queries      []string
}

func (z *zone) String() string { return z.name + " (" + strings.Join(z.what, ", ") + ")" }

// world is a tree of zones below a root.
type world struct {
	t      testing.TB
	rng    *rand.Rand
	now    time.Time
	zones  []*zone // parents before children; the root first
	anchor string  // the root's DS record
}

func newWorld(t testing.TB, seed uint64, size int) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 0)), now: time.Now()}
	w.zones = append(w.zones, &zone{name: "."})
	for i := range size {
		parent := "."
		if above := w.zones[w.rng.IntN(len(w.zones))]; dns.CountLabel(above.name) < 3 {
			parent = above.name
		}
		w.zones = append(w.zones, &zone{name: fmt.Sprintf("z%d.%s", i, strings.TrimPrefix(parent, ".")), parent: parent})
	}
	for _, z := range slices.Backward(w.zones) { // children have their DS records first
		w.fill(z)
	}
	return w
}

// expect is the verdict on a zone's own key, where the generator knows: what a zone does
// to those below it is left to unbound unless it is whole, or not signed.
func (w *world) expect(z *zone) (want verdict, known bool) {
	want = z.want
	for z.parent != "" && z.parent != "." {
		i := slices.IndexFunc(w.zones, func(above *zone) bool { return above.name == z.parent })
		z = w.zones[i]
		switch {
		case z.want == insecure:
			want = insecure
		case z.want == bogus || z.tampered:
			return want, false
		}
	}
	return want, true
}

func (w *world) oneIn(n int) bool { return w.rng.IntN(n) == 0 }

func pick[T any](w *world, list []T) T { return list[w.rng.IntN(len(list))] }

func (w *world) algorithm() uint8 {
	return pick(w, []uint8{dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519})
}

// fill gives a zone its records, and its parent the DS records.
func (w *world) fill(z *zone) {
	plain := w.content(z)
	if z.name == "." {
		k := newKey(w.t, w.rng, z.name, dns.ECDSAP256SHA256)
		s := w.signing(z)
		s.ofKeys, s.ofRecords = []key{k}, []key{k}
		z.records = s.sign(w.t, append(plain, k.record))
		w.anchor = k.record.ToDS(dns.SHA256).String()
		return
	}
	if w.oneIn(8) {
		w.unsigned(z, plain)
		return
	}
	p := pick(w, phases)
	z.what, z.want = append(z.what, p.what), p.want
	keys := w.phaseKeys(z.name, p)
	w.delegate(z, p, keys)
	s := w.signing(z)
	for _, k := range p.published {
		plain = append(plain, keys[k].record)
	}
	s.ofKeys, s.ofRecords = choose(keys, p.ofKeys), choose(keys, p.ofRecords)
	z.records = s.sign(w.t, plain)
	switch {
	case w.oneIn(4):
		w.tamper(z, s)
	case p.want == secure && w.oneIn(4):
		w.outdate(z, s, plain)
	}
}

// outdate makes an old version of the zone, for one of two servers: RFC 6840 §5.9.
func (w *world) outdate(z *zone, s signing, plain []dns.RR) {
	z.stale = true
	z.what = append(z.what, "a stale server")
	s.inception, s.ends = w.now.Add(-60*24*time.Hour), w.now.Add(-24*time.Hour)
	z.old = s.sign(w.t, plain)
}

func (w *world) unsigned(z *zone, plain []dns.RR) {
	z.records, z.want = plain, insecure
	z.what = append(z.what, "unsigned")
	if w.oneIn(4) {
		z.what, z.want = append(z.what, "though the parent has a DS record"), bogus
		z.ds = []dns.RR{mustRR(w.t, "%s 300 DS 4711 13 2 %s", z.name, strings.Repeat("ab", 32))}
	}
}

func (w *world) signing(z *zone) signing {
	s := signing{zone: z.name, inception: w.now.Add(-time.Hour), ends: w.now.Add(20 * 24 * time.Hour)}
	switch w.rng.IntN(4) {
	case 0:
		s.denial = denialKind{nsec3: true, iterations: uint16(w.rng.IntN(20)), salt: pick(w, []string{"", "ab", "00ff17"})}
		z.what = append(z.what, "NSEC3")
	case 1:
		s.denial = denialKind{nsec3: true, optOut: true, salt: pick(w, []string{"", "c0ffee"})}
		z.what = append(z.what, "NSEC3 with opt-out")
	}
	return s
}

// content is what a zone holds before it is signed, and what will be asked of it.
func (w *world) content(z *zone) []dns.RR {
	at := func(label string) string { return label + "." + strings.TrimPrefix(z.name, ".") }
	records := []dns.RR{
		mustRR(w.t, "%s 300 SOA %s h.test. 1 3600 600 86400 60", z.name, at("ns")),
		mustRR(w.t, "%s 300 NS %s", z.name, at("ns")),
		mustRR(w.t, "%s 300 A 127.0.0.1", at("ns")),
	}
	z.queries = []string{z.name, at("s1._domainkey"), at("_domainkey"), at("gone"), at("s2._domainkey"), at("s1._domainkey.gone")}
	records = append(records, mustRR(w.t, `%s 300 TXT "p=%s"`, at("s1._domainkey"), z.name))
	for _, add := range contents {
		if w.oneIn(2) {
			texts, queries := add(w, at)
			for _, text := range texts {
				records = append(records, mustRR(w.t, "%s", text))
			}
			z.queries = append(z.queries, queries...)
		}
	}
	for _, child := range w.zones {
		if child.parent == z.name {
			records = append(records, mustRR(w.t, "%s 300 NS ns.%s", child.name, child.name),
				mustRR(w.t, "ns.%s 300 A 127.0.0.1", child.name))
			records = append(records, child.ds...)
		}
	}
	return records
}

// target is a name that an alias may lead to: no alias itself.
func (w *world) target() string {
	z := pick(w, w.zones[1:])
	return pick(w, []string{"s1._domainkey.", "gone.", "x.wild.", "only-a.", "ent.", "x.y.wild."}) + z.name
}

// contents are what a zone may hold beside its key, and what should be asked then.
var contents = []func(w *world, at func(string) string) (records, queries []string){
	func(_ *world, at func(string) string) ([]string, []string) {
		return []string{at("only-a") + " 300 A 192.0.2.1"}, []string{at("only-a"), at("x.only-a")}
	},
	func(_ *world, at func(string) string) ([]string, []string) {
		return []string{at("deep.below.ent") + ` 300 TXT "deep"`},
			[]string{at("ent"), at("below.ent"), at("deep.below.ent"), at("x.ent"), at("x.below.ent")}
	},
	func(_ *world, at func(string) string) ([]string, []string) {
		return []string{at("*.wild") + ` 300 TXT "wild"`, at("there.wild") + " 300 A 192.0.2.1"},
			[]string{at("x.wild"), at("x.y.wild"), at("there.wild"), at("x.there.wild"), at("*.wild"), at("wild")}
	},
	func(_ *world, at func(string) string) ([]string, []string) {
		return []string{at("s1._domainkey.*.went") + ` 300 TXT "below a wildcard"`},
			[]string{at("x.went"), at("s1._domainkey.x.went"), at("s1._domainkey.*.went"), at("*.went"), at("went")}
	},
	func(w *world, at func(string) string) ([]string, []string) {
		if at("x") == "x." { // Debian's unbound spins at it for ever where the root has NSEC3
			return nil, nil
		}
		return []string{at("*.walias") + " 300 CNAME " + w.target()}, []string{at("x.walias"), at("x.y.walias"), at("walias")}
	},
	func(w *world, at func(string) string) ([]string, []string) {
		return []string{at("alias._domainkey") + " 300 CNAME " + w.target()}, []string{at("alias._domainkey"), at("x.alias._domainkey")}
	},
	func(w *world, at func(string) string) ([]string, []string) {
		return []string{at("moved") + " 300 DNAME " + pick(w, w.zones[1:]).name},
			[]string{at("moved"), at("s1._domainkey.moved"), at("gone.moved"), at("x.wild.moved"), at("ent.moved")}
	},
	func(_ *world, at func(string) string) ([]string, []string) {
		if at("x") == "x." { // the library cannot sign what a root's wildcard makes
			return nil, nil
		}
		return []string{at("*") + ` 300 TXT "of the whole zone"`}, []string{at("any"), at("any.thing"), at("x.ns"), at("*")}
	},
}
