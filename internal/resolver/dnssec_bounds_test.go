package resolver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// sameTagKeys makes keys whose tags collide, as CVE-2023-50387 needs them.
func sameTagKeys(zone string, tag uint16, n int) []dns.RR {
	var list []dns.RR
	for len(list) < n {
		var public [64]byte
		rand.Read(public[:])
		key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
			Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
		for range 4 {
			key.PublicKey = base64.StdEncoding.EncodeToString(public[:])
			last := binary.BigEndian.Uint16(public[62:])
			binary.BigEndian.PutUint16(public[62:], last+tag-key.KeyTag())
		}
		key.PublicKey = base64.StdEncoding.EncodeToString(public[:])
		if key.KeyTag() == tag {
			list = append(list, key)
		}
	}
	return list
}

func TestKeyTrap(t *testing.T) {
	l := newLab(t, ".", "test.")
	tag := l.keys["test."].record.KeyTag()
	keys := sameTagKeys("test.", tag, 100)
	var list []*dns.DNSKEY
	for _, rr := range keys {
		list = append(list, rr.(*dns.DNSKEY))
	}
	z := &zone{name: "test.", keys: keysByTag(list)}
	record := l.rr(`k.test. 300 TXT "key"`)
	set := rrset{owner: "k.test.", rrtype: dns.TypeTXT, records: []dns.RR{record}}
	for range 100 {
		set.sigs = append(set.sigs, l.signature("test.", record))
	}
	ctx := withBudget(context.Background())
	if _, err := z.check(ctx, l.clock.Now(), set); err == nil {
		t.Error("a signature by none of the keys was taken")
	}
	if spent := maxSignatureChecks - budgetOf(ctx).signatures; spent > maxSignaturesPerSet*maxKeysPerSignature ||
		spent < maxKeysPerSignature {
		t.Errorf("%d signatures were checked", spent)
	}
	ctx = withCutBudget(context.Background())
	if _, err := z.check(ctx, l.clock.Now(), set); !errors.Is(err, errBudget) {
		t.Errorf("beyond the budget: %v", err)
	}

	// The same from a server.
	own := l.keys["test."].record
	set.sigs = set.sigs[:60]
	l.answer("test.", dns.TypeDNSKEY, l.sign("test.", append(keys[:60], own)...))
	answer := []dns.RR{record}
	for _, sig := range set.sigs {
		broken := dns.Copy(sig).(*dns.RRSIG)
		broken.Signature = base64.StdEncoding.EncodeToString(make([]byte, 64))
		answer = append(answer, broken)
	}
	l.answer("k.test.", dns.TypeTXT, answer)
	l.noName("k.test.", dns.TypeDS, l.text("test.", `test. 300 NSEC zzz.test. SOA NS RRSIG NSEC DNSKEY`))
	l.want("k.test", Bogus, KindBogus)
}

func TestNSEC3HashesAreBounded(t *testing.T) {
	l := newLab(t, ".", "test.")
	rr := strings.Repeat("0", 32) + `.test. 300 NSEC3 1 0 150 - ` + strings.Repeat("V", 32) + ` A`
	name := strings.Repeat("a.", 110) + "test."
	l.noName(name, dns.TypeTXT, l.text("test.", rr))
	l.noName("a.test.", dns.TypeDS, l.text("test.", `test. 300 NSEC zzz.test. SOA NS RRSIG NSEC DNSKEY`))
	l.want(name, Bogus, KindBogus)
}

// Labels cost queries only until the budget is spent.
func TestDeepUnsignedNameIsBounded(t *testing.T) {
	l := newLab(t, ".", "test.")
	name := "test."
	for range 110 {
		below := "a." + name
		l.answer(below, dns.TypeDS, nil, l.text("test.", below+` 300 NSEC zzz.test. TXT RRSIG NSEC`))
		name = below
	}
	l.answer(name, dns.TypeTXT, []dns.RR{l.rr(name + ` 300 TXT "unsigned"`)})
	l.want(name, Bogus, KindBogus)
	if total, _ := l.Total(); total > 2*maxCutsPerLookup+10 {
		t.Errorf("%d queries", total)
	}
}

// Signatures by keys that are gone cost nothing, however many; the good one is found.
func TestForeignSignaturesAreFree(t *testing.T) {
	l := newLab(t, ".", "test.")
	record := l.rr(`k.test. 300 TXT "key"`)
	set := rrset{owner: "k.test.", rrtype: dns.TypeTXT, records: []dns.RR{record}}
	for i := range 500 {
		sig := l.signature("test.", record)
		sig.KeyTag = l.keys["test."].record.KeyTag() + 1 + uint16(i)
		set.sigs = append(set.sigs, sig)
	}
	set.sigs = append(set.sigs, l.signature("test.", record))
	ctx := withBudget(context.Background())
	z := &zone{name: "test.", keys: keysByTag([]*dns.DNSKEY{l.keys["test."].record})}
	if _, err := z.check(ctx, l.clock.Now(), set); err != nil || budgetOf(ctx).signatures != maxSignatureChecks-1 {
		t.Errorf("%v, %d checks left", err, budgetOf(ctx).signatures)
	}
}

// Keys that cannot be used are held to digests only as often as usable ones.
func TestUnusableKeysAreBounded(t *testing.T) {
	key, _ := rsaKey("test.", 512, 65537)
	var digests []*dns.DS
	for range 1000 {
		digests = append(digests, key.ToDS(dns.SHA256))
	}
	keys := slices.Repeat([]*dns.DNSKEY{key}, 1000)
	if allNamed(digests, keys) || !allNamed(digests[:maxDSPerZone], keys) || allNamed(nil, keys) {
		t.Errorf("the bound is not %d digests", maxDSPerZone)
	}
}

// Every name bogus, each answer wrong twice: with the servers' own checks and without.
func TestBogusAnswersCostABoundedNumberOfQueries(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		q := r.Question[0]
		if q.Qtype == dns.TypeDNSKEY || q.Name == "test." {
			l.serve(w, r)
			return
		}
		m := new(dns.Msg)
		m.SetReply(r)
		m.RecursionAvailable = true
		if q.Qtype == dns.TypeTXT {
			m.Answer = []dns.RR{l.rr(q.Name + ` 300 TXT "forged"`)}
		} else {
			m.Ns = l.text("test.", q.Name+` 300 NSEC zz.test. TXT RRSIG NSEC`)
		}
		w.WriteMsg(m)
	}))
	d := l.resolver(".")
	for range 5 {
		l.clock.Advance(2 * staleAge)
		before, _ := l.Total()
		l.wantFrom(d, strings.Repeat("a.", 100)+"test", Bogus, KindBogus)
		if total, _ := l.Total(); total-before > 2*maxCutsPerLookup+10 {
			t.Errorf("%d queries", total-before)
		}
	}
}
