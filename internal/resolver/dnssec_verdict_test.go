package resolver

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A good key is never called bogus, a forged one never secure: shapes that validators
// got wrong, our own among them.

// Of many signatures those by keys that are gone cost nothing and hide none.
func TestSignaturesOfOldKeysDoNotCount(t *testing.T) {
	l := newLab(t, ".", "test.")
	rr := l.rr(`k.test. 300 TXT "key"`)
	rrs := []dns.RR{rr}
	for i := range 8 {
		s := l.signature("test.", rr)
		s.KeyTag = uint16(i)
		rrs = append(rrs, s)
	}
	l.answer("k.test.", dns.TypeTXT, append(rrs, l.signature("test.", rr)))
	l.exists("k.test.")
	l.want("k.test", Secure, 0)
}

// RFC 4343: owners that differ in case are one.
func TestSetInMixedCase(t *testing.T) {
	l := newLab(t, ".", "test.")
	rrs := renamed(l.sign("test.", l.rr(`k.test. 300 TXT "a"`), l.rr(`k.test. 300 TXT "b"`)), "k.test.")
	rrs[1].Header().Name = "K.tesT."
	l.answer("k.test.", dns.TypeTXT, rrs)
	l.exists("k.test.")
	l.want("k.test", Secure, 0)
}

// RFC 4592 §2.2.2: "_domainkey.*.test" makes "*.test" exist without records. The NSEC that
// covers it has its next name below it.
func TestWildcardThatIsEmptyNonTerminal(t *testing.T) {
	l := newLab(t, ".", "test.")
	deny := [][]dns.RR{
		l.text("test.", `test. 300 NSEC _domainkey.*.test. SOA NS RRSIG NSEC`),
		l.text("test.", `_domainkey.*.test. 300 NSEC z.test. TXT RRSIG NSEC`),
	}
	for _, n := range []string{"m.test.", "_domainkey.m.test.", "s._domainkey.m.test."} {
		l.answer(n, dns.TypeDS, nil, deny...)
	}
	l.answer("s._domainkey.m.test.", dns.TypeTXT, nil, deny...)
	l.want("s._domainkey.m.test", Secure, KindNoData)
}

// A wildcard's alias in place of a DS record needs RFC 4035 §5.3.4's proof, and is not kept long.
func TestAliasInPlaceOfDSNeedsProof(t *testing.T) {
	l := newLab(t, ".", "test.")
	good := l.text("test.", `sub.test. 300 NSEC z.test. NS RRSIG NSEC`)
	l.answer("k.sub.test.", dns.TypeTXT, []dns.RR{l.rr(`k.sub.test. 300 TXT "key"`)})
	l.answer("k.sub.test.", dns.TypeDS, nil) // the unsigned child's
	d := l.resolver(".")
	l.answer("sub.test.", dns.TypeDS, renamed(l.text("test.", `*.test. 86400 CNAME x.test.`), "sub.test."))
	d.LookupTXT(t.Context(), "k.sub.test") // the one spoof
	l.answer("sub.test.", dns.TypeDS, nil, good)
	l.clock.Advance(23 * time.Hour)
	l.wantFrom(d, "k.sub.test", Insecure, 0)
}

// That no zone begins at a name is kept as any absence: who delegates _domainkey to a mail
// service need not wait a day.
func TestNewDelegationIsSeenSoon(t *testing.T) {
	l := newLab(t, ".", "test.")
	top := l.text("test.", `test. 86400 NSEC z.test. NS SOA RRSIG NSEC`)
	d := l.resolver(".")
	l.answer("a._domainkey.test.", dns.TypeTXT, []dns.RR{l.rr(`a._domainkey.test. 300 TXT "key"`)})
	l.noName("_domainkey.test.", dns.TypeDS, top)
	l.wantFrom(d, "a._domainkey.test", Bogus, KindBogus)
	l.answer("_domainkey.test.", dns.TypeDS, nil, l.text("test.", `_domainkey.test. 300 NSEC z.test. NS RRSIG NSEC`))
	l.clock.Advance(time.Hour)
	l.wantFrom(d, "a._domainkey.test", Insecure, 0)
}

// A server that passed signatures on is held to it (unbound's val_nokeyprime.rpl).
func TestSignaturesLeftOutLater(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	l.answer("f.test.", dns.TypeTXT, []dns.RR{l.rr(`f.test. 300 TXT "forged"`)})
	l.exists("f.test.")
	d := l.resolver(".")
	l.wantFrom(d, "k.test", Secure, 0)
	l.wantFrom(d, "f.test", Bogus, KindBogus)
	l.clock.Advance(2 * time.Hour) // the keys' TTL
	l.answer(".", dns.TypeDNSKEY, []dns.RR{l.keys["."].record})
	l.wantFrom(d, "f.test", Bogus, KindBogus)
}

// The root's keys came signed; an island's come unsigned.
func TestSignaturesLeftOutOfAnIsland(t *testing.T) {
	l := newLab(t, ".", "test.", "island.test.")
	l.answer("x.test.", dns.TypeTXT, l.text("test.", `x.test. 300 TXT "key"`))
	l.answer("k.island.test.", dns.TypeTXT, []dns.RR{l.rr(`k.island.test. 300 TXT "forged"`)})
	l.answer("island.test.", dns.TypeDNSKEY, []dns.RR{l.keys["island.test."].record})
	d := l.resolver(".", "island.test.")
	l.wantFrom(d, "x.test", Secure, 0)
	l.wantFrom(d, "k.island.test", Bogus, KindBogus)
}

// Of two servers the first strips all signatures.
func TestServerWithSignaturesIsFound(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	strip := newLab(t, ".", "test.")
	strip.answer("k.test.", dns.TypeTXT, []dns.RR{l.rr(`k.test. 300 TXT "key"`)})
	strip.answer(".", dns.TypeDNSKEY, []dns.RR{l.keys["."].record})
	o := Options{TrustAnchorFile: l.anchorFile("."), Now: l.clock.Now, Timeout: time.Minute, FailureTTL: -1}
	d := newTestDNS(t, o, strip.Server, l.Server)
	l.wantFrom(d, "k.test", Secure, 0)
}

// Of a zone's servers one is stale. A validating resolver passes over it, but not for a query
// with CD: RFC 6840 §5.9.
func TestStaleServerBehindTheResolver(t *testing.T) {
	l := newLab(t, ".", "test.")
	rr := l.rr(`k.test. 300 TXT "key"`)
	l.exists("k.test.")
	stale := []dns.RR{rr, l.sig("test.", -48*time.Hour, -time.Hour, rr)}
	l.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		switch {
		case r.Question[0].Qtype == dns.TypeTXT && r.CheckingDisabled:
			l.answer("k.test.", dns.TypeTXT, stale)
		case r.Question[0].Qtype == dns.TypeTXT:
			l.answer("k.test.", dns.TypeTXT, l.sign("test.", rr))
		}
		l.serve(w, r)
	}))
	l.want("k.test", Secure, 0)
}

// The same with the zone's keys and with what its parent says of it.
func TestStaleKeysBehindTheResolver(t *testing.T) {
	for _, qtype := range []uint16{dns.TypeDNSKEY, dns.TypeDS} {
		l := newLab(t, ".", "test.")
		stale := l.sign("test.", l.keys["test."].record)
		if qtype == dns.TypeDS {
			stale = l.sign(".", l.keys["test."].record.ToDS(dns.SHA256))
		}
		l.newKey("test.")
		l.answer("test.", dns.TypeDNSKEY, l.sign("test.", l.keys["test."].record))
		l.answer("test.", dns.TypeDS, l.sign(".", l.keys["test."].record.ToDS(dns.SHA256)))
		l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
		l.exists("k.test.")
		l.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			if q := r.Question[0]; q.Name == "test." && q.Qtype == qtype && r.CheckingDisabled {
				m := new(dns.Msg)
				m.SetReply(r)
				m.RecursionAvailable, m.Answer = true, stale
				w.WriteMsg(m)
				return
			}
			l.serve(w, r)
		}))
		l.want("k.test", Secure, 0)
	}
}

// RFC 4035 §5.3.1: the signer is the zone that holds the name.
func TestParentDoesNotSignForChild(t *testing.T) {
	l := newLab(t, ".", "test.", "sub.test.")
	l.answer("k.sub.test.", dns.TypeTXT, l.text("test.", `k.sub.test. 300 TXT "by the parent"`))
	l.exists("k.sub.test.")
	l.want("k.sub.test", Bogus, KindBogus)
}

// RFC 4592 §4.4 (unbound's val_dnamewc.rpl).
func TestWildcardDNAMEIsBogus(t *testing.T) {
	l := newLab(t, ".", "test.", "other.")
	l.exists("sub.test.", "k.sub.test.")
	answer := append(renamed(l.text("test.", `*.test. 300 DNAME other.`), "sub.test."), l.rr(`k.sub.test. 300 CNAME k.other.`))
	answer = append(answer, l.text("other.", `k.other. 300 TXT "key"`)...)
	l.answer("k.sub.test.", dns.TypeTXT, answer, l.text("test.", `test. 300 NSEC z.test. SOA NS RRSIG NSEC`))
	l.want("k.sub.test", Bogus, KindBogus)
}

// RFC 4034 §3.1.5: an expiration more than 2^31 s ahead lies in the past.
func TestSignatureTimesAreSerialNumbers(t *testing.T) {
	l := newLab(t, ".", "test.")
	rr := l.rr(`k.test. 300 TXT "key"`)
	l.answer("k.test.", dns.TypeTXT, []dns.RR{rr, l.sig("test.", -time.Hour, 70*365*24*time.Hour, rr)})
	l.exists("k.test.")
	l.want("k.test", Bogus, KindBogus)
}

// A zone that had to change its keys at once is believed in what it denies, too.
func TestKeysAreFetchedAgainForDenials(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	d := l.resolver(".")
	l.wantFrom(d, "k.test", Secure, 0)
	l.newKey("test.")
	l.answer("test.", dns.TypeDNSKEY, l.sign("test.", l.keys["test."].record))
	l.answer("test.", dns.TypeDS, l.sign(".", l.keys["test."].record.ToDS(dns.SHA256)))
	l.clock.Advance(10 * time.Minute)
	none := l.text("test.", `test. 300 NSEC k.test. NS SOA RRSIG NSEC DNSKEY`)
	l.noName("gone.test.", dns.TypeTXT, none)
	l.noName("gone.test.", dns.TypeDS, none)
	l.wantFrom(d, "gone.test", Secure, KindNotFound)
	l.answer("k.sub.test.", dns.TypeTXT, []dns.RR{l.rr(`k.sub.test. 300 TXT "key"`)})
	l.answer("sub.test.", dns.TypeDS, nil, l.text("test.", `sub.test. 300 NSEC z.test. NS RRSIG NSEC`))
	l.wantFrom(d, "k.sub.test", Insecure, 0)
}

// An island's keys come unsigned before the root's were ever asked for.
func TestSignaturesLeftOutOfAnIslandFirst(t *testing.T) {
	l := newLab(t, ".", "test.", "island.test.")
	l.answer("k.island.test.", dns.TypeTXT, []dns.RR{l.rr(`k.island.test. 300 TXT "forged"`)})
	l.answer("island.test.", dns.TypeDNSKEY, []dns.RR{l.keys["island.test."].record})
	l.wantFrom(l.resolver(".", "island.test."), "k.island.test", Bogus, KindBogus)
}

// MinTTL does not stretch what a signature bounds.
func TestMinTTLDoesNotOutlastSignature(t *testing.T) {
	l := newLab(t, ".", "test.")
	rr := l.rr(`k.test. 300 TXT "key"`)
	l.exists("k.test.")
	d := newTestDNS(t, Options{TrustAnchorFile: l.anchorFile("."), Now: l.clock.Now, MinTTL: time.Hour, FailureTTL: -1}, l.Server)
	l.answer("k.test.", dns.TypeTXT, []dns.RR{rr, l.sig("test.", -time.Hour, 20*time.Second, rr)})
	l.exists("a.test.")
	none := l.rr(`a.test. 300 NSEC k.test. A RRSIG NSEC`)
	soa := l.rr(`test. 300 SOA ns.test. h.test. 1 2 3 4 300`)
	l.answer("a.test.", dns.TypeTXT, nil, []dns.RR{none, l.sig("test.", -time.Hour, 20*time.Second, none), soa})
	l.wantFrom(d, "k.test", Secure, 0)
	l.wantFrom(d, "a.test", Secure, KindNoData)
	l.clock.Advance(21 * time.Second)
	l.wantFrom(d, "k.test", Bogus, KindBogus)
	l.wantFrom(d, "a.test", Bogus, KindBogus)
}

// A parent's signature counts where the child is not signed: as nobody's word.
func TestParentSignsForUnsignedChild(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.sub.test.", dns.TypeTXT, l.text("test.", `k.sub.test. 300 TXT "by the parent"`))
	l.answer("sub.test.", dns.TypeDS, nil, l.text("test.", `sub.test. 300 NSEC z.test. NS RRSIG NSEC`))
	l.want("k.sub.test", Insecure, 0)
}

// A wildcard's alias in place of a DS record, proved: nothing begins there.
func TestAliasInPlaceOfDS(t *testing.T) {
	l := newLab(t, ".", "test.")
	proof := l.text("test.", `test. 300 NSEC *.test. SOA NS RRSIG NSEC`)
	gap := l.text("test.", `*.test. 300 NSEC zz.test. CNAME RRSIG NSEC`)
	l.answer("sub.test.", dns.TypeDS, renamed(l.text("test.", `*.test. 300 CNAME x.test.`), "sub.test."), proof, gap)
	l.answer("k.sub.test.", dns.TypeTXT, []dns.RR{l.rr(`k.sub.test. 300 TXT "forged"`)})
	l.noName("k.sub.test.", dns.TypeDS, proof, gap)
	l.want("k.sub.test", Bogus, KindBogus)
}
