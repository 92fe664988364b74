package keycheck

import (
	"crypto"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"dojang/internal/keyrecord"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

func TestPublished(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.right)
	r := w.mail(t, nil)
	if !r.OK || r.Publication != Published || len(r.Faults) != 0 || len(r.Servers) != 2 {
		t.Fatalf("%+v", r)
	}
	s := r.server(t, "192.0.2.2")
	if *s.SOASerial != 20261128 || *s.SOAMinimumSeconds != 900 || *s.TTLSeconds != 300 || s.State != Same {
		t.Errorf("%+v", s)
	}
	if r.Zone.Name != "example.com" || r.Zone.Parent != "com" || r.Zone.MinimumSeconds != 900 ||
		fmt.Sprint(r.Zone.ParentNS) != "[ns1.example.com ns2.example.com]" ||
		fmt.Sprint(r.Zone.ChildNS) != fmt.Sprint(r.Zone.ParentNS) {
		t.Errorf("%+v", r.Zone)
	}
	if len(r.Texts) != 1 || r.Texts[0].Text != w.right || len(r.Texts[0].Strings) != 2 || len(r.Texts[0].Strings[0]) != 255 {
		t.Errorf("%+v", r.Texts)
	}
	if r.KeyType != "rsa" || r.Bits != 2048 || r.Tags[0] != (Tag{"v", "DKIM1", true}) || r.Cache == nil || r.Cache.State != Same {
		t.Errorf("%+v", r)
	}
	if n := w.recursive.Queries(w.mailRecord); n != 1 {
		t.Errorf("the cache was asked %d times for the record", n)
	}
}

// Whatever is missing, no cache hears of the name: it would keep the absence.
func TestCacheNeverAskedTooEarly(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"nowhere":       func(*world) {},
		"on one server": func(w *world) { w.ns1.AddTXT(w.mailRecord, w.right) },
		"one silent": func(w *world) {
			w.ns1.AddTXT(w.mailRecord, w.right)
			w.ns2.SetDefaultFault(dnstest.Fault{Silent: true})
		},
		"not authoritative": func(w *world) {
			w.ns1.AddTXT(w.mailRecord, w.right)
			w.ns2.AddTXT(w.mailRecord, w.right)
			w.ns2.SetFault(w.mailRecord, dnstest.Fault{NoAA: true})
		},
		"alias into nothing": func(w *world) {
			w.ns1.AddCNAME(w.mailRecord, "mail.example.net")
			w.ns2.AddCNAME(w.mailRecord, "mail.example.net")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			r := w.checker(t, nil).Check(t.Context(), Check{Domain: "example.com", Selector: "mail", Key: w.key, Diagnose: true})
			if r.Publication == Published || r.Cache != nil {
				t.Errorf("%+v", r)
			}
			for _, below := range []string{w.mailRecord, "_domainkey.example.com", "example.com",
				"mail.example.com", "mail.example.net", "example.net"} {
				if n := w.recursive.Queries(below); n != 0 {
					t.Errorf("the cache was asked for %s %d times", below, n)
				}
			}
		})
	}
}

func TestPublicationWords(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*world)
		want    Publication
		codes   string
	}{
		{"nowhere", func(*world) {}, NotPublished, "absent"},
		{"one has it", func(w *world) { w.ns1.AddTXT(w.mailRecord, w.right) }, ServerDiffers, "servers-differ"},
		{"one has the old one", func(w *world) {
			w.ns1.AddTXT(w.mailRecord, w.right)
			w.ns2.AddTXT(w.mailRecord, w.old)
			w.recursive.AddTXT(w.mailRecord, w.old)
		}, ServerDiffers, "servers-differ"},
		{"all have another", func(w *world) { w.everywhere(w.mailRecord, w.old) }, Conflict, "mismatch"},
		{"two records on one", func(w *world) { w.everywhere(w.mailRecord, w.right); w.ns2.AddTXT(w.mailRecord, w.old) },
			ServerDiffers, "servers-differ"},
		{"two records", func(w *world) { w.everywhere(w.mailRecord, w.right); w.everywhere(w.mailRecord, w.old) }, Conflict,
			"several-records"},
		{"silent", func(w *world) {
			w.everywhere(w.mailRecord, w.right)
			w.ns2.SetDefaultFault(dnstest.Fault{Silent: true})
		}, ServerSilent, "server-no-answer"},
		{"refuses", func(w *world) { w.everywhere(w.mailRecord, w.right); w.ns2.SetDefaultFault(dnstest.Fault{Rcode: 5}) },
			ServerSilent, "server-no-answer"},
		{"from a cache", func(w *world) {
			w.everywhere(w.mailRecord,
				w.right)
			w.ns2.SetDefaultFault(dnstest.Fault{NoAA: true})
		}, ServerSilent, "server-no-answer"},
		{"cut short", func(w *world) { w.everywhere(w.mailRecord, w.right[:255]) }, Conflict, "cut"},
		{"the resolver remembers another", func(w *world) {
			w.ns1.AddTXT(w.mailRecord, w.right)
			w.ns2.AddTXT(w.mailRecord, w.right)
			w.recursive.AddTXT(w.mailRecord, w.old)
		}, Published, "cache-differs"},
		{"everything truncated", func(w *world) {
			w.everywhere(w.mailRecord, w.right)
			w.ns1.SetDefaultFault(dnstest.Fault{Truncate: true})
		}, Published, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.prepare(w)
			r := w.mail(t, nil)
			if r.Publication != tt.want || codes(r) != tt.codes {
				t.Errorf("%s, %s; want %s, %s\n%+v", r.Publication, codes(r), tt.want, tt.codes, r.Servers)
			}
		})
	}
}

func TestIgnoredServer(t *testing.T) {
	for _, ignore := range []string{"ns2.example.com", "NS2.Example.Com.", "192.0.2.2"} {
		w := newWorld(t)
		w.ns1.AddTXT(w.mailRecord, w.right)
		r := w.mail(t, func(c *Check) { c.IgnoreServers = []string{ignore} })
		if r.Publication != Published || !r.server(t, "192.0.2.2").Ignored {
			t.Errorf("%s: %+v", ignore, r)
		}
	}
}

// The only server that answers does not count.
func TestOnlyIgnoredServerAnswers(t *testing.T) {
	for _, key := range []bool{true, false} {
		w := newWorld(t)
		w.everywhere(w.mailRecord, w.right)
		w.ns1.SetDefaultFault(dnstest.Fault{Silent: true})
		c := w.checker(t, func(o *Options) { o.AskAnyway = true })
		check := Check{Domain: "example.com", Selector: "mail", IgnoreServers: []string{"ns2.example.com"}, Diagnose: true}
		if key {
			check.Key = w.key
		}
		if r := c.Check(t.Context(), check); r.Publication != ServerSilent || !r.OK {
			t.Errorf("%s %s", r.Publication, codes(r))
		}
	}
}

// Where no server counts, none has said that the record is there.
func TestEveryServerIgnored(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.right)
	r := w.mail(t, func(c *Check) { c.IgnoreServers = []string{"ns1.example.com", "ns2.example.com"} })
	if r.Publication != Unknown || r.Cache != nil || r.OK {
		t.Errorf("%s %+v", r.Publication, r.Cache)
	}
}

// A server that only the parent, or only the zone itself, names is asked as well.
func TestParentAndChildDisagree(t *testing.T) {
	for name, prepare := range map[string]func(w *world, add string){
		"parent": func(w *world, add string) { w.com.AddRR("example.com. IN NS " + add) },
		"child":  func(w *world, add string) { w.ns2.AddRR("example.com. IN NS " + add) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.everywhere(w.mailRecord, w.right)
			prepare(w, "ns.example.net.")
			w.other.ServeZones("example.com")
			r := w.mail(t, nil)
			if r.Publication != ServerDiffers || codes(r) != "servers-differ delegation" || r.server(t, "192.0.2.3").State != Missing {
				t.Errorf("%s %s %+v", r.Publication, codes(r), r.Servers)
			}
		})
	}
}

func TestAliasAcrossZones(t *testing.T) {
	w := newWorld(t)
	for _, s := range []*dnstest.Server{w.ns1, w.ns2, w.recursive} {
		s.AddCNAME(w.mailRecord, "k1.example.net")
	}
	w.other.AddTXTWithTTL("k1.example.net", w.right, 77)
	w.recursive.AddTXT("k1.example.net", w.right)
	r := w.mail(t, func(c *Check) { c.Alias = "k1.example.net" })
	if !r.OK || r.Publication != Published || len(r.Aliases) != 1 || r.TTLSeconds != 77 ||
		r.Zone.Name != "example.net" || len(r.Servers) != 1 {
		t.Fatalf("%+v", r)
	}
	a := r.Aliases[0]
	if a.Target != "k1.example.net" || a.TTLSeconds != 300 || a.Type != "CNAME" || a.Zone.Name != "example.com" ||
		len(a.Servers) != 2 || a.Zone.MinimumSeconds != 900 {
		t.Errorf("%+v", a)
	}
	if r := w.mail(t, func(c *Check) { c.Alias = "k2.example.net" }); r.Publication != AliasMissing || r.OK || codes(r) != "alias-missing" {
		t.Errorf("%s %s", r.Publication, codes(r))
	}
	w.ns2.Remove(w.mailRecord)
	if r := w.mail(t, nil); r.Publication != ServerDiffers || r.OK {
		t.Errorf("%s %s", r.Publication, codes(r))
	}
}

func TestAliasLoop(t *testing.T) {
	w := newWorld(t)
	for _, s := range []*dnstest.Server{w.ns1, w.ns2} {
		s.AddCNAME(w.mailRecord, "loop.example.com")
		s.AddCNAME("loop.example.com", w.mailRecord)
	}
	if r := w.mail(t, nil); r.OK || r.Lookup != Looped || codes(r) != "alias-loop" {
		t.Errorf("%+v", r)
	}
}

func TestMisplaced(t *testing.T) {
	for _, n := range misplacedNames("mail", "example.com") {
		w := newWorld(t)
		w.ns1.AddTXT(n.name, w.right)
		w.ns2.AddTXT(n.name, w.right)
		r := w.mail(t, func(c *Check) { c.Diagnose = true })
		last := r.Faults[len(r.Faults)-1]
		if last.Code != keyrecord.FaultOneLabelOff || last.Args["found"] != n.name || last.Args["how"] != n.how {
			t.Errorf("%s: %+v", n.name, r.Faults)
		}
	}
}

func TestOtherKey(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.old)
	w.everywhere("spring._domainkey.example.com", w.right)
	r := w.mail(t, func(c *Check) {
		c.Diagnose, c.Selectors = true, []string{"autumn", "spring"}
		c.Others = []Other{{Name: "old", Place: "KeyTable:7", Domain: "example.org", Selector: "x", Key: func() (crypto.PublicKey, error) {
			return testutil.ReadKey(t, "../keyrecord/testdata/s4096.private").Public(), nil
		}}}
	})
	if codes(r) != "mismatch other-selector other-selector" || r.Faults[1].Args["row"] != "old" ||
		r.Faults[2].Args["selector"] != "spring" {
		t.Errorf("%+v", r.Faults)
	}
}

// A check for strangers sends nothing to inner addresses and says nothing of them.
func TestGuard(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.right)
	inside := netip.MustParseAddr("192.0.2.2")
	c := w.checker(t, func(o *Options) { o.Guard = func(a netip.Addr) bool { return a != inside } })
	before, _ := w.ns2.Total()
	r := c.Check(t.Context(), Check{Domain: "example.com", Selector: "mail"})
	if after, _ := w.ns2.Total(); after != before {
		t.Errorf("%d packets went to the inner address", after-before)
	}
	if s := r.server(t, "192.0.2.2"); s.Error != ErrSilent || s.Detail != "" || r.Publication != ServerSilent {
		t.Errorf("%+v", s)
	}
}

func TestGlobal(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "::1": false, "::": false, "fe80::1": false, "fd00::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "ff02::1": false, "::127.0.0.1": false, "fec0::1": false,
	} {
		if got := Global(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
}

func TestBudget(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.right)
	for most := 1; most < 30; most++ {
		c := w.checker(t, func(o *Options) { o.MaxQueries = most })
		count := func() int {
			sum := 0
			for _, s := range append([]*dnstest.Server{w.recursive}, w.root, w.com, w.ns1, w.ns2) {
				n, _ := s.Total()
				sum += n
			}
			return sum
		}
		before := count()
		r := c.Check(t.Context(), Check{Domain: "example.com", Selector: "mail", Key: w.key})
		if sent := count() - before; sent > most || r.Queries > most {
			t.Errorf("%d queries allowed, %d sent, %d told", most, sent, r.Queries)
		}
		if most < 8 && r.Publication == Published {
			t.Errorf("published after %d queries", most)
		}
	}
}

func TestInternationalDomain(t *testing.T) {
	w := newWorld(t)
	w.com.AddRR("xn--bcher-kva.com. IN NS ns1.example.com.")
	w.com.AddRR("ns1.example.com. IN A 192.0.2.1")
	w.ns1.ServeZones("example.com", "xn--bcher-kva.com")
	w.ns1.AddRR("xn--bcher-kva.com. IN NS ns1.example.com.")
	w.ns1.AddTXT("mail._domainkey.xn--bcher-kva.com", w.right)
	w.recursive.AddTXT("mail._domainkey.xn--bcher-kva.com", w.right)
	for _, domain := range []string{"bücher.com", "BÜCHER.com", "xn--bcher-kva.com", "bücher.com."} {
		r := w.mail(t, func(c *Check) { c.Domain = domain })
		if !r.OK || r.Record != "mail._domainkey.xn--bcher-kva.com" || r.Publication != Published {
			t.Errorf("%s: %+v", domain, r)
		}
	}
}

// Names that only the resolver knows, as in a company's own network.
func TestInnerDomain(t *testing.T) {
	w := newWorld(t)
	w.recursive.AddRR("corp.inner. IN NS ns1.example.com.")
	w.ns1.ServeZones("corp.inner")
	w.ns1.AddRR("corp.inner. IN NS ns1.example.com.")
	w.ns1.AddTXT("mail._domainkey.corp.inner", w.right)
	w.recursive.AddTXT("mail._domainkey.corp.inner", w.right)
	r := w.mail(t, func(c *Check) { c.Domain = "corp.inner" })
	if !r.OK || r.Publication != Published || r.Zone.Name != "corp.inner" {
		t.Errorf("%+v", r)
	}
}

func TestWildcard(t *testing.T) {
	w := newWorld(t)
	for _, s := range []*dnstest.Server{w.ns1, w.ns2} {
		s.AddTXTWithTTL("*.example.com", "v=spf1 -all", 900)
	}
	w.recursive.AddTXT(w.mailRecord, "v=spf1 -all")
	r := w.mail(t, nil)
	if codes(r) != "version wildcard" || r.Publication != Conflict || r.TTLSeconds != 900 {
		t.Errorf("%s %s %d", r.Publication, codes(r), r.TTLSeconds)
	}
}

// An alias of a wildcard is none that was made for the record.
func TestWildcardAlias(t *testing.T) {
	for _, c := range []struct{ alias, place, zone string }{
		{"*.example.com. 600 IN CNAME www.example.net.", "mail._domainkey.example.com", "example.com"},
		{"mail._domainkey.example.com. 600 IN CNAME www.example.net.", "www.example.net", "example.net"},
	} {
		w := newWorld(t)
		w.ns1.AddRR(c.alias)
		w.ns2.AddRR(c.alias)
		r := w.mail(t, nil)
		name, zone := r.Place()
		if r.Wildcard() != strings.HasPrefix(c.alias, "*") || name != c.place || zone != c.zone || len(r.Aliases) != 1 ||
			r.Aliases[0].TTLSeconds != 600 {
			t.Errorf("%s: %q in %q, %s: %+v", c.alias, name, zone, codes(r), r.Aliases)
		}
	}
}
