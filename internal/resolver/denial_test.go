package resolver

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"
)

// The order of names is RFC 4034 §6.1's own example.
func TestCanonicalOrder(t *testing.T) {
	names := []string{"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.", `\001.z.example.`, "*.z.example.", `\200.z.example.`}
	for i := range names {
		for j := range names {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := bytes.Compare(orderOf(names[i]), orderOf(names[j])); got != want {
				t.Errorf("%s against %s: %d, want %d", names[i], names[j], got, want)
			}
		}
	}
	// Zero octets in labels: Cloudflare's next names begin with one.
	for i, pair := range [][2]string{{"a.example.", `\000.a.example.`}, {`a.example.`, `a\000.example.`}, {`a\000.example.`, `a\001.example.`}, {`a\000.example.`, "aa.example."}, {`x.a.example.`, `a\000.example.`}} {
		if bytes.Compare(orderOf(pair[0]), orderOf(pair[1])) >= 0 {
			t.Errorf("pair %d: %q is not before %q", i, pair[0], pair[1])
		}
	}
}

// The records and hashes are those of the zone in RFC 5155 appendix A.
func TestNSEC3Hash(t *testing.T) {
	for name, want := range map[string]string{
		"example.":       "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM",
		"a.example.":     "35MTHGPGCU1QG68FAB165KLNSNK3DPVL",
		"ai.example.":    "GJEQE526PLBF1G8MKLP59ENFD789NJGI",
		"ns1.example.":   "2T7B4G4VSA5SMI47K61MV5BV1A22BOJR",
		"*.w.example.":   "R53BQ7CC2UVMUBFU5OCMM6PERS9TK9EN",
		"x.y.w.example.": "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S",
	} {
		h := &hashed{zone: "example.", salt: "AABBCCDD", iterations: 12, hashes: make(map[string]string)}
		if got, err := h.hash(withBudget(t.Context()), name); got != want || err != nil {
			t.Errorf("%s: %s, want %s (%v)", name, got, want, err)
		}
	}
}

// RFC 5155 appendix B's proofs.
func TestNSEC3ProofsOfRFC5155(t *testing.T) {
	prove := func(records ...string) *hashed {
		var h *hashed
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				t.Fatal(err)
			}
			if h == nil {
				h = newHashed("example.", rr.(*dns.NSEC3))
			}
			h.add(rr.(*dns.NSEC3))
		}
		return h
	}
	ctx := withBudget(t.Context())
	check := func(what string, security Security, ok bool, err error, wantSecurity Security, wantOK bool) {
		t.Helper()
		if err != nil || ok != wantOK || ok && security != wantSecurity {
			t.Errorf("%s: %v %v %v, want %v %v", what, security, ok, err, wantSecurity, wantOK)
		}
	}
	const (
		apex    = `0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 3600 NSEC3 1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG`
		b4um    = `b4um86eghhds6nea196smvmlo4ors995.example. 3600 NSEC3 1 1 12 aabbccdd gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG`
		a35     = `35mthgpgcu1qg68fab165klnsnk3dpvl.example. 3600 NSEC3 1 1 12 aabbccdd b4um86eghhds6nea196smvmlo4ors995 NS DS RRSIG`
		ns1     = `2t7b4g4vsa5smi47k61mv5bv1a22bojr.example. 3600 NSEC3 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG`
		yw      = `ji6neoaepv8b5o6k4ev33abha8ht9fgc.example. 3600 NSEC3 1 1 12 aabbccdd k8udemvp1j2f7eg6jebps17vp3n8i58h`
		w       = `k8udemvp1j2f7eg6jebps17vp3n8i58h.example. 3600 NSEC3 1 1 12 aabbccdd kohar7mbb8dc2ce8a9qvl8hon4k53uhi`
		q04     = `q04jkcevqvmu85r014c7dkba38o0ji5r.example. 3600 NSEC3 1 1 12 aabbccdd r53bq7cc2uvmubfu5ocmm6pers9tk9en A RRSIG`
		starW   = `r53bq7cc2uvmubfu5ocmm6pers9tk9en.example. 3600 NSEC3 1 1 12 aabbccdd t644ebqk9bibcna874givr6joj62mlhv MX RRSIG`
		fnord   = "a.c.x.w.example."
		unsigne = "c.example."
	)
	// B.1: a name error. All of the zone opts out, so what is proved is insecure.
	s, ok, err := prove(apex, b4um, a35).noName(ctx, fnord)
	check("name error", s, ok, err, Insecure, true)
	s, ok, err = prove(apex, a35).noName(ctx, fnord)
	check("name error without closest encloser", s, ok, err, 0, false)
	s, ok, err = prove(b4um, a35).noName(ctx, fnord)
	check("name error without next closer name", s, ok, err, 0, false)
	// B.2 and B.2.1: no data, and an empty non-terminal.
	s, ok, err = prove(ns1).noType(ctx, "ns1.example.", dns.TypeMX)
	check("no data", s, ok, err, Secure, true)
	s, ok, err = prove(ns1).noType(ctx, "ns1.example.", dns.TypeA)
	check("no data with the type there", s, ok, err, 0, false)
	s, ok, err = prove(yw).noType(ctx, "y.w.example.", dns.TypeA)
	check("empty non-terminal", s, ok, err, Secure, true)
	// B.3: an unsigned delegation by opt-out.
	c, err := prove(a35, apex).noDS(ctx, unsigne)
	if err != nil || c.zone == nil || !c.zone.insecure {
		t.Errorf("opt-out delegation: %+v, %v", c, err)
	}
	// B.4: an answer from "*.w.example".
	s, ok, err = prove(q04).noCloserMatch(ctx, "a.z.w.example.", "w.example.")
	check("wildcard", s, ok, err, Insecure, true)
	// B.5: no data at the wildcard.
	s, ok, err = prove(w, q04, starW).noType(ctx, "a.z.w.example.", dns.TypeTXT)
	check("wildcard no data", s, ok, err, Insecure, true)
	s, ok, err = prove(w, q04, starW).noType(ctx, "a.z.w.example.", dns.TypeMX)
	check("wildcard no data with the type there", s, ok, err, 0, false)
}

// hostile builds answers out of octets for the validator: nothing may panic, and nothing
// unsigned may come out secure.
func FuzzValidator(f *testing.F) {
	l := newLab(f, ".", "test.")
	pack := func(rrs []dns.RR, ns ...dns.RR) []byte {
		m := new(dns.Msg)
		m.SetQuestion("k.test.", dns.TypeTXT)
		m.Response, m.RecursionAvailable, m.Answer, m.Ns = true, true, rrs, ns
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		return wire
	}
	f.Add(pack(l.text("test.", `k.test. 300 TXT "key"`)))
	f.Add(pack(renamed(l.text("test.", `*.test. 300 TXT "key"`), "k.test."), l.text("test.", `a.test. 300 NSEC z.test. A RRSIG NSEC`)...))
	f.Add(pack(nil, l.text("test.", `k.test. 300 NSEC z.test. A RRSIG NSEC`)...))
	f.Add(pack(nil, l.text("test.", `2t7b4g4vsa5smi47k61mv5bv1a22bojr.test. 300 NSEC3 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A`)...))
	f.Add(pack([]dns.RR{l.rr(`test. 60 DNAME a.`), l.rr(`k.test. 60 CNAME k.a.`)}))
	keys := &zone{name: "test.", keys: keysByTag([]*dns.DNSKEY{l.keys["test."].record})}
	root := &zone{name: ".", keys: keysByTag([]*dns.DNSKEY{l.keys["."].record})}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		d := cannedDNS(t, wire, Options{Now: l.clock.Now})
		v := newValidator(d, trustAnchors{".": {keys: []*dns.DNSKEY{l.keys["."].record}}})
		now := l.clock.Now()
		v.cuts.put(cacheKey{name: "."}, cut{zone: root}, 1, 1<<40, now)
		v.cuts.put(cacheKey{name: "test."}, cut{zone: keys}, 1, 1<<40, now)
		ctx := withBudget(t.Context())
		h, err := hopAt(m, "k.test.", dns.TypeTXT)
		if err == nil && (h.records != nil || h.alias != nil) {
			security, _, err := v.positive(ctx, m, "k.test.", dns.TypeTXT, h)
			if (err != nil) != (security == Bogus) {
				t.Errorf("%v with %v", security, err)
			}
		}
		if security, _, err := v.negative(ctx, m, "k.test.", dns.TypeTXT); (err != nil) != (security == Bogus) {
			t.Errorf("%v with %v", security, err)
		}
		v.delegated(ctx, keys, "k.test.")
		v.keyed(ctx, "k.test.", nil, nil)
	})
}
