package dnssec

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dojang/internal/resolver"
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
	want resolver.Security
	kind resolver.Kind // of the error: 0 found
}

var realCases = []realCase{
	{"k.secure.test", resolver.Secure, 0},
	{"K.Secure.TEST", resolver.Secure, 0},
	{"k.child.secure.test", resolver.Secure, 0},
	{"k.plain.secure.test", resolver.Insecure, 0},
	{"k.ed.test", resolver.Secure, 0},
	{"k.rsa.test", resolver.Secure, 0},
	{"k.sha1.test", resolver.Insecure, 0},
	{"k.insecure.test", resolver.Insecure, 0},
	{"k.island.test", resolver.Insecure, 0},
	{"k.tampered.test", resolver.Bogus, resolver.KindBogus},
	{"k.expired.test", resolver.Bogus, resolver.KindBogus},
	{"k.future.test", resolver.Bogus, resolver.KindBogus},
	{"k.wrongds.test", resolver.Bogus, resolver.KindBogus},
	{"k.stripped.test", resolver.Bogus, resolver.KindBogus},
	{"gone.stripped.test", resolver.Bogus, resolver.KindBogus},
	{"k.nosig.test", resolver.Bogus, resolver.KindBogus},
	{"k.newalg.test", resolver.Insecure, 0},
	{"k.newdigest.test", resolver.Insecure, 0},
	{"k.costly.test", resolver.Secure, 0},
	{"gone.costly.test", resolver.Secure, resolver.KindNotFound},

	{"gone.secure.test", resolver.Secure, resolver.KindNotFound},
	{"a.b.c.gone.secure.test", resolver.Secure, resolver.KindNotFound},
	{"only-a.secure.test", resolver.Secure, resolver.KindNoData},
	{"below.secure.test", resolver.Secure, resolver.KindNoData},
	{"secure.test", resolver.Secure, resolver.KindNoData},
	{"gone.test", resolver.Secure, resolver.KindNotFound},
	{"gone", resolver.Secure, resolver.KindNotFound},
	{"gone.insecure.test", resolver.Insecure, resolver.KindNotFound},
	{"gone.expired.test", resolver.Bogus, resolver.KindBogus},

	{"a.wild.secure.test", resolver.Secure, 0},
	{"a.b.c.wild.secure.test", resolver.Secure, 0},
	{"there.wild.secure.test", resolver.Secure, resolver.KindNoData},
	{"x.there.wild.secure.test", resolver.Secure, resolver.KindNotFound},
	{"x.wildalias.secure.test", resolver.Secure, 0},
	{"to-secure.secure.test", resolver.Secure, 0},
	{"to-three.secure.test", resolver.Secure, 0},
	{"to-wild.secure.test", resolver.Secure, 0},
	{"to-insecure.secure.test", resolver.Insecure, 0},
	{"to-secure.insecure.test", resolver.Insecure, 0},
	{"to-bogus.secure.test", resolver.Bogus, resolver.KindBogus},
	{"to-gone.secure.test", resolver.Secure, resolver.KindNotFound},
	{"k.old.secure.test", resolver.Secure, 0},
	{"gone.old.secure.test", resolver.Secure, resolver.KindNotFound},

	{"k.signed.optout", resolver.Secure, 0},
	{"k.plain.optout", resolver.Insecure, 0},
	{"gone.optout", resolver.Insecure, resolver.KindNotFound},
	{"ent.optout", resolver.Insecure, resolver.KindNoData},
	{"k.plain.ent.optout", resolver.Insecure, 0},

	{"k.opted.test", resolver.Secure, 0},
	{"a.wild.opted.test", resolver.Insecure, 0},
	{"a.b.wild.opted.test", resolver.Insecure, 0},
	{"there.wild.opted.test", resolver.Secure, resolver.KindNoData},
	{"x.there.wild.opted.test", resolver.Insecure, resolver.KindNotFound},
	{"x.wildalias.opted.test", resolver.Insecure, 0},
	{"k.old.opted.test", resolver.Secure, 0},
	{"only-a.opted.test", resolver.Secure, resolver.KindNoData},
	{"below.opted.test", resolver.Secure, resolver.KindNoData},
	{"gone.opted.test", resolver.Insecure, resolver.KindNotFound},

	{"k.zone.three", resolver.Secure, 0},
	{"gone.zone.three", resolver.Secure, resolver.KindNotFound},
	{"x.y.gone.zone.three", resolver.Secure, resolver.KindNotFound},
	{"only-a.zone.three", resolver.Secure, resolver.KindNoData},
	{"below.zone.three", resolver.Secure, resolver.KindNoData},
	{"a.wild.zone.three", resolver.Secure, 0},
	{"a.b.wild.zone.three", resolver.Secure, 0},
	{"to-secure.zone.three", resolver.Secure, 0},
	{"k.plain.three", resolver.Insecure, 0},
	{"gone.three", resolver.Secure, resolver.KindNotFound},
}

// TestZonesOfBIND validates zones made by BIND's tools through three
// kinds of servers, and compares each verdict with unbound's.
func TestZonesOfBIND(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "named", "unbound", "dnssec-keygen", "dnssec-signzone", "dnssec-dsfromkey")
	tr := buildTree(t, realZones())
	forwarder := tr.startForwarder()
	unbound := tr.startUnbound(t, forwarder)
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
			if theirs, want := unboundSays(t, unbound, c.name), (finding{c.want, c.kind}); theirs != want {
				t.Errorf("%s: unbound says %v, the table %v", c.name, theirs, want)
			}
		}
	})
	for _, s := range servers {
		for _, anchor := range []string{tr.anchor, tr.keys} {
			t.Run(s.what+" "+filepath.Ext(anchor), func(t *testing.T) {
				d, err := resolver.New(resolver.Options{Nameservers: []string{s.addr}, TrustAnchorFile: anchor,
					Timeout: 2 * time.Second, Attempts: 1})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range realCases {
					ours, err := weSay(t, d, c.name)
					if want := (finding{c.want, c.kind}); ours != want {
						t.Errorf("%s: %v, want %v: %v", c.name, ours, want, err)
					}
				}
			})
		}
	}
	t.Run("words", func(t *testing.T) {
		d, err := resolver.New(resolver.Options{Nameservers: []string{tr.named}, TrustAnchorFile: tr.anchor})
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
			a, err := d.LookupTXT(t.Context(), name)
			var e *resolver.Error
			if !errors.As(err, &e) || e.Kind != resolver.KindBogus || !e.Temporary() || !strings.Contains(e.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
			if len(a.Texts) != 1 {
				t.Errorf("%s: no texts beside the error", name)
			}
		}
	})
}
