package dnssec

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// roll is one change of keys.
type roll struct {
	what     string
	patience time.Duration
	phases   []phase
}

// rolls are changes of a zone's keys, RFC 6781 §4.1, phase by phase. A rest of patience
// lies between the phases: the TTL of all records, or the little that is asked of who
// lost a key.
var rolls = []roll{
	{"zone key, pre-publish", ttl, []phase{
		{published: "KZ", ofKeys: "K", ofRecords: "Z", ds: "K"}, {published: "KZY", ofKeys: "K", ofRecords: "Z", ds: "K"},
		{published: "KZY", ofKeys: "K", ofRecords: "Y", ds: "K"}, {published: "KY", ofKeys: "K", ofRecords: "Y", ds: "K"}}},
	{"zone key, double signature", ttl, []phase{
		{published: "KZ", ofKeys: "K", ofRecords: "Z", ds: "K"}, {published: "KZY", ofKeys: "K", ofRecords: "ZY", ds: "K"},
		{published: "KY", ofKeys: "K", ofRecords: "Y", ds: "K"}}},
	{"key for keys, double signature", ttl, []phase{
		{published: "KZ", ofKeys: "K", ofRecords: "Z", ds: "K"}, {published: "KLZ", ofKeys: "KL", ofRecords: "Z", ds: "K"},
		{published: "KLZ", ofKeys: "KL", ofRecords: "Z", ds: "L"}, {published: "LZ", ofKeys: "L", ofRecords: "Z", ds: "L"}}},
	{"key for keys, double DS", ttl, []phase{
		{published: "KZ", ofKeys: "K", ofRecords: "Z", ds: "K"}, {published: "KZ", ofKeys: "K", ofRecords: "Z", ds: "KL"},
		{published: "LZ", ofKeys: "L", ofRecords: "Z", ds: "KL"}, {published: "LZ", ofKeys: "L", ofRecords: "Z", ds: "L"}}},
	{"algorithm, conservative", ttl, []phase{
		{published: "A", ofKeys: "A", ofRecords: "A", ds: "A"}, {published: "A", ofKeys: "A", ofRecords: "AC", ds: "A"},
		{published: "AC", ofKeys: "AC", ofRecords: "AC", ds: "A"}, {published: "AC", ofKeys: "AC", ofRecords: "AC", ds: "C"},
		{published: "C", ofKeys: "C", ofRecords: "AC", ds: "C"}, {published: "C", ofKeys: "C", ofRecords: "C", ds: "C"}}},
	{"all keys at once", lost, []phase{
		{published: "A", ofKeys: "A", ofRecords: "A", ds: "A"}, {published: "B", ofKeys: "B", ofRecords: "B", ds: "B"},
		{published: "C", ofKeys: "C", ofRecords: "C", ds: "C"}, {published: "KZ", ofKeys: "K", ofRecords: "Z", ds: "K"}}},
	{"the zone is signed, and unsigned again", ttl, []phase{
		{published: "", want: insecure}, {published: "A", ofKeys: "A", ofRecords: "A", want: insecure},
		{published: "A", ofKeys: "A", ofRecords: "A", ds: "A"}, {published: "A", ofKeys: "A", ofRecords: "A", want: insecure}, {want: insecure}}},
}

const (
	ttl  = 301 * time.Second
	lost = 61 * time.Second
)

// rolling is a zone whose keys change while a resolver remembers what was.
type rolling struct {
	*world
	zone   *zone
	keys   map[rune]key
	root   key
	denial denialKind
	serial int
	named  named
	d      *resolver.DNS
	clock  time.Time
}

// TestRolls holds that no key is bogus at any moment of a change, whatever is remembered.
func TestRolls(t *testing.T) {
	testutil.Need(t, "named")
	denials := []denialKind{{}, {nsec3: true}, {nsec3: true, optOut: true}}
	for i, roll := range rolls {
		for j, denial := range denials {
			if !testutil.Long() && j != i%len(denials) {
				continue
			}
			t.Run(fmt.Sprintf("%s, %+v", roll.what, denial), func(t *testing.T) {
				t.Parallel()
				r := newRolling(t, uint64(i*len(denials)+j), denial, roll.phases)
				r.sign(roll.phases[0])
				r.start()
				for n, p := range roll.phases {
					if n > 0 {
						r.sign(p)
						r.reload()
					}
					r.check(n, p, roll.patience)
				}
			})
		}
	}
}

func newRolling(t *testing.T, seed uint64, denial denialKind, phases []phase) *rolling {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Now()}
	r := &rolling{world: w, denial: denial, clock: w.now, zone: &zone{name: "roll.", parent: "."}}
	w.zones = []*zone{{name: "."}, r.zone}
	r.keys = w.phaseKeys(r.zone.name, phases...)
	r.root = newKey(t, w.rng, ".", dns.ECDSAP256SHA256)
	return r
}

// sign makes both zones anew.
func (r *rolling) sign(p phase) {
	r.serial++
	soa := func(zone string) dns.RR {
		return mustRR(r.t, "%s 300 SOA ns.roll. h.roll. %d 3600 600 86400 60", zone, r.serial)
	}
	ns, a := mustRR(r.t, "roll. 300 NS ns.roll."), mustRR(r.t, "ns.roll. 300 A 127.0.0.1")
	plain := []dns.RR{soa("roll."), ns, a, mustRR(r.t, `*.wild.roll. 1 TXT "key"`), mustRR(r.t, "*.walias.roll. 1 CNAME x.wild.roll.")}
	top := []dns.RR{soa("."), mustRR(r.t, ". 300 NS ns.roll."), ns, a, r.root.record}
	for _, k := range choose(r.keys, p.published) {
		plain = append(plain, k.record)
	}
	for _, k := range choose(r.keys, p.ds) {
		top = append(top, k.record.ToDS(dns.SHA256))
	}
	s := signing{zone: r.zone.name, denial: r.denial, inception: r.now.Add(-time.Hour), ends: r.now.Add(24 * time.Hour)}
	s.ofKeys, s.ofRecords = choose(r.keys, p.ofKeys), choose(r.keys, p.ofRecords)
	if p.published == "" {
		r.zone.records = plain
	} else {
		r.zone.records = s.sign(r.t, plain)
	}
	s.zone, s.ofKeys, s.ofRecords = ".", []key{r.root}, []key{r.root}
	r.zones[0].records = s.sign(r.t, top)
}

func (r *rolling) start() {
	r.t.Helper()
	dir := r.t.TempDir()
	r.named = runNamed(r.t, filepath.Join(dir, "named"), r.world, func(z *zone) []dns.RR { return z.records })
	d, err := resolver.New(resolver.Options{
		Nameservers: []string{r.named.addr}, Timeout: 10 * time.Second, Attempts: 1, Now: func() time.Time { return r.clock },
		TrustAnchorFile: write(r.t, dir, "anchor", r.root.record.ToDS(dns.SHA256).String()+"\n"), FailureTTL: -1,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.d = d
}

func (r *rolling) reload() {
	r.t.Helper()
	for i, z := range r.zones {
		r.named.zoneFile(r.t, i, z.records)
	}
	r.named.Signal(syscall.SIGHUP)
	client := dns.Client{Timeout: time.Second}
	proctest.Until(r.t, 10*time.Second, "BIND to read the zones", func() bool {
		for _, z := range r.zones {
			m := new(dns.Msg)
			m.SetQuestion(z.name, dns.TypeSOA)
			answer, _, err := client.Exchange(m, r.named.addr)
			if err != nil || len(answer.Answer) == 0 || answer.Answer[0].(*dns.SOA).Serial != uint32(r.serial) {
				return false
			}
		}
		return true
	})
}

// check asks for names that nobody asked for before, from the change on until all that
// was before it has run out.
func (r *rolling) check(n int, p phase, patience time.Duration) {
	r.t.Helper()
	moments := []time.Duration{0, patience / 2, patience}
	if patience == lost && n > 0 {
		moments = []time.Duration{lost, 2 * lost}
	}
	began := r.clock
	for i, moment := range moments {
		r.clock = began.Add(moment)
		for _, name := range []string{"x%d.wild.roll.", "x%d.walias.roll.", "x%d.gone.roll."} {
			name = fmt.Sprintf(name, n*10+i)
			a, err := r.d.LookupTXT(r.t.Context(), name)
			bad := a.Security == resolver.Bogus || a.Security == resolver.SecurityUnknown
			if last := i == len(moments)-1; last && (p.want == insecure) != (a.Security == resolver.Insecure) && !r.denial.optOut {
				bad = true
			}
			if bad {
				r.t.Errorf("phase %d, %v later, %s: %v, %v", n, moment, name, a.Security, err)
			}
		}
	}
}
