package resolver

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestBogusSaysWhy: each way to be wrong has words of its own, which an administrator needs
// to find what is wrong in the zone.
func TestBogusSaysWhy(t *testing.T) {
	const name, qtype = "k.test.", dns.TypeTXT
	record := `k.test. 300 TXT "key"`
	for what, c := range map[string]struct {
		answer func(l *lab)
		want   string
	}{
		"unsigned": {func(l *lab) { l.answer(name, qtype, []dns.RR{l.rr(record)}) }, `"k.test" TXT is not signed, though the zone "test" is`},
		"changed": {func(l *lab) {
			l.answer(name, qtype, []dns.RR{l.rr(`k.test. 300 TXT "forged"`), l.signature("test.", l.rr(record))})
		}, `the signature over "k.test" TXT by key `},
		"expired": {func(l *lab) {
			l.answer(name, qtype, []dns.RR{l.rr(record), l.sig("test.", -2*time.Hour, -time.Hour, l.rr(record))})
		}, `the signature over "k.test" TXT expired on 2026-01-02 02:04:05 UTC`},
		"of tomorrow": {func(l *lab) {
			l.answer(name, qtype, []dns.RR{l.rr(record), l.sig("test.", time.Hour, 2*time.Hour, l.rr(record))})
		}, `the signature over "k.test" TXT is not valid before 2026-01-02 04:04:05 UTC: is this machine's clock right?`},
		"by a lost key": {func(l *lab) {
			l.newKey("test.")
			l.answer(name, qtype, l.text("test.", record))
		}, `no signature over "k.test" TXT is by a key of "test"`},
		"a wildcard's": {func(l *lab) {
			l.answer(name, qtype, renamed(l.text("test.", `*.test. 300 TXT "key"`), name))
		}, "no signed NSEC or NSEC3 record came with the answer"},
		"a wildcard's though the name exists": {func(l *lab) {
			l.answer(name, qtype, renamed(l.text("test.", `*.test. 300 TXT "key"`), name), l.text("test.", `k.test. 300 NSEC z.test. TXT RRSIG NSEC`))
		}, `"k.test" was made from a wildcard without proof that the name itself does not exist`},
		"nothing": {func(l *lab) { l.noName(name, qtype) }, `no proof that "k.test" has no such record, though the zone "test" is signed`},
		"part of a proof": {func(l *lab) {
			l.noName(name, qtype, l.text("test.", `j.test. 300 NSEC l.test. A RRSIG NSEC`))
		}, `the proof that "k.test" has no such record is not complete`},
		"an expired proof": {func(l *lab) {
			nsec := l.rr(`k.test. 300 NSEC z.test. A RRSIG NSEC`)
			l.answer(name, qtype, nil, []dns.RR{nsec, l.sig("test.", -2*time.Hour, -time.Hour, nsec)})
		}, `the signature over "k.test" NSEC expired on`},
		"a proof without end": {func(l *lab) {
			var authority [][]dns.RR
			for i := range maxDenialSets + 1 {
				authority = append(authority, l.text("test.", strings.Repeat("x", i+1)+`.test. 300 NSEC z.test. A RRSIG NSEC`))
			}
			l.answer(name, qtype, nil, authority...)
		}, errBudget.Error()},
	} {
		l := newLab(t, ".", "test.")
		l.exists(name)
		c.answer(l)
		_, err := l.resolver(".").LookupTXT(t.Context(), name)
		if e := wantKind(t, err, KindBogus, true); !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, e, c.want)
		}
	}
}

// TestBogusZonesSayWhy likewise, of what leads to the zone.
func TestBogusZonesSayWhy(t *testing.T) {
	for what, c := range map[string]struct {
		answer func(l *lab)
		want   string
	}{
		"the parent signs for it": {func(l *lab) {
			l.answer("k.sub.test.", dns.TypeDS, nil, l.text("sub.test.", `k.sub.test. 300 NSEC z.sub.test. TXT RRSIG NSEC`))
			l.answer("k.sub.test.", dns.TypeTXT, l.text("test.", `k.sub.test. 300 TXT "by the parent"`))
		}, `"k.sub.test" TXT is signed by "test", but belongs to the zone "sub.test"`},
		"no proof of what begins there": {func(l *lab) {
			l.answer("sub.test.", dns.TypeDS, nil, l.text("test.", `a.test. 300 NSEC b.test. A RRSIG NSEC`))
		}, "it is not proved whether a signed zone begins there"},
		"a DS that is a wildcard's": {func(l *lab) {
			ds := l.keys["sub.test."].record.ToDS(dns.SHA256)
			ds.Hdr.Name = "*.test."
			l.answer("sub.test.", dns.TypeDS, renamed(l.sign("test.", ds), "sub.test."))
		}, `"sub.test" DS is made from a wildcard`},
		"an unsigned DS": {func(l *lab) {
			l.answer("sub.test.", dns.TypeDS, []dns.RR{l.keys["sub.test."].record.ToDS(dns.SHA256)})
		}, `"sub.test" DS is not signed`},
		"an unsigned alias for a DS": {func(l *lab) {
			l.answer("sub.test.", dns.TypeDS, []dns.RR{l.rr(`sub.test. 300 CNAME x.test.`)})
		}, `"sub.test" CNAME is not signed`},
		"a wildcard's alias for a DS": {func(l *lab) {
			l.answer("sub.test.", dns.TypeDS, renamed(l.text("test.", `*.test. 300 CNAME x.test.`), "sub.test."))
		}, "no signed NSEC or NSEC3 record came with the answer"},
		"a DNAME above": {func(l *lab) {
			l.answer("sub.test.", dns.TypeDS, append(l.text("test.", `test. 300 DNAME other.`), l.rr(`sub.test. 300 CNAME sub.other.`)))
		}, `"k.sub.test" TXT is not signed, though the zone "test" is`},
		"another key": {func(l *lab) {
			l.newKey("sub.test.")
			l.answer("sub.test.", dns.TypeDNSKEY, l.sign("sub.test.", l.keys["sub.test."].record))
		}, `none of the keys of "sub.test" is the one its parent zone or the trust anchor names`},
		"unsigned keys": {func(l *lab) {
			l.answer("sub.test.", dns.TypeDNSKEY, []dns.RR{l.keys["sub.test."].record})
		}, `no signed DNSKEY records of "sub.test" came, though it should be signed`},
		"unsigned keys of the anchor": {func(l *lab) {
			_, _ = l.d.LookupTXT(t.Context(), "k.test")
			l.clock.Advance(2 * time.Hour)
			l.answer(".", dns.TypeDNSKEY, []dns.RR{l.keys["."].record})
		}, `no signed DNSKEY records of "." came, though it should be signed`},
	} {
		l := newLab(t, ".", "test.", "sub.test.")
		l.d = l.resolver(".")
		l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
		l.answer("k.sub.test.", dns.TypeTXT, []dns.RR{l.rr(`k.sub.test. 300 TXT "forged"`)})
		l.exists("k.sub.test.")
		c.answer(l)
		_, err := l.d.LookupTXT(t.Context(), "k.sub.test")
		if e := wantKind(t, err, KindBogus, true); !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, e, c.want)
		}
	}
}

// TestAliasesByDNAME (RFC 6672 §5.3.1): the alias that it makes is not signed; one that it
// does not make must be.
func TestAliasesByDNAME(t *testing.T) {
	l := newLab(t, ".", "test.", "other.")
	l.exists("sub.test.", "bub.test.", "k.sub.test.")
	alias := func(target string) []dns.RR { return []dns.RR{l.rr("k.sub.test. 300 CNAME " + target)} }
	signed := func(text string) []dns.RR { return l.text("test.", text) }
	dname := signed(`sub.test. 300 DNAME other.`)
	end := l.text("other.", `k.other. 300 TXT "key"`)
	for what, c := range map[string]struct {
		answer [][]dns.RR
		want   Security
		kind   Kind
	}{
		"whole":                        {[][]dns.RR{dname, alias("k.other."), end}, Secure, 0},
		"the alias first":              {[][]dns.RR{alias("k.other."), dname, end}, Secure, 0},
		"without the alias":            {[][]dns.RR{dname, end}, Secure, 0},
		"in capitals":                  {[][]dns.RR{renamed(dname, "SUB.test."), alias("K.Other."), end}, Secure, 0},
		"unsigned":                     {[][]dns.RR{dname[:1], alias("k.other."), end}, Bogus, KindBogus},
		"an alias that it makes not":   {[][]dns.RR{dname, alias("x.other."), l.text("other.", `x.other. 300 TXT "forged"`)}, Bogus, KindBogus},
		"of another name":              {[][]dns.RR{signed(`bub.test. 300 DNAME other.`), alias("k.other."), end}, Bogus, KindBogus},
		"at the name itself":           {[][]dns.RR{signed(`k.sub.test. 300 DNAME other.`), alias("other."), l.text("other.", `other. 300 TXT "forged"`)}, Bogus, KindBogus},
		"beside an alias with its own": {[][]dns.RR{dname[:1], signed(`k.sub.test. 300 CNAME k.other.`), end}, Secure, 0},
		"with an unsigned end":         {[][]dns.RR{dname, alias("k.other."), end[:1]}, Bogus, KindBogus},
	} {
		var answer []dns.RR
		for _, rrs := range c.answer {
			answer = append(answer, rrs...)
		}
		l.answer("k.sub.test.", dns.TypeTXT, answer)
		l.answer("k.other.", dns.TypeDS, nil, l.text("other.", `k.other. 300 NSEC z.other. TXT RRSIG NSEC`))
		t.Log(what)
		l.want("k.sub.test", c.want, c.kind)
	}
}

// TestAliasByDNAMEInPlaceOfDS: nothing begins below a DNAME, nor at a wildcard's alias but
// where delegations may have opted out (RFC 5155 §6).
func TestAliasByDNAMEInPlaceOfDS(t *testing.T) {
	gap := func(l *lab, flags string) []dns.RR {
		return l.text("test.", strings.Repeat("0", 32)+`.test. 300 NSEC3 1 `+flags+` 0 - `+strings.Repeat("V", 32)+` A`)
	}
	for what, c := range map[string]struct {
		ds        func(l *lab) []dns.RR
		authority func(l *lab) []dns.RR
		want      Security
		kind      Kind
	}{
		"a DNAME above": {func(l *lab) []dns.RR {
			return append(l.text("test.", `test. 300 DNAME other.`), l.rr(`sub.test. 300 CNAME sub.other.`))
		}, nil, Bogus, KindBogus},
		"a wildcard in a zone that is whole": {func(l *lab) []dns.RR {
			return renamed(l.text("test.", `*.test. 300 CNAME x.test.`), "sub.test.")
		}, func(l *lab) []dns.RR { return gap(l, "0") }, Bogus, KindBogus},
		"a wildcard with opt-out": {func(l *lab) []dns.RR {
			return renamed(l.text("test.", `*.test. 300 CNAME x.test.`), "sub.test.")
		}, func(l *lab) []dns.RR { return gap(l, "1") }, Insecure, 0},
	} {
		l := newLab(t, ".", "test.")
		l.exists("k.sub.test.")
		l.answer("k.sub.test.", dns.TypeTXT, []dns.RR{l.rr(`k.sub.test. 300 TXT "unsigned"`)})
		var authority []dns.RR
		if c.authority != nil {
			authority = c.authority(l)
		}
		l.answer("sub.test.", dns.TypeDS, c.ds(l), authority)
		t.Log(what)
		l.want("k.sub.test", c.want, c.kind)
	}
}

// TestSignatureTimesIncludeTheirEnds (RFC 4034 §3.1.5), to the second.
func TestSignatureTimesIncludeTheirEnds(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.exists("k.test.")
	rr := l.rr(`k.test. 300 TXT "key"`)
	for _, c := range []struct {
		from, to time.Duration
		want     Security
		kind     Kind
	}{
		{0, time.Hour, Secure, 0}, {time.Second, time.Hour, Bogus, KindBogus},
		{-time.Hour, 0, Secure, 0}, {-time.Hour, -time.Second, Bogus, KindBogus},
	} {
		l.answer("k.test.", dns.TypeTXT, []dns.RR{rr, l.sig("test.", c.from, c.to, rr)})
		l.want("k.test", c.want, c.kind)
	}
}

// TestWorkForOneSetIsBounded to eight signatures and sixteen sets that deny.
func TestWorkForOneSetIsBounded(t *testing.T) {
	l := newLab(t, ".", "test.")
	z := &zone{name: "test.", keys: keysByTag([]*dns.DNSKEY{l.keys["test."].record})}
	record := l.rr(`k.test. 300 TXT "key"`)
	for wrong, good := range map[int]bool{0: true, 7: true, 8: false} {
		set := rrset{owner: "k.test.", rrtype: dns.TypeTXT, records: []dns.RR{record}}
		for range wrong {
			sig := l.signature("test.", record)
			sig.Signature = base64.StdEncoding.EncodeToString(make([]byte, 64))
			set.sigs = append(set.sigs, sig)
		}
		set.sigs = append(set.sigs, l.signature("test.", record))
		if _, err := z.check(withBudget(t.Context()), l.clock.Now(), set); (err == nil) != good {
			t.Errorf("behind %d wrong signatures: %v", wrong, err)
		}
	}
	// RFC 4035 §5.3.1: nobody signs for a name above or beside its zone.
	for _, owner := range []string{".", "k.other.", "k.test."} {
		record := l.rr(owner + ` 300 TXT "key"`)
		set := rrset{owner: owner, rrtype: dns.TypeTXT, records: []dns.RR{record}, sigs: []*dns.RRSIG{l.signature("test.", record)}}
		if _, err := z.check(withBudget(t.Context()), l.clock.Now(), set); (err == nil) != (owner == "k.test.") {
			t.Errorf("%s of test.: %v", owner, err)
		}
	}
	d := l.resolver(".")
	for sets, good := range map[int]bool{16: true, 17: false} {
		m := new(dns.Msg)
		for i := range sets {
			m.Ns = append(m.Ns, l.text("test.", strings.Repeat("x", i+1)+`.test. 300 NSEC z.test. A RRSIG NSEC`)...)
		}
		records, err := d.dnssec.denialOf(withBudget(t.Context()), m, z)
		if good && (err != nil || len(records.nsec) != sets) || !good && !errors.Is(err, errBudget) {
			t.Errorf("%d sets: %v", sets, err)
		}
	}
}

// TestProofsAmongOtherRecords: those of the apex come beside its SOA, those of unknown kinds
// are passed over (RFC 5155 §8.1).
func TestProofsAmongOtherRecords(t *testing.T) {
	l := newLab(t, ".", "test.")
	soa := l.text("test.", `test. 300 SOA ns.test. h.test. 1 2 3 4 60`)
	l.noName("gone.test.", dns.TypeTXT, soa, l.text("test.", `a.test. 300 NSEC k.test. TXT RRSIG NSEC`),
		l.text("test.", `test. 300 NSEC a.test. SOA NS RRSIG NSEC DNSKEY`))
	l.want("gone.test", Secure, KindNotFound)
	for _, unknown := range []string{" 300 NSEC3 2 0 5 ab ", " 300 NSEC3 1 128 5 ab "} {
		apex := nsec3Owner("test.", "test.", 0)
		last := strings.Repeat("V", 32)
		l.noName("gone.test.", dns.TypeTXT, l.text("test.", strings.Repeat("1", 32)+".test."+unknown+last+" A"),
			l.text("test.", apex+` 300 NSEC3 1 0 0 - `+after(apex[:32])+` NS SOA`),
			l.text("test.", strings.Repeat("0", 32)+".test. 300 NSEC3 1 0 0 - "+last+" A"))
		l.want("gone.test", Secure, KindNotFound)
	}
}

// TestKeysAreNotFetchedAgainAtOnce: of a zone whose keys came just now, wrong signatures
// fetch them once more, for the servers to check them, and no more.
func TestKeysAreNotFetchedAgainAtOnce(t *testing.T) {
	l := newLab(t, ".", "test.")
	d := l.resolver(".")
	l.exists("a.test.", "b.test.", "c.test.")
	for i, name := range []string{"a.test.", "b.test.", "c.test."} {
		l.answer(name, dns.TypeTXT, []dns.RR{l.rr(name + ` 300 TXT "forged"`), l.signature("test.", l.rr(name+` 300 TXT "key"`))})
		l.wantFrom(d, name, Bogus, KindBogus)
		if n := l.QueriesOf("test.", dns.TypeDNSKEY); n != 2 {
			t.Errorf("after %d bogus answers the keys were asked for %d times", i+1, n)
		}
	}
}

// TestKeysThatDoNotCome prove nothing: neither that they are wrong, nor that the servers
// know no DNSSEC.
func TestKeysThatDoNotCome(t *testing.T) {
	for _, zone := range []string{".", "test."} {
		l := newLab(t, ".", "test.")
		l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
		l.put(zone, dns.TypeDNSKEY, dns.RcodeServerFailure, nil)
		_, err := l.resolver(".").LookupTXT(t.Context(), "k.test")
		wantKind(t, err, KindServFail, true)
	}
	l := newLab(t, ".")
	ctx, cancel := context.WithCancel(withBudget(t.Context()))
	cancel()
	hangs := make(chan struct{})
	defer close(hangs)
	c, err := l.resolver(".").dnssec.cached(ctx, "test.", func(context.Context) (cut, life, error) {
		<-hangs
		return cut{}, life{}, nil
	})
	wantKind(t, err, KindCanceled, true)
	if c != (cut{}) {
		t.Errorf("%+v", c)
	}
}
