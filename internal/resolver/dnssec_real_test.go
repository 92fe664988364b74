package resolver

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil"
)

// realZones is a root with three top-level domains and, below them, zones in every
// state a validator must tell apart.
func realZones() []testZone {
	const ecdsa = "ECDSAP256SHA256"
	nsec3 := []string{"-3", "abcd", "-H", "5"}
	txt := func(zone string) string { return "k." + zone + ` TXT "v=DKIM1; p=` + zone + "\"\n" }
	return []testZone{
		{name: ".", algorithm: ecdsa, splitKeys: true},
		{name: "test.", algorithm: ecdsa},
		{name: "optout.", algorithm: ecdsa, sign: append([]string{"-A"}, nsec3...)},
		{name: "three.", algorithm: "RSASHA256", sign: nsec3},
		{name: "secure.test.", algorithm: ecdsa, splitKeys: true, records: txt("secure.test.") +
			`deep.below.secure.test. TXT "x"
*.wild.secure.test. TXT "from a wildcard"
there.wild.secure.test. A 192.0.2.1
*.wildalias.secure.test. CNAME k.secure.test.
only-a.secure.test. A 192.0.2.1
to-secure.secure.test. CNAME k.ed.test.
to-insecure.secure.test. CNAME k.insecure.test.
to-bogus.secure.test. CNAME k.tampered.test.
to-gone.secure.test. CNAME gone.secure.test.
to-three.secure.test. CNAME k.zone.three.
to-wild.secure.test. CNAME a.wild.secure.test.
old.secure.test. DNAME ed.test.
`},
		{name: "child.secure.test.", algorithm: "ECDSAP384SHA384", records: txt("child.secure.test.")},
		{name: "plain.secure.test.", ds: "none", records: txt("plain.secure.test.")},
		{name: "ed.test.", algorithm: "ED25519", records: txt("ed.test.")},
		{name: "rsa.test.", algorithm: "RSASHA512", records: txt("rsa.test.")},
		{name: "sha1.test.", algorithm: "NSEC3RSASHA1", sign: nsec3, records: txt("sha1.test.")},
		{name: "insecure.test.", ds: "none", records: txt("insecure.test.") + "to-secure.insecure.test. CNAME k.secure.test.\n"},
		{name: "island.test.", ds: "none", algorithm: ecdsa, records: txt("island.test.")},
		{name: "tampered.test.", algorithm: ecdsa, records: txt("tampered.test."), edit: func(s string) string {
			return strings.Replace(s, "p=tampered", "p=TAMPERED", 1)
		}},
		{name: "expired.test.", algorithm: ecdsa, sign: []string{"-s", "20250101000000", "-e", "20250201000000"}, records: txt("expired.test.")},
		{name: "future.test.", algorithm: ecdsa, sign: []string{"-s", "20400101000000", "-e", "20410201000000"}, records: txt("future.test.")},
		{name: "wrongds.test.", ds: "wrong", algorithm: ecdsa, records: txt("wrongds.test.")},
		{name: "stripped.test.", ds: "wrong", records: txt("stripped.test.")},
		{name: "newalg.test.", ds: "4711 200 2 " + strings.Repeat("ab", 32), records: txt("newalg.test.")},
		{name: "newdigest.test.", ds: "4711 13 99 " + strings.Repeat("ab", 32), records: txt("newdigest.test.")},
		{name: "nosig.test.", algorithm: ecdsa, records: txt("nosig.test."), edit: func(s string) string {
			return regexp.MustCompile(`(?m)^k\.nosig\.test\.\s.*RRSIG\s+TXT .*\n`).ReplaceAllString(s, "")
		}},
		{name: "costly.test.", algorithm: ecdsa, sign: []string{"-3", "abcd", "-H", "150"}, records: txt("costly.test.")},
		{name: "signed.optout.", algorithm: ecdsa, records: txt("signed.optout.")},
		{name: "plain.optout.", ds: "none", records: txt("plain.optout.")},
		{name: "plain.ent.optout.", ds: "none", records: txt("plain.ent.optout.")},
		{name: "zone.three.", algorithm: "RSASHA256", sign: nsec3, splitKeys: true, records: txt("zone.three.") + `
deep.below.zone.three. TXT "x"
*.wild.zone.three. TXT "from a wildcard"
only-a.zone.three. A 192.0.2.1
to-secure.zone.three. CNAME k.secure.test.
`},
		{name: "opted.test.", algorithm: ecdsa, sign: append([]string{"-A"}, nsec3...), records: txt("opted.test.") + `
deep.below.opted.test. TXT "x"
*.wild.opted.test. TXT "from a wildcard"
there.wild.opted.test. A 192.0.2.1
*.wildalias.opted.test. CNAME k.secure.test.
only-a.opted.test. A 192.0.2.1
old.opted.test. DNAME ed.test.
`},
		{name: "plain.three.", ds: "none", records: txt("plain.three.")},
	}
}

type realCase struct {
	name string
	want Security
	kind Kind // of the error: 0 found, KindNotFound, KindNoData; Bogus is KindBogus
}

var realCases = []realCase{
	{"k.secure.test", Secure, 0},
	{"K.Secure.TEST", Secure, 0},
	{"k.child.secure.test", Secure, 0},
	{"k.plain.secure.test", Insecure, 0},
	{"k.ed.test", Secure, 0},
	{"k.rsa.test", Secure, 0},
	{"k.sha1.test", Insecure, 0},
	{"k.insecure.test", Insecure, 0},
	{"k.island.test", Insecure, 0},
	{"k.tampered.test", Bogus, KindBogus},
	{"k.expired.test", Bogus, KindBogus},
	{"k.future.test", Bogus, KindBogus},
	{"k.wrongds.test", Bogus, KindBogus},
	{"k.stripped.test", Bogus, KindBogus},
	{"gone.stripped.test", Bogus, KindBogus},
	{"k.nosig.test", Bogus, KindBogus},
	{"k.newalg.test", Insecure, 0},
	{"k.newdigest.test", Insecure, 0},
	{"k.costly.test", Secure, 0},
	{"gone.costly.test", Secure, KindNotFound},

	{"gone.secure.test", Secure, KindNotFound},
	{"a.b.c.gone.secure.test", Secure, KindNotFound},
	{"only-a.secure.test", Secure, KindNoData},
	{"below.secure.test", Secure, KindNoData},
	{"secure.test", Secure, KindNoData},
	{"gone.test", Secure, KindNotFound},
	{"gone", Secure, KindNotFound},
	{"gone.insecure.test", Insecure, KindNotFound},
	{"gone.expired.test", Bogus, KindBogus},

	{"a.wild.secure.test", Secure, 0},
	{"a.b.c.wild.secure.test", Secure, 0},
	{"there.wild.secure.test", Secure, KindNoData},
	{"x.there.wild.secure.test", Secure, KindNotFound},
	{"x.wildalias.secure.test", Secure, 0},
	{"to-secure.secure.test", Secure, 0},
	{"to-three.secure.test", Secure, 0},
	{"to-wild.secure.test", Secure, 0},
	{"to-insecure.secure.test", Insecure, 0},
	{"to-secure.insecure.test", Insecure, 0},
	{"to-bogus.secure.test", Bogus, KindBogus},
	{"to-gone.secure.test", Secure, KindNotFound},
	{"k.old.secure.test", Secure, 0},
	{"gone.old.secure.test", Secure, KindNotFound},

	{"k.signed.optout", Secure, 0},
	{"k.plain.optout", Insecure, 0},
	{"gone.optout", Insecure, KindNotFound},
	{"ent.optout", Insecure, KindNoData},
	{"k.plain.ent.optout", Insecure, 0},

	{"k.opted.test", Secure, 0},
	{"a.wild.opted.test", Insecure, 0},
	{"a.b.wild.opted.test", Insecure, 0},
	{"there.wild.opted.test", Secure, KindNoData},
	{"x.there.wild.opted.test", Insecure, KindNotFound},
	{"x.wildalias.opted.test", Insecure, 0},
	{"k.old.opted.test", Secure, 0},
	{"only-a.opted.test", Secure, KindNoData},
	{"below.opted.test", Secure, KindNoData},
	{"gone.opted.test", Insecure, KindNotFound},

	{"k.zone.three", Secure, 0},
	{"gone.zone.three", Secure, KindNotFound},
	{"x.y.gone.zone.three", Secure, KindNotFound},
	{"only-a.zone.three", Secure, KindNoData},
	{"below.zone.three", Secure, KindNoData},
	{"a.wild.zone.three", Secure, 0},
	{"a.b.wild.zone.three", Secure, 0},
	{"to-secure.zone.three", Secure, 0},
	{"k.plain.three", Insecure, 0},
	{"gone.three", Secure, KindNotFound},
}

// unboundVerdict is what a validating unbound says: AD, or SERVFAIL for bogus.
func unboundVerdict(t *testing.T, addr, name string) (Security, Kind) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	m.SetEdns0(1232, true)
	client := dns.Client{Timeout: 5 * time.Second}
	r, _, err := client.Exchange(m, addr)
	if err == nil && r.Truncated {
		client.Net = "tcp"
		r, _, err = client.Exchange(m, addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	security := Insecure
	if r.AuthenticatedData {
		security = Secure
	}
	switch r.Rcode {
	case dns.RcodeServerFailure:
		return Bogus, KindBogus
	case dns.RcodeNameError:
		return security, KindNotFound
	case dns.RcodeSuccess:
		for _, rr := range r.Answer {
			if rr.Header().Rrtype == dns.TypeTXT {
				return security, 0
			}
		}
		return security, KindNoData
	}
	t.Fatalf("unbound: %v", r)
	return 0, 0
}

func ourVerdict(t *testing.T, d *DNS, name string) (Security, Kind, error) {
	t.Helper()
	a, err := d.LookupTXT(context.Background(), name)
	if err == nil {
		return a.Security, 0, nil
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v", name, err)
	}
	return a.Security, e.Kind, err
}

// TestDNSSECAgainstRealServers validates zones made by BIND's tools through three
// kinds of servers, and compares each verdict with unbound's.
func TestDNSSECAgainstRealServers(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "named", "unbound", "dnssec-keygen", "dnssec-signzone", "dnssec-dsfromkey")
	tr := buildTree(t, realZones())
	forwarder := tr.startForwarder()
	unbound := tr.startUnbound(forwarder)
	servers := []struct{ what, addr string }{
		{"authoritative BIND", tr.named},
		{"forwarding BIND", forwarder},
		{"unbound", unbound},
	}
	t.Run("unbound's verdicts", func(t *testing.T) {
		for _, c := range realCases {
			if c.name == "k.sha1.test" {
				continue // RFC 9905 §2 leaves it to unbound's operator
			}
			if security, kind := unboundVerdict(t, unbound, c.name); security != c.want || kind != c.kind {
				t.Errorf("%s: unbound says %v (%v), the table %v (%v)", c.name, security, kind, c.want, c.kind)
			}
		}
	})
	for _, s := range servers {
		for _, anchor := range []string{tr.anchor, tr.keys} {
			t.Run(s.what+" "+filepath.Ext(anchor), func(t *testing.T) {
				d, err := New(Options{Nameservers: []string{s.addr}, TrustAnchorFile: anchor, Timeout: 2 * time.Second, Attempts: 1})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range realCases {
					security, kind, err := ourVerdict(t, d, c.name)
					if security != c.want || kind != c.kind {
						t.Errorf("%s: %v (%v), want %v (%v): %v", c.name, security, kind, c.want, c.kind, err)
					}
				}
			})
		}
	}
	t.Run("words", func(t *testing.T) {
		d, err := New(Options{Nameservers: []string{tr.named}, TrustAnchorFile: tr.anchor})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"k.expired.test":  "expired on 2025-02-01",
			"k.future.test":   "not valid before 2040-01-01 00:00:00 UTC: is this machine's clock right?",
			"k.tampered.test": `the signature over "k.tampered.test" TXT by key`,
			"k.wrongds.test":  `none of the keys of "wrongds.test" is the one its parent zone`,
			"k.nosig.test":    `"k.nosig.test" TXT is not signed`,
		} {
			a, err := d.LookupTXT(context.Background(), name)
			e := wantKind(t, err, KindBogus, true)
			if !strings.Contains(e.Error(), want) {
				t.Errorf("%s: %v, want %q", name, e, want)
			}
			if len(a.Texts) != 1 {
				t.Errorf("%s: no texts beside the error", name)
			}
		}
	})
}
