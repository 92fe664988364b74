package rotation

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/zonetest"
)

// blocked is a mail whose zone a secondary has too, which can be told of changes or not.
type blocked struct {
	*mail
	second *zonetest.Server
	former *dnstest.Server // of a provider that does not know the zone any more
	follow bool            // the secondary is told of changes
}

// trouble keeps a new key from signing.
type trouble struct {
	name       string
	word       string // "" for what keeps nothing
	fail, mend func(b *blocked)
}

// second has what answers for the second server bent.
func second(f func(*dns.Msg, bool) bool) func(*blocked) {
	return func(b *blocked) { b.second.Bend(f) }
}

func straight(b *blocked) { b.second.Bend(nil) }

var troubles = []trouble{
	{"secondary lags", "server-differs", func(b *blocked) { b.follow = false }, func(b *blocked) { b.follow = true }},
	{"silent", "server-silent", second(func(*dns.Msg, bool) bool { return false }), straight},
	{"from a cache", "server-silent", second(func(m *dns.Msg, _ bool) bool { m.Authoritative = false; return true }), straight},
	{"refuses", "server-silent", second(func(m *dns.Msg, _ bool) bool { m.Rcode, m.Answer = dns.RcodeRefused, nil; return true }), straight},
	{"unsigned", "server-unsigned", second(func(m *dns.Msg, _ bool) bool { m.Answer, m.Ns = unsigned(m.Answer), unsigned(m.Ns); return true }), straight},
	{"no EDNS", "server-unsigned", second(func(m *dns.Msg, _ bool) bool {
		if m.IsEdns0() != nil { // as the question had it
			m.Rcode, m.Answer, m.Ns, m.Extra = dns.RcodeFormatError, nil, nil, nil
		}
		return true
	}), straight},
	{"former provider", "server-differs", func(b *blocked) { b.Parent.AddRR("example.com. IN NS former.example.") },
		func(b *blocked) {
			b.Parent.Remove("example.com")
			b.delegate()
		}},
	{"reload refused", "reload-refused", func(b *blocked) { b.configure("Nonsense yes\n") }, func(b *blocked) { b.configure("") }},
	{"only TCP", "", second(func(m *dns.Msg, udp bool) bool {
		if udp {
			m.Truncated, m.Answer, m.Ns = true, nil, nil
		}
		return true
	}), straight},
}

func unsigned(list []dns.RR) (kept []dns.RR) {
	for _, rr := range list {
		switch rr.(type) {
		case *dns.RRSIG, *dns.NSEC:
		default:
			kept = append(kept, rr)
		}
	}
	return kept
}

func newBlocked(t *testing.T) *blocked {
	m := newMail(t, rig{kind: "bind", domains: three[:1], rotate: pace + "Interval 1h\n"})
	b := &blocked{mail: m, follow: true, former: dnstest.OnPort53(t)}
	b.second = zonetest.StartSecondary(t, m.Server, zonetest.Zone{Name: "example.com", Signed: true})
	b.former.ServeZones("example.com")
	b.former.AddRR("example.com. IN NS former.example.")
	for _, s := range []*dnstest.Server{b.Parent, b.Resolver} {
		s.AddRR("ns2.example.com. IN A " + b.second.Public)
		s.AddRR("former.example. IN A " + b.former.Addr)
	}
	b.Parent.Remove("example.com")
	b.delegate()
	return b
}

// delegate is what the parent says of the zone, which is signed.
func (b *blocked) delegate() {
	b.Parent.AddRR("example.com. IN NS ns.example.com.")
	b.Parent.AddRR("example.com. IN NS ns2.example.com.")
	r, err := b.Ask("example.com", dns.TypeDNSKEY)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, rr := range r.Answer {
		if key, ok := rr.(*dns.DNSKEY); ok && key.Flags&dns.SEP != 0 {
			b.Parent.AddRR(key.ToDS(dns.SHA256).String())
		}
	}
}

// configure has the filter find a line more in its configuration.
func (b *blocked) configure(line string) {
	conf, err := os.ReadFile(b.path("conf"))
	if err != nil {
		b.t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(conf), "Nonsense")
	b.write("conf", text+line, 0o644)
}

// until runs as the timer does until a state is there, or a reason.
func (b *blocked) until(what string, f func(it item) bool) {
	b.t.Helper()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if b.follow {
			b.second.Notify(b.t, "example.com")
		}
		code := b.turn()
		for _, it := range b.keys() {
			if f(it) {
				if want := map[bool]int{true: 69, false: 0}[it.Reason != ""]; code != want && (code != 75 || want == 69) {
					b.t.Errorf("%s: the run ended with %d", what, code)
				}
				return
			}
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s never came:\n%s\n%+v", what, b.said, b.keys())
		}
	}
}

// What is wrong with one server, or the filter, keeps a new key from signing, by its
// word, and mail goes on being signed and verified; mended, it goes on.
func TestTroubles(t *testing.T) {
	t.Parallel()
	list := troubles
	if !testutil.Long() {
		list = troubles[rand.IntN(len(troubles)):][:1]
	}
	b := newBlocked(t)
	b.flowing(func() {
		for _, tr := range list {
			before := b.signer("a@example.com")
			tr.fail(b)
			if out, code := b.run("rotate", "start", "example.com"); code == 78 {
				t.Fatal(out)
			}
			if tr.word != "" {
				b.until(tr.name+": "+tr.word, func(it item) bool { return it.Reason == tr.word })
				if after := b.signer("a@example.com"); strings.Join(before, " ") != strings.Join(after, " ") {
					t.Errorf("%s: signed by %q, before by %q", tr.name, after, before)
				}
				tr.mend(b)
			}
			b.until(tr.name+", mended", func(it item) bool { return it.State == "signing" && it.Selector != before[0] })
			tr.mend(b)
			b.until(tr.name+", the old key", func(item) bool { return len(b.keys()) == 1 })
		}
	})
}
