package dnssec

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
	"dojang/internal/testutil"
)

// finding is what somebody says of a name.
type finding struct {
	security resolver.Security
	kind     resolver.Kind // of the error, 0 without
}

func (f finding) String() string {
	if f.kind == 0 {
		return f.security.String()
	}
	return fmt.Sprintf("%v (%v)", f.security, f.kind)
}

// unboundSays reads the AD bit, and SERVFAIL as bogus. Nothing is found where unbound does
// not answer in time.
func unboundSays(t *testing.T, addr, name string) finding {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	m.SetEdns0(4096, true)
	client := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	r, _, err := client.Exchange(m, addr)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return finding{}
	}
	if err != nil {
		t.Fatalf("unbound, %s: %v", name, err)
	}
	f := finding{security: resolver.Insecure}
	if r.AuthenticatedData {
		f.security = resolver.Secure
	}
	switch r.Rcode {
	case dns.RcodeServerFailure:
		return finding{resolver.Bogus, resolver.KindBogus}
	case dns.RcodeNameError:
		f.kind = resolver.KindNotFound
		return f
	}
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == dns.TypeTXT {
			return f
		}
	}
	f.kind = resolver.KindNoData
	return f
}

func weSay(t *testing.T, d *resolver.DNS, name string) (finding, error) {
	t.Helper()
	a, err := d.LookupTXT(t.Context(), name)
	if err == nil {
		return finding{security: a.Security}, nil
	}
	var e *resolver.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v", name, err)
	}
	return finding{a.Security, e.Kind}, err
}

// counts are the scenarios that were held against unbound's verdicts.
type counts struct {
	scenarios, agree int
	unbound          map[resolver.Security]int
	beset            int // left out
	keys             int // of which the generator knew the verdict
}

// TestVerdicts makes trees of zones and holds every verdict against unbound's, and those on
// the zones' own keys against what was done to them. DNSSEC_SEED names the first tree.
func TestVerdicts(t *testing.T) {
	testutil.Need(t, "named")
	testutil.Need(t, "unbound")
	trees := 2
	if testutil.Long() {
		trees = 60
	}
	seed := uint64(1)
	if text := os.Getenv("DNSSEC_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
		trees = 1
	}
	total := counts{unbound: make(map[resolver.Security]int)}
	for range trees {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			compare(t, newWorld(t, seed, 30), &total)
		})
		seed++
	}
	t.Logf("%d scenarios, %d agree with unbound (%d secure, %d insecure, %d bogus; %d left out); %d keys as made",
		total.scenarios, total.agree,
		total.unbound[resolver.Secure], total.unbound[resolver.Insecure], total.unbound[resolver.Bogus], total.beset, total.keys)
	if total.beset > total.scenarios/30 { // a tenth of those that stale servers could spoil
		t.Errorf("%d of %d scenarios are left out", total.beset, total.scenarios)
	}
	for _, s := range []resolver.Security{resolver.Secure, resolver.Insecure, resolver.Bogus} {
		if total.unbound[s] < total.scenarios/20 {
			t.Errorf("of %d scenarios only %d are %v: the trees show too little", total.scenarios, total.unbound[s], s)
		}
	}
}

func compare(t *testing.T, w *world, total *counts) {
	s := serve(t, w)
	for _, server := range []struct{ what, addr string }{
		{"through unbound", s.unbound}, {"from the zones' server", s.fresh}, {"through unbound and stale servers", s.beset},
	} {
		d, err := resolver.New(resolver.Options{Nameservers: []string{server.addr}, TrustAnchorFile: s.anchor,
			Timeout: 10 * time.Second, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range w.zones {
			for i, name := range z.queries {
				ours, problem := weSay(t, d, name)
				theirs := unboundSays(t, s.unbound, name)
				total.scenarios++
				total.unbound[theirs.security]++
				if theirs == (finding{}) {
					total.beset++
					continue
				}
				if server.addr == s.beset && ours != theirs && unboundSays(t, s.beset, name) == ours {
					total.beset++ // it did not find the good server itself
					continue
				}
				if ours == theirs {
					total.agree++
				} else {
					t.Errorf("%s, %s: we say %v, unbound %v: %v\n%v", server.what, name, ours, theirs, problem, z)
				}
				if i == 1 {
					checkKey(t, w, z, ours, total)
				}
			}
		}
	}
}

// checkKey holds the verdict on a zone's own key against what the zone is.
func checkKey(t *testing.T, w *world, z *zone, ours finding, total *counts) {
	t.Helper()
	verdicts := map[verdict]resolver.Security{secure: resolver.Secure, insecure: resolver.Insecure, bogus: resolver.Bogus}
	want, known := w.expect(z)
	if !known {
		return
	}
	total.keys++
	if ours.security != verdicts[want] {
		t.Errorf("the key of %v: %v, want %v", z, ours, verdicts[want])
	}
}
