package dnssec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// adversary stands between a resolver and the zones' server, and has kept all that it
// ever saw.
type adversary struct {
	mu    sync.Mutex
	rng   *rand.Rand
	fresh string
	seen  []*dns.Msg
	zones []*zone
	calm  bool
}

func (a *adversary) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	client := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	m, _, err := client.Exchange(r, a.fresh)
	if err != nil {
		m = new(dns.Msg)
		m.SetRcode(r, dns.RcodeServerFailure)
	}
	m.Rcode &= 0xf
	m.Extra = nil
	m.SetEdns0(4096, true)
	a.mu.Lock()
	defer a.mu.Unlock()
	const kept = 500
	if len(a.seen) < kept {
		a.seen = append(a.seen, m.Copy())
	}
	// The root's keys are left alone: without signatures they say that the server knows no
	// DNSSEC, and then nothing is secure.
	if !a.calm && r.Question[0].Name != "." && a.rng.IntN(2) == 0 {
		for range 1 + a.rng.IntN(3) {
			forgeries[a.rng.IntN(len(forgeries))](a, m)
		}
	}
	w.WriteMsg(m)
}

// another is an answer to some other question, about a name that is near.
func (a *adversary) another(to *dns.Msg) *dns.Msg {
	best, near := 0, -1
	for range 1 + a.rng.IntN(20) {
		i := a.rng.IntN(len(a.seen))
		if n := dns.CompareDomainName(a.seen[i].Question[0].Name, to.Question[0].Name); n > near {
			best, near = i, n
		}
	}
	return a.seen[best].Copy()
}

// some gives the records of a section, and one of them to change; nil when there is none.
func (a *adversary) some(m *dns.Msg) (*[]dns.RR, int) {
	section := []*[]dns.RR{&m.Answer, &m.Ns}[a.rng.IntN(2)]
	if len(*section) == 0 {
		return nil, 0
	}
	return section, a.rng.IntN(len(*section))
}

func (a *adversary) change(m *dns.Msg, change func(dns.RR)) {
	if section, i := a.some(m); section != nil {
		change((*section)[i])
	}
}

// forgeries are what can be done without a key. Each is small: they come in rows.
var forgeries = []func(a *adversary, m *dns.Msg){
	func(a *adversary, m *dns.Msg) { // one record gone
		if section, i := a.some(m); section != nil {
			*section = slices.Delete(*section, i, i+1)
		}
	},
	func(_ *adversary, m *dns.Msg) { m.Answer = nil },
	func(_ *adversary, m *dns.Msg) { m.Ns = nil },
	func(_ *adversary, m *dns.Msg) {
		m.Rcode = dns.RcodeNameError - m.Rcode // NOERROR and NXDOMAIN in each other's place
		if m.Rcode < 0 {
			m.Rcode = dns.RcodeSuccess
		}
	},
	func(a *adversary, m *dns.Msg) { // what answered another question
		other := a.another(m)
		m.Answer, m.Ns, m.Rcode = other.Answer, other.Ns, other.Rcode
	},
	func(a *adversary, m *dns.Msg) { m.Ns = append(m.Ns, a.another(m).Ns...) },
	func(a *adversary, m *dns.Msg) { m.Answer = append(m.Answer, a.another(m).Answer...) },
	func(a *adversary, m *dns.Msg) { // all answers in the name that was asked for
		m.Answer = a.another(m).Answer
		for _, rr := range m.Answer {
			rr.Header().Name = m.Question[0].Name
		}
	},
	func(a *adversary, m *dns.Msg) { // denials in another name
		name := m.Question[0].Name
		if a.rng.IntN(2) == 0 {
			name = parentOf(name)
		}
		for _, rr := range m.Ns {
			if t := rr.Header().Rrtype; t == dns.TypeNSEC || covers(rr, dns.TypeNSEC) {
				rr.Header().Name = name
			}
		}
	},
	func(a *adversary, m *dns.Msg) {
		a.change(m, func(rr dns.RR) {
			switch rr := rr.(type) {
			case *dns.TXT:
				rr.Txt = []string{"forged"}
			case *dns.NSEC:
				rr.TypeBitMap = []uint16{dns.TypeNS}
			case *dns.NSEC3:
				rr.Flags ^= 1
			case *dns.CNAME:
				rr.Target = a.zones[a.rng.IntN(len(a.zones))].name
			case *dns.DS:
				rr.Algorithm = 200
			case *dns.RRSIG:
				rr.Labels--
			}
		})
	},
	func(a *adversary, m *dns.Msg) {
		a.change(m, func(rr dns.RR) {
			if sig, ok := rr.(*dns.RRSIG); ok {
				sig.SignerName = a.zones[a.rng.IntN(len(a.zones))].name
			}
		})
	},
	func(_ *adversary, m *dns.Msg) { // no signatures
		unsigned := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG }
		m.Answer, m.Ns = slices.DeleteFunc(m.Answer, unsigned), slices.DeleteFunc(m.Ns, unsigned)
	},
	func(a *adversary, m *dns.Msg) { // a text of his own
		rr, err := dns.NewRR(m.Question[0].Name + ` 300 TXT "forged"`)
		if err == nil {
			m.Answer = append(m.Answer, rr)
		}
	},
	func(a *adversary, m *dns.Msg) {
		a.rng.Shuffle(len(m.Answer), func(i, j int) { m.Answer[i], m.Answer[j] = m.Answer[j], m.Answer[i] })
		a.rng.Shuffle(len(m.Ns), func(i, j int) { m.Ns[i], m.Ns[j] = m.Ns[j], m.Ns[i] })
	},
}

// truth is what an honest server's answers come to.
type truth struct {
	security resolver.Security
	texts    []string
}

func lookUp(t *testing.T, d *resolver.DNS, name string) truth {
	t.Helper()
	a, err := d.LookupTXT(t.Context(), name)
	found := truth{security: a.Security}
	if err == nil {
		found.texts = slices.Clone(a.Texts)
		slices.Sort(found.texts)
		found.texts = slices.Compact(found.texts)
	} else if e := err.(*resolver.Error); !e.NotFound() {
		found.security = resolver.Bogus
	}
	return found
}

// TestAdversary holds that nothing forged is ever secure, be it a key or that there is none,
// and that what is secure can be made bogus, but never insecure.
func TestAdversary(t *testing.T) {
	testutil.Need(t, "named")
	rounds, trees := 2000, uint64(1)
	if testutil.Long() {
		rounds, trees = 30000, 20
	}
	for seed := range trees {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { attack(t, seed, rounds) })
	}
}

func attack(t *testing.T, seed uint64, rounds int) {
	w := newWorld(t, 1000+seed, 20)
	dir := t.TempDir()
	a := &adversary{rng: rand.New(rand.NewPCG(seed, 2)), zones: w.zones, calm: true}
	a.fresh = startNamed(t, dir+"/named", w, func(z *zone) []dns.RR { return z.records })
	proxy := dnstest.New(t, "")
	proxy.SetHandler(a)
	o := resolver.Options{
		Nameservers: []string{proxy.Addr}, TrustAnchorFile: write(t, dir, "anchor", w.anchor+"\n"), UseTCP: true,
		Timeout: 10 * time.Second, Attempts: 1, FailureTTL: -1, CacheSize: -1,
	}
	fresh := func() *resolver.DNS {
		d, err := resolver.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	truths := make(map[string]truth)
	var names [2][]string // insecure and secure ones
	d := fresh()
	for _, z := range w.zones {
		for _, name := range z.queries {
			found := lookUp(t, d, name)
			truths[name] = found
			switch found.security {
			case resolver.Insecure:
				names[0] = append(names[0], name)
			case resolver.Secure:
				names[1] = append(names[1], name)
			}
		}
	}
	a.mu.Lock()
	a.calm = false
	a.mu.Unlock()
	verdicts := make(map[resolver.Security]int)
	for i := range rounds {
		if i%10 == 0 {
			d = fresh() // one that remembers no zones
		}
		name := pick(w, names[min(w.rng.IntN(4), 1)])
		found, want := lookUp(t, d, name), truths[name]
		verdicts[found.security]++
		forged := found.security == resolver.Secure && (want.security != resolver.Secure || !slices.Equal(found.texts, want.texts))
		opened := want.security == resolver.Secure && found.security != resolver.Secure && found.security != resolver.Bogus
		if forged || opened {
			t.Errorf("%s: %v %q, in truth %v %q", name, found.security, found.texts, want.security, want.texts)
		}
	}
	t.Logf("%d look-ups: %d secure and true, %d insecure, %d bogus or failed", rounds, verdicts[resolver.Secure],
		verdicts[resolver.Insecure], verdicts[resolver.Bogus])
	if verdicts[resolver.Secure] < rounds/10 || verdicts[resolver.Bogus] < rounds/50 {
		t.Error("the adversary does too little, or too much")
	}
}
