//go:build linux

package keycheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/keycheck"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func codes(r *keycheck.Report) string {
	var list []string
	for _, f := range r.Faults {
		list = append(list, f.Code)
	}
	return strings.Join(list, " ")
}

// A secondary that has not transferred the zone yet is told, and forgotten about once
// it has; the resolver hears of the name then.
func TestSecondaryLags(t *testing.T) {
	n := newInternet(t)
	n.delegate([]string{"lag.test. NS " + serverName(bindServer), "lag.test. NS " + serverName(knotServer)})
	servers := []int{bindServer, knotServer}
	n.set(bindServer, "lag.test", zoneText(1, servers))
	n.bind(t, rootServer, "")
	dir := filepath.Join(n.dir, fmt.Sprint(bindServer))
	n.bind(t, bindServer, "")
	n.file(t, knotServer, "x", "")
	n.bind(t, knotServer, fmt.Sprintf("zone lag.test { type secondary; primaries { %s; }; file \"copy\"; };\n", addr(bindServer)))
	proctest.Until(t, 20*time.Second, "the first transfer", func() bool {
		m, err := n.ask(knotServer, "lag.test", dns.TypeSOA, false)
		return err == nil && len(m.Answer) == 1
	})
	n.recursive(t, unbound)
	c := n.checker(t)
	check := keycheck.Check{Domain: "lag.test", Selector: "mail", Key: n.key, Text: n.right}
	if r := c.Check(t.Context(), check); r.Publication != keycheck.NotPublished || n.remembers(t, "mail._domainkey.lag.test") {
		t.Fatalf("%s %s", r.Publication, codes(r))
	}
	// The primary alone reads its new file: it is ended and started anew.
	if err := os.WriteFile(filepath.Join(dir, "lag.test"), []byte(zoneText(2, servers, txt("mail._domainkey", n.right))),
		0o644); err != nil {
		t.Fatal(err)
	}
	n.restart(t, bindServer)
	r := c.Check(t.Context(), check)
	if r.Publication != keycheck.ServerDiffers || codes(r) != "servers-differ" ||
		r.Faults[0].Args["state"] != "absent" || n.remembers(t, "mail._domainkey.lag.test") {
		t.Fatalf("%s %+v", r.Publication, r.Faults)
	}
	serials := map[string]uint32{}
	for _, s := range r.Servers {
		serials[s.Address] = *s.SOASerial
	}
	if serials[addr(bindServer)] != 2 || serials[addr(knotServer)] != 1 {
		t.Errorf("serials %v", serials)
	}
	notify := new(dns.Msg)
	notify.SetNotify("lag.test.")
	if _, _, err := new(dns.Client).Exchange(notify, addr(knotServer)+":53"); err != nil {
		t.Fatal(err)
	}
	proctest.Until(t, 20*time.Second, "the second transfer", func() bool {
		r = c.Check(t.Context(), check)
		return r.Publication != keycheck.ServerDiffers
	})
	if r.Publication != keycheck.Published || !r.OK || r.Cache == nil || r.Cache.State != keycheck.Same || r.Zone.MinimumSeconds != 77 {
		t.Errorf("%s %s %+v", r.Publication, codes(r), r.Cache)
	}
}

// restart ends a BIND and starts it with the same configuration.
func (n *internet) restart(t *testing.T, server int) {
	t.Helper()
	n.processes[server].Signal(os.Interrupt)
	n.processes[server].Wait(20 * time.Second)
	n.start(t, server, exec.Command(testutil.Need(t, "named"), "-g", "-n", "1", "-c",
		filepath.Join(n.dir, fmt.Sprint(server), "named.conf")))
}

// An alias into a zone of somebody else's: both zones' servers are asked.
func TestAliasIntoAnotherZone(t *testing.T) {
	n := newInternet(t)
	n.delegate([]string{
		"customer.test. NS " + serverName(bindServer), "customer.test. NS " + serverName(knotServer), "hoster.test. NS " + serverName(powerServer),
	})
	alias := func(target string) []string { return []string{"mail._domainkey 120 CNAME " + target} }
	n.set(bindServer, "customer.test", zoneText(1, []int{bindServer, knotServer},
		append(alias("k1.hoster.test."), "part._domainkey CNAME k1.hoster.test.", "nowhere._domainkey CNAME none.hoster.test.")...))
	n.set(knotServer, "customer.test", zoneText(1, []int{bindServer, knotServer},
		append(alias("k1.hoster.test."), "nowhere._domainkey CNAME none.hoster.test.")...))
	n.set(powerServer, "hoster.test", zoneText(5, []int{powerServer}, txt("k1 240", n.right)))
	n.bind(t, rootServer, "")
	n.bind(t, bindServer, "")
	n.knot(t)
	n.powerDNS(t)
	n.recursive(t, unbound)
	c := n.checker(t)
	r := c.Check(t.Context(), keycheck.Check{Domain: "customer.test", Selector: "mail", Text: n.right, Alias: "k1.hoster.test"})
	if r.Publication != keycheck.Published || len(r.Aliases) != 1 || len(r.Aliases[0].Servers) != 2 ||
		r.Aliases[0].TTLSeconds != 120 || r.Zone.Name != "hoster.test" || r.TTLSeconds != 240 {
		t.Errorf("%s %s %+v", r.Publication, codes(r), r)
	}
	for selector, want := range map[string]keycheck.Publication{"part": keycheck.ServerDiffers, "nowhere": keycheck.NotPublished} {
		r := c.Check(t.Context(), keycheck.Check{Domain: "customer.test", Selector: selector, Text: n.right})
		if r.Publication != want || n.remembers(t, selector+"._domainkey.customer.test") || n.remembers(t, "none.hoster.test") {
			t.Errorf("%s: %s %s", selector, r.Publication, codes(r))
		}
	}
	if r := c.Check(t.Context(), keycheck.Check{Domain: "customer.test", Selector: "part", Text: n.right,
		Alias: "k2.hoster.test"}); r.Publication != keycheck.AliasMissing {
		t.Errorf("%s %s", r.Publication, codes(r))
	}
}

// sign signs a zone with dnssec-signzone; end is its -e. It returns the signed zone
// and the DS record for the parent.
func (n *internet) sign(t *testing.T, zone, text, end string) (signed, ds string) {
	t.Helper()
	keygen, signzone := testutil.Need(t, "dnssec-keygen"), testutil.Need(t, "dnssec-signzone")
	dir := t.TempDir()
	proctest.Ask(t, "", keygen, "-q", "-K", dir, "-a", "ECDSAP256SHA256", "-f", "KSK", zone)
	proctest.Ask(t, "", keygen, "-q", "-K", dir, "-a", "ECDSAP256SHA256", zone)
	file := filepath.Join(dir, "zone")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	begin := "now-10d"
	proctest.Run(t, "", signzone, "-q", "-P", "-S", "-K", dir, "-d", dir, "-o", zone, "-s", begin, "-e", end, "-f", file+".signed", file)
	data, err := os.ReadFile(file + ".signed")
	if err != nil {
		t.Fatal(err)
	}
	name := zone + "."
	if zone == "." {
		name = "."
	}
	set, err := os.ReadFile(filepath.Join(dir, "dsset-"+name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), string(set)
}

// Signed zones: whole, unsigned or out of date on one server, and delegated by a wrong
// DS record.
func TestSignedZones(t *testing.T) {
	n := newInternet(t)
	zone := func(serial int) string {
		return zoneText(serial, []int{bindServer, knotServer}, txt("mail._domainkey", n.right))
	}
	var delegations []string
	both := func(name, atBind, atKnot, ds string) {
		delegations = append(delegations, name+". NS "+serverName(bindServer), name+". NS "+serverName(knotServer), ds)
		n.set(bindServer, name, atBind)
		n.set(knotServer, name, atKnot)
	}
	signed, ds := n.sign(t, "good.test", zone(1), "now+30d")
	both("good.test", signed, signed, ds)
	signed, ds = n.sign(t, "half.test", zone(1), "now+30d")
	both("half.test", signed, zone(1), ds)
	signed, ds = n.sign(t, "old.test", zone(1), "now-1d")
	both("old.test", signed, signed, ds)
	signed, ds = n.sign(t, "ending.test", zone(1), "now+3h")
	both("ending.test", signed, signed, ds)
	signed, _ = n.sign(t, "wrong.test", zone(1), "now+30d")
	_, ds = n.sign(t, "wrong.test", zone(1), "now+30d")
	both("wrong.test", signed, signed, ds)
	both("plain.test", zone(1), zone(1), "")
	n.delegate(delegations)
	test, testDS := n.sign(t, "test", n.of(rootServer)["test"], "now+30d")
	root, rootDS := n.sign(t, ".", n.of(rootServer)["."]+testDS, "now+30d")
	n.set(rootServer, "test", test)
	n.set(rootServer, ".", root)
	n.anchor = n.file(t, unbound, "anchor", rootDS)
	n.bind(t, rootServer, "")
	n.bind(t, bindServer, "")
	n.knot(t)
	n.recursive(t, unbound)
	for _, tt := range []struct {
		domain string
		want   keycheck.Publication
		dnssec string
		link   string
		codes  string
		signed bool
	}{
		{"good.test", keycheck.Published, "secure", "", "", true},
		{"plain.test", keycheck.Published, "insecure", "", "", false},
		{"half.test", keycheck.ServerUnsigned, "", "half.test RRSIG", "server-unsigned", true},
		{"old.test", keycheck.ServerUnsigned, "bogus", "old.test DNSKEY", "", true},
		{"ending.test", keycheck.ServerUnsigned, "secure", "", "server-unsigned server-unsigned", true},
		{"wrong.test", keycheck.ServerUnsigned, "bogus", "wrong.test DNSKEY", "", true},
	} {
		r := n.checker(t).Check(t.Context(), keycheck.Check{Domain: tt.domain, Selector: "mail", Key: n.key})
		link := ""
		if r.Link != nil {
			link = r.Link.Zone + " " + r.Link.Type
		}
		if r.Publication != tt.want || tt.dnssec != "" && r.DNSSEC != tt.dnssec || link != tt.link ||
			r.Zone.Signed == nil || *r.Zone.Signed != tt.signed ||
			tt.codes != "" && codes(r) != tt.codes {
			t.Errorf("%s: %s %s %q %s, want %+v\n%+v", tt.domain, r.Publication, r.DNSSEC, link, codes(r), tt, r.Servers)
		}
	}
}
