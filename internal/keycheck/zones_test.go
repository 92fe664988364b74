package keycheck

import (
	"context"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
	"dojang/internal/testutil/dnstest"
)

func TestRegistered(t *testing.T) {
	for name, want := range map[string]string{
		"example.com": "example.com", "a.b.example.com": "example.com", "example.co.uk": "example.co.uk", "co.uk": "co.uk", "com": "com",
		"user.github.io": "github.io", "a.user.github.io": "github.io", "host.corp.inner": "corp.inner", "inner": "inner",
	} {
		if got := registered(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"mail._domainkey.example.com": "example.com",
		"k1.example.net": "k1.example.net", "_x.a._y.b.c": "b.c"} {
		if got := ownerOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Zones begin below the domain, at _domainkey or at a subdomain, on the same servers or
// on others.
func TestZonesWithinTheDomain(t *testing.T) {
	for name, tt := range map[string]struct {
		cut     string
		servers func(w *world) *dnstest.Server
	}{
		"elsewhere, _domainkey":    {"_domainkey.example.com", func(w *world) *dnstest.Server { return w.other }},
		"elsewhere, the record":    {"mail._domainkey.example.com", func(w *world) *dnstest.Server { return w.other }},
		"same server, _domainkey":  {"_domainkey.example.com", func(w *world) *dnstest.Server { return w.ns1 }},
		"same server, the record":  {"mail._domainkey.example.com", func(w *world) *dnstest.Server { return w.ns1 }},
		"parent's server, example": {"example.com", func(w *world) *dnstest.Server { return w.com }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := tt.servers(w)
			host := map[*dnstest.Server]string{w.other: "ns.example.net.", w.ns1: "ns1.example.com.", w.com: "a.com."}[s]
			if tt.cut == "example.com" {
				w.com.Remove("example.com")
				w.recursive.AddRR("a.com. IN A 192.0.2.251")
			}
			for _, at := range []*dnstest.Server{w.ns1, w.ns2, s} {
				if tt.cut != "example.com" || at == s {
					at.AddRR(tt.cut + ". 300 IN NS " + host)
				}
			}
			zones := map[*dnstest.Server][]string{w.other: {"example.net"}, w.ns1: {"example.com"}, w.com: {"com", "net"}}[s]
			s.ServeZones(append(zones, tt.cut)...)
			s.AddRR(tt.cut + ". 300 IN SOA a. b. 77 1 1 1 5")
			s.AddTXT(w.mailRecord, w.right)
			w.recursive.AddTXT(w.mailRecord, w.right)
			r := w.mail(t, nil)
			if r.Publication != Published || r.Zone.Name != tt.cut || len(r.Servers) != 1 || *r.Servers[0].SOASerial != 77 {
				t.Errorf("%s %s %+v %+v", r.Publication, codes(r), r.Zone, r.Servers)
			}
		})
	}
}

// A name that has no record, of a domain that nobody registered: neither is there.
func TestUnknownDomain(t *testing.T) {
	w := newWorld(t)
	r := w.mail(t, func(c *Check) { c.Domain = "nobody.com" })
	if r.OK || r.Publication != NotPublished || codes(r) != "absent" || w.recursive.Queries("mail._domainkey.nobody.com") != 0 {
		t.Errorf("%s %s", r.Publication, codes(r))
	}
}

// A subdomain that is not there yet: no cache hears of it.
func TestSubdomainIsNotPlanted(t *testing.T) {
	w := newWorld(t)
	r := w.mail(t, func(c *Check) { c.Domain, c.Diagnose = "news.example.com", true })
	if r.Publication != NotPublished || w.recursive.Queries("news.example.com") != 0 {
		t.Errorf("%s, %d queries", r.Publication, w.recursive.Queries("news.example.com"))
	}
}

// Test data take the place of DNS, servers and all.
func TestTexts(t *testing.T) {
	w := newWorld(t)
	c, err := New(Options{Texts: resolver.NewLookup(func(_ context.Context, name string) (string, bool, error) {
		return w.right, name == w.mailRecord, nil
	}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Check(t.Context(), Check{Domain: "example.com", Selector: "mail", Key: w.key})
	if !r.OK || r.Publication != Unknown || r.Lookup != Found || r.Bits != 2048 {
		t.Errorf("%+v", r)
	}
	if r := c.Check(t.Context(), Check{Domain: "example.com", Selector: "none", Key: w.key, Diagnose: true}); r.OK || codes(r) != "absent" {
		t.Errorf("%+v", r)
	}
}

func TestBadNames(t *testing.T) {
	w := newWorld(t)
	for _, domain := range []string{"", ".", "a..b", "<script>", strings.Repeat("a", 64) + ".com",
		strings.Repeat("abc.", 70) + "com", "exa mple.com", "example.com\n"} {
		r := w.mail(t, func(c *Check) { c.Domain, c.Diagnose = domain, true })
		if r.OK || r.Lookup != BadName || codes(r) != "syntax" || r.Queries != 0 {
			t.Errorf("%q: %s %s", domain, r.Lookup, codes(r))
		}
	}
}

// How long absences are kept is known only when every server tells it; of one that does
// not answer, nothing is.
func TestMinimumUntold(t *testing.T) {
	for name, f := range map[string]dnstest.Fault{
		"no records": {NoData: true}, "refused": {Rcode: dns.RcodeRefused}, "failure": {Rcode: dns.RcodeServerFailure},
		"from a cache": {NoAA: true}, "referral": {Referral: true},
	} {
		w := newWorld(t)
		w.everywhere(w.mailRecord, w.right)
		if r := w.mail(t, nil); r.Zone.MinimumUntold || r.Zone.MinimumSeconds != 900 {
			t.Fatalf("%+v", r.Zone)
		}
		w.ns1.SetFault("example.com", f)
		if r := w.mail(t, nil); r.Publication != Published || !r.Zone.MinimumUntold || r.Zone.MinimumSeconds != 900 {
			t.Errorf("%s: %s %s %+v", name, r.Publication, codes(r), r.Zone)
		}
		r := w.mail(t, func(c *Check) { c.IgnoreServers = []string{"ns1.example.com"} })
		if r.Publication != Published || r.Zone.MinimumUntold {
			t.Errorf("%s, ignored: %s %+v", name, r.Publication, r.Zone)
		}
		w.ns1.SetFault("example.com", dnstest.Fault{Silent: true})
		if r := w.mail(t, nil); r.Publication != ServerSilent {
			t.Errorf("silent: %s %+v", r.Publication, r.Zone)
		}
	}
}

// A host without IPv6 can still prove what servers have that have IPv4 as well.
func TestNoRoute(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.right)
	w.recursive.AddRR("ns1.example.com. IN AAAA 2001:db8::1")
	r := w.mail(t, nil)
	if s := r.server(t, "2001:db8::1"); s.Error != ErrNoRoute || !s.Ignored || r.Publication != Published || len(r.Faults) != 0 {
		t.Errorf("%s %s %+v", r.Publication, codes(r), s)
	}
	w.com.AddRR("example.com. IN NS six.example.com.")
	w.com.AddRR("six.example.com. IN AAAA 2001:db8::6")
	if r := w.mail(t, nil); r.Publication != ServerSilent {
		t.Errorf("%s %s", r.Publication, codes(r))
	}
}
