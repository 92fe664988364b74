package resolver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

func TestLabIsHonest(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	l.want("k.test", Secure, 0)
	l.noName("gone.test.", dns.TypeTXT, l.text("test.", `a.test. 300 NSEC k.test. TXT RRSIG NSEC`), l.text("test.", `test. 300 NSEC a.test. SOA NS RRSIG NSEC DNSKEY`))
	l.want("gone.test", Secure, KindNotFound)
}

func TestWildcardNeedsProof(t *testing.T) {
	l := newLab(t, ".", "test.")
	wild := l.text("test.", `*.w.test. 300 TXT "wild"`)
	proof := l.text("test.", `w.test. 300 NSEC z.test. TXT RRSIG NSEC`)
	l.answer("a.w.test.", dns.TypeTXT, renamed(wild, "a.w.test."))
	l.want("a.w.test", Bogus, KindBogus)
	l.answer("a.w.test.", dns.TypeTXT, renamed(wild, "a.w.test."), proof)
	l.want("a.w.test", Secure, 0)
	// "b.a.w" would come from "*.w" only if "a.w" did not exist.
	l.answer("b.a.w.test.", dns.TypeTXT, renamed(wild, "b.a.w.test."), l.text("test.", `a.w.test. 300 NSEC z.test. TXT RRSIG NSEC`))
	l.want("b.a.w.test", Bogus, KindBogus)
	// The name exists as an empty non-terminal.
	l.answer("e.w.test.", dns.TypeTXT, renamed(wild, "e.w.test."), l.text("test.", `*.w.test. 300 NSEC x.e.w.test. TXT RRSIG NSEC`))
	l.want("e.w.test", Bogus, KindBogus)
}

func rcodeOf(nxdomain bool) int {
	if nxdomain {
		return dns.RcodeNameError
	}
	return dns.RcodeSuccess
}

func TestDenialsThatProveNothing(t *testing.T) {
	soa := `test. 300 SOA ns.test. h.test. 1 2 3 4 60`
	for _, c := range []struct {
		what, name string
		nxdomain   bool
		nsec       []string
	}{
		{"nothing at all", "k.test", false, nil},
		{"no record but the SOA", "k.test", true, []string{soa}},
		{"the record has the type", "k.test", false, []string{`k.test. 300 NSEC z.test. TXT RRSIG NSEC`}},
		{"the record has an alias", "k.test", false, []string{`k.test. 300 NSEC z.test. CNAME RRSIG NSEC`}},
		{"another name's record", "k.test", false, []string{`j.test. 300 NSEC k.test. A RRSIG NSEC`}},
		{"the name is denied, the wildcard is not", "k.test", true, []string{`j.test. 300 NSEC l.test. A RRSIG NSEC`}},
		{"the wildcard exists", "k.test", true, []string{`j.test. 300 NSEC l.test. A RRSIG NSEC`, `*.test. 300 NSEC a.test. TXT RRSIG NSEC`}},
		{"a delegation's record for what is below it", "k.sub.test", true, []string{`sub.test. 300 NSEC z.test. NS RRSIG NSEC`, `test. 300 NSEC a.test. SOA RRSIG NSEC`}},
		{"a DNAME's record for what is below it", "k.sub.test", true, []string{`sub.test. 300 NSEC z.test. DNAME RRSIG NSEC`, `test. 300 NSEC a.test. SOA RRSIG NSEC`}},
		{"a delegation's record for the child's apex", "sub.test", false, []string{`sub.test. 300 NSEC z.test. NS RRSIG NSEC`}},
	} {
		t.Run(c.what, func(t *testing.T) {
			l := newLab(t, ".", "test.")
			var authority [][]dns.RR
			for _, text := range c.nsec {
				authority = append(authority, l.text("test.", text))
			}
			l.put(c.name, dns.TypeTXT, rcodeOf(c.nxdomain), nil, authority...)
			// Below, nothing begins: the walk to the name ends in the zone.
			top := l.text("test.", `test. 300 NSEC zzz.test. SOA NS RRSIG NSEC DNSKEY`)
			for _, name := range []string{"k.test.", "sub.test."} {
				l.noName(name, dns.TypeDS, top)
			}
			l.want(c.name, Bogus, KindBogus)
		})
	}
}

// Some servers answer NXDOMAIN for a name with others below it; the proof says better.
func TestProofCountsMoreThanCode(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.noName("k.test.", dns.TypeTXT, l.text("test.", `j.test. 300 NSEC x.k.test. A RRSIG NSEC`))
	l.want("k.test", Secure, KindNoData)
}

// A wildcard's own NSEC verifies under any name it could be expanded to.
func TestExpandedNSECIsNoProof(t *testing.T) {
	l := newLab(t, ".", "test.")
	wild := l.text("test.", `*.test. 300 NSEC a.test. A RRSIG NSEC`)
	l.answer("k.test.", dns.TypeTXT, nil, renamed(wild, "k.test."))
	l.noName("k.test.", dns.TypeDS, l.text("test.", `test. 300 NSEC zzz.test. SOA NS RRSIG NSEC DNSKEY`))
	l.want("k.test", Bogus, KindBogus)
}

func TestDelegationsAreNotDowngraded(t *testing.T) {
	for _, c := range []struct {
		what string
		nsec string
		want Security
		kind Kind
	}{
		{"an unsigned delegation", `sub.test. 300 NSEC z.test. NS RRSIG NSEC`, Insecure, 0},
		{"the record says there is a DS", `sub.test. 300 NSEC z.test. NS DS RRSIG NSEC`, Bogus, KindBogus},
		{"the child's record", `sub.test. 300 NSEC z.test. NS SOA RRSIG NSEC`, Bogus, KindBogus},
		{"no delegation there", `sub.test. 300 NSEC z.test. A RRSIG NSEC`, Bogus, KindBogus},
		{"nothing there", `a.test. 300 NSEC z.test. A RRSIG NSEC`, Bogus, KindBogus},
	} {
		t.Run(c.what, func(t *testing.T) {
			l := newLab(t, ".", "test.")
			l.answer("k.sub.test.", dns.TypeTXT, []dns.RR{l.rr(`k.sub.test. 300 TXT "forged"`)})
			l.answer("sub.test.", dns.TypeDS, nil, l.text("test.", c.nsec))
			l.noName("k.sub.test.", dns.TypeDS, l.text("test.", `sub.test. 300 NSEC z.test. A RRSIG NSEC`), l.text("test.", `test. 300 NSEC a.test. SOA RRSIG NSEC`))
			l.want("k.sub.test", c.want, c.kind)
		})
	}
}

// With an anchor for an island, a signature that claims to be by the unsigned zone above
// it must not open the island.
func TestIslandIsNotDowngraded(t *testing.T) {
	l := newLab(t, ".", "island.test.")
	l.answer("test.", dns.TypeDS, nil, l.text(".", `test. 300 NSEC z. NS RRSIG NSEC`))
	forged := l.rr(`k.island.test. 300 TXT "forged"`)
	l.keys["test."] = l.keys["island.test."]
	l.answer("k.island.test.", dns.TypeTXT, l.sign("test.", forged))
	l.noName("k.island.test.", dns.TypeDS, l.text("island.test.", `island.test. 300 NSEC z.island.test. SOA NS RRSIG NSEC`))
	d := l.resolver(".", "island.test.")
	l.wantFrom(d, "k.island.test", Bogus, KindBogus)
	l.answer("k.island.test.", dns.TypeTXT, l.sign("island.test.", forged))
	l.wantFrom(d, "k.island.test", Secure, 0)
	l.answer("x.test.", dns.TypeTXT, []dns.RR{l.rr(`x.test. 300 TXT "unsigned"`)})
	l.wantFrom(d, "x.test", Insecure, 0)
}

func TestNamesBelowNoAnchorAreInsecure(t *testing.T) {
	l := newLab(t, "island.test.")
	l.answer("k.test.", dns.TypeTXT, []dns.RR{l.rr(`k.test. 300 TXT "key"`)})
	l.wantFrom(l.resolver("island.test."), "k.test", Insecure, 0)
}

func TestRevokedAndOtherKeysDoNotSign(t *testing.T) {
	for _, c := range []struct {
		what string
		edit func(*dns.DNSKEY)
	}{
		{"revoked", func(k *dns.DNSKEY) { k.Flags |= dns.REVOKE }},
		{"no zone key", func(k *dns.DNSKEY) { k.Flags &^= dns.ZONE }},
		{"protocol", func(k *dns.DNSKEY) { k.Protocol = 2 }},
	} {
		l := newLab(t, ".", "test.")
		l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
		c.edit(l.keys["test."].record)
		l.answer("test.", dns.TypeDNSKEY, l.sign("test.", l.keys["test."].record))
		l.answer("test.", dns.TypeDS, l.sign(".", l.keys["test."].record.ToDS(dns.SHA256)))
		t.Log(c.what)
		l.want("k.test", Bogus, KindBogus)
	}
}

func TestSHA1DigestDoesNotCountBesideBetter(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	sha1 := l.keys["test."].record.ToDS(dns.SHA1)
	l.answer("test.", dns.TypeDS, l.sign(".", sha1))
	l.want("k.test", Secure, 0)
	wrong := l.keys["test."].record.ToDS(dns.SHA256)
	wrong.Digest = strings.Repeat("ab", 32)
	l.answer("test.", dns.TypeDS, l.sign(".", sha1, wrong))
	l.want("k.test", Bogus, KindBogus)
}

func nsec3Owner(name, zone string, iterations uint16) string {
	return dns.HashName(name, dns.SHA1, iterations, "") + "." + zone
}

func TestCostlyNSEC3IsInsecure(t *testing.T) {
	for iterations, want := range map[uint16]Security{1: Secure, 150: Secure, 151: Insecure, 65535: Insecure} {
		l := newLab(t, ".", "test.")
		rr := fmt.Sprintf(`%s 300 NSEC3 1 0 %d - %s A RRSIG`, nsec3Owner("k.test.", "test.", iterations), iterations, strings.Repeat("V", 32))
		l.answer("k.test.", dns.TypeTXT, nil, l.text("test.", rr))
		l.want("k.test", want, KindNoData)
	}
}

// after gives the next hash in order.
func after(hash string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
	last := strings.TrimRight(hash, "V")
	next := digits[strings.IndexByte(digits, last[len(last)-1])+1]
	return last[:len(last)-1] + string(next) + strings.Repeat("0", len(hash)-len(last))
}

func TestNSEC3DenialsThatProveNothing(t *testing.T) {
	all := strings.Repeat("V", 32) // the last hash there can be
	none := strings.Repeat("0", 32)
	apex := nsec3Owner("test.", "test.", 0)
	for _, c := range []struct {
		what     string
		nxdomain bool
		records  []string
		want     Security
		kind     Kind
	}{
		{"unknown hash", false, []string{nsec3Owner("k.test.", "test.", 0) + ` 300 NSEC3 2 0 0 - ` + all + ` A`}, Bogus, KindBogus},
		{"unknown flags", false, []string{nsec3Owner("k.test.", "test.", 0) + ` 300 NSEC3 1 128 0 - ` + all + ` A`}, Bogus, KindBogus},
		{"the type is there", false, []string{nsec3Owner("k.test.", "test.", 0) + ` 300 NSEC3 1 0 0 - ` + all + ` TXT`}, Bogus, KindBogus},
		{"no closest encloser", true, []string{none + ".test." + ` 300 NSEC3 1 0 0 - ` + all + ` A`}, Bogus, KindBogus},
		{"a delegation as closest encloser", true, []string{apex + ` 300 NSEC3 1 0 0 - ` + all + ` NS`, none + ".test." + ` 300 NSEC3 1 0 0 - ` + all + ` A`}, Bogus, KindBogus},
		{"a DNAME as closest encloser", true, []string{apex + ` 300 NSEC3 1 0 0 - ` + after(apex[:32]) + ` NS SOA DNAME`, none + ".test." + ` 300 NSEC3 1 0 0 - ` + all + ` A`}, Bogus, KindBogus},
		{"the name is denied, the answer says it exists", false, []string{apex + ` 300 NSEC3 1 0 0 - ` + after(apex[:32]) + ` NS SOA`, none + ".test." + ` 300 NSEC3 1 0 0 - ` + all + ` A`}, Bogus, KindBogus},
		{"complete", true, []string{apex + ` 300 NSEC3 1 0 0 - ` + after(apex[:32]) + ` NS SOA`, none + ".test." + ` 300 NSEC3 1 0 0 - ` + all + ` A`}, Secure, KindNotFound},
		{"complete with opt-out", true, []string{apex + ` 300 NSEC3 1 1 0 - ` + after(apex[:32]) + ` NS SOA`, none + ".test." + ` 300 NSEC3 1 1 0 - ` + all + ` A`}, Insecure, KindNotFound},
		{"another salt", true, []string{apex + ` 300 NSEC3 1 0 0 - ` + after(apex[:32]) + ` NS SOA`, none + ".test." + ` 300 NSEC3 1 0 0 ab ` + all + ` A`}, Bogus, KindBogus},
	} {
		t.Run(c.what, func(t *testing.T) {
			l := newLab(t, ".", "test.")
			var authority [][]dns.RR
			for _, text := range c.records {
				authority = append(authority, l.text("test.", text))
			}
			l.put("k.test.", dns.TypeTXT, rcodeOf(c.nxdomain), nil, authority...)
			l.noName("k.test.", dns.TypeDS, l.text("test.", `test. 300 NSEC zzz.test. SOA NS RRSIG NSEC DNSKEY`))
			l.want("k.test", c.want, c.kind)
		})
	}
}

func TestZonesAreCached(t *testing.T) {
	l := newLab(t, ".", "test.")
	d := l.resolver(".")
	for i := range 3 {
		name := fmt.Sprintf("k%d.test.", i)
		l.answer(name, dns.TypeTXT, l.text("test.", name+` 300 TXT "key"`))
		l.wantFrom(d, name, Secure, 0)
	}
	if total, _ := l.Total(); total != 3+2*3 { // . DNSKEY, test. DS and DNSKEY, three TXT, DS of their names
		t.Errorf("%d queries", total)
	}
}

// Nothing outlives the signature that vouches for it.
func TestSignatureBoundsTTL(t *testing.T) {
	l := newLab(t, ".", "test.")
	d := l.resolver(".")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 86400 TXT "key"`))
	l.wantFrom(d, "k.test", Secure, 0)
	l.clock.Advance(23*time.Hour + 59*time.Minute)
	a, err := d.LookupTXT(t.Context(), "k.test")
	if err != nil || a.TTL > time.Minute || !a.FromCache {
		t.Errorf("%+v, %v", a, err)
	}
	l.clock.Advance(2 * time.Minute)
	l.wantFrom(d, "k.test", Bogus, KindBogus)
}

// A zone that had to change its keys at once is believed as soon as its parent says so.
func TestKeysAreFetchedAgainWhenNothingFits(t *testing.T) {
	l := newLab(t, ".", "test.")
	d := l.resolver(".")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 30 TXT "key"`))
	l.wantFrom(d, "k.test", Secure, 0)
	l.newKey("test.")
	l.answer("test.", dns.TypeDNSKEY, l.sign("test.", l.keys["test."].record))
	l.answer("test.", dns.TypeDS, l.sign(".", l.keys["test."].record.ToDS(dns.SHA256)))
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 30 TXT "new"`))
	l.clock.Advance(staleAge)
	l.wantFrom(d, "k.test", Secure, 0)
}

// A name server that does not know DNSSEC makes nothing secure, and breaks nothing.
func TestObliviousServers(t *testing.T) {
	l := newLab(t, ".", "test.")
	plain := dnstest.New(t, "k.test 30 IN TXT \"key\"\n")
	var warnings []string
	o := Options{TrustAnchorFile: l.anchorFile("."), Now: l.clock.Now, Attempts: 1, Timeout: time.Minute,
		Warn: func(text string) { warnings = append(warnings, text) }}
	d := newTestDNS(t, o, plain)
	l.wantFrom(d, "k.test", SecurityUnknown, 0)
	l.wantFrom(d, "gone.test", SecurityUnknown, KindNotFound)
	if len(warnings) != 1 || !strings.Contains(warnings[0], plain.Addr) {
		t.Errorf("warnings %q", warnings)
	}
	plain.SetDefaultFault(dnstest.Fault{NoEDNS: true})
	l.wantFrom(newTestDNS(t, o, plain), "k.test", SecurityUnknown, 0)

	// It learns.
	plain.SetHandler(dns.HandlerFunc(l.serve))
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	l.clock.Advance(obliviousTime)
	l.wantFrom(d, "k.test", Secure, 0)
	if len(warnings) != 3 || !strings.Contains(warnings[2], "again") {
		t.Errorf("warnings %q", warnings)
	}
}

// Of two servers one strips signatures now and then: the other is asked.
func TestBogusIsAskedOfTheNextServer(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	stripping := dnstest.New(t, "")
	stripping.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		if r.Question[0].Qtype != dns.TypeTXT {
			l.serve(w, r)
			return
		}
		m := new(dns.Msg)
		m.SetReply(r)
		m.RecursionAvailable = true
		m.Answer = []dns.RR{l.rr(`k.test. 300 TXT "stripped"`)}
		w.WriteMsg(m)
	}))
	l.noName("k.test.", dns.TypeDS, l.text("test.", `test. 300 NSEC zzz.test. SOA NS RRSIG NSEC DNSKEY`))
	d := newTestDNS(t, Options{TrustAnchorFile: l.anchorFile("."), Now: l.clock.Now, Timeout: time.Minute}, stripping, l.Server)
	l.wantFrom(d, "k.test", Secure, 0)
}

// A server that fails when asked for keys proves nothing: that is no bogus answer.
func TestFailureWhileValidatingIsTemporary(t *testing.T) {
	l := newLab(t, ".", "test.")
	l.answer("k.test.", dns.TypeTXT, l.text("test.", `k.test. 300 TXT "key"`))
	l.put("test.", dns.TypeDS, dns.RcodeServerFailure, nil)
	_, err := l.resolver(".").LookupTXT(t.Context(), "k.test")
	e := wantKind(t, err, KindServFail, true)
	if !strings.Contains(e.Error(), `validating needs "test DS"`) {
		t.Error(e)
	}
}
