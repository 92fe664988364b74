package resolver

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// TestReferrals are answers of servers that do not recurse: names of others, and nothing
// of their own.
func TestReferrals(t *testing.T) {
	ns, soa, a := dnsRR(t, `example. NS ns.example.`), dnsRR(t, `example. SOA ns. h. 1 2 3 4 5`), dnsRR(t, `k.example. A 192.0.2.1`)
	for name, c := range map[string]struct {
		change func(*dns.Msg)
		want   bool
	}{
		"a referral":         {func(m *dns.Msg) { m.Ns = []dns.RR{ns} }, true},
		"with glue":          {func(m *dns.Msg) { m.Ns, m.Extra = []dns.RR{ns}, []dns.RR{a} }, true},
		"an answer":          {func(m *dns.Msg) { m.Ns, m.Answer = []dns.RR{ns}, []dns.RR{a} }, false},
		"authoritative":      {func(m *dns.Msg) { m.Ns, m.Authoritative = []dns.RR{ns}, true }, false},
		"of who recurses":    {func(m *dns.Msg) { m.Ns, m.RecursionAvailable = []dns.RR{ns}, true }, false},
		"no such record":     {func(m *dns.Msg) { m.Ns = []dns.RR{ns, soa} }, false},
		"nothing":            {func(*dns.Msg) {}, false},
		"of other records":   {func(m *dns.Msg) { m.Ns = []dns.RR{a} }, false},
		"with others before": {func(m *dns.Msg) { m.Ns = []dns.RR{a, ns} }, true},
	} {
		m := new(dns.Msg)
		c.change(m)
		if got := isReferral(m); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func dnsRR(t *testing.T, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// TestEscapesThatEndEarly stand for what is there of them.
func TestEscapesThatEndEarly(t *testing.T) {
	for text, want := range map[string]string{`\065b`: "Ab", `\065`: "A", `\06`: "06", `\0`: "0", `\`: `\`, `a\\`: `a\`,
		`\0x5`: "0x5", `\255`: "\xff"} {
		if got := unescape(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := wildcardOf("."); got != "*." {
		t.Errorf("the root's wildcard: %s", got)
	}
}

// TestAbsenceIsAsSecureAsItsAnswer, by the word of a server that is trusted.
func TestAbsenceIsAsSecureAsItsAnswer(t *testing.T) {
	s := dnstest.New(t, "a.example IN A 192.0.2.1\n")
	for _, c := range []struct {
		trusted, ad bool
		want        Security
	}{{false, false, SecurityUnknown}, {false, true, SecurityUnknown}, {true, false, Insecure}, {true, true, Secure}} {
		s.SetAuthenticatedData(c.ad)
		for name, kind := range map[string]Kind{"gone.example": KindNotFound, "a.example": KindNoData} {
			d := newTestDNS(t, Options{Timeout: time.Minute, TrustAD: c.trusted}, s)
			if !c.trusted { // resolv.conf(5): what is not on this machine is not trusted unless it is said
				d.servers().servers[0].trusted = false
			}
			a, err := d.LookupTXT(t.Context(), name)
			if e := wantKind(t, err, kind, false); a.Security != c.want || e.Security != c.want {
				t.Errorf("%s, trusted %v, AD %v: %v, %v", name, c.trusted, c.ad, a.Security, e.Security)
			}
		}
	}
}

// TestAnchorsTrustTheirKeysAlone: neither another of their algorithm nor theirs by another.
func TestAnchorsTrustTheirKeysAlone(t *testing.T) {
	l := newLab(t, ".", "test.")
	key, other := l.keys["."].record, l.keys["test."].record
	changed := *key
	changed.Algorithm = dns.ED25519
	trusts := func(anchors ...*dns.DNSKEY) bool { return isTrusted(key, nil, anchors) }
	if !trusts(other, key) || trusts(other) || trusts(&changed) {
		t.Error("a key is trusted that is none of the anchor's, or the anchor's is not")
	}
	one := cut{zone: &zone{keys: keysByTag([]*dns.DNSKEY{key})}}
	if empty := (cut{}).cost(); one.cost() < empty+len(key.PublicKey) {
		t.Errorf("a zone with a key costs %d, nothing %d", one.cost(), empty)
	}
}

// TestNoBudgetProvesNothing: each kind of proof ends with the budget.
func TestNoBudgetProvesNothing(t *testing.T) {
	h := newHashed("example.", &dns.NSEC3{Hash: dns.SHA1})
	h.add(&dns.NSEC3{Hdr: dns.RR_Header{Name: dns.HashName("example.", dns.SHA1, 0, "") + ".example."}, Hash: dns.SHA1,
		NextDomain: strings.Repeat("V", 32)})
	for hashes := range 3 {
		ctx := context.WithValue(t.Context(), budgetKey{}, &budget{hashes: hashes})
		h.hashes = map[string]string{}
		_, ok, err := h.noName(ctx, "a.b.example.")
		if ok || !errors.Is(err, errBudget) {
			t.Errorf("no name, %d hashes: %v, %v", hashes, ok, err)
		}
		ctx, h.hashes = context.WithValue(t.Context(), budgetKey{}, &budget{hashes: hashes}), map[string]string{}
		if _, ok, err := h.noType(ctx, "a.b.example.", dns.TypeTXT); ok || !errors.Is(err, errBudget) {
			t.Errorf("no type, %d hashes: %v, %v", hashes, ok, err)
		}
		ctx, h.hashes = context.WithValue(t.Context(), budgetKey{}, &budget{hashes: hashes}), map[string]string{}
		if c, err := h.noDS(ctx, "a.b.example."); c != (cut{}) || !errors.Is(err, errBudget) {
			t.Errorf("no DS, %d hashes: %+v, %v", hashes, c, err)
		}
	}
	if _, ok, err := h.noCloserMatch(t.Context(), "c.example.", "example."); ok || !errors.Is(err, errBudget) {
		t.Errorf("a wildcard: %v, %v", ok, err)
	}
}

// TestWithoutCacheOrHosts nothing is known, and nothing breaks.
func TestWithoutCacheOrHosts(t *testing.T) {
	d := newTestDNS(t, Options{Nameservers: []string{"192.0.2.1"}, CacheSize: -1})
	if a, ok, err := d.Cached("k.example"); ok || err != nil || a.Texts != nil {
		t.Errorf("%+v, %v, %v", a, ok, err)
	}
	find := func(context.Context, string) (string, bool, error) { return "", false, nil }
	addresses, err := NewLookup(find, nil).LookupA(t.Context(), "host.example")
	if wantKind(t, err, KindNetwork, true); addresses != nil {
		t.Errorf("%v", addresses)
	}
	m, err := d.QueryServer(t.Context(), "no address", Question{Name: "k.example", Type: dns.TypeTXT})
	e := wantKind(t, err, KindNetwork, true)
	if m != nil || !strings.Contains(e.Error(), `"no address" is not a name server's address`) {
		t.Errorf("%v", e)
	}
}

// TestServersThatAnswerAgain are asked in their turn again.
func TestServersThatAnswerAgain(t *testing.T) {
	s := dnstest.New(t, "k.example IN TXT \"key\"\n")
	c := newClock()
	d := newTestDNS(t, Options{Now: c.Now, Timeout: time.Minute}, s)
	server := d.servers().servers[0]
	server.setDown(c.Now())
	if !server.down(c.Now()) {
		t.Error("it is not down")
	}
	if _, err := d.LookupTXT(t.Context(), "k.example"); err != nil || server.down(c.Now()) {
		t.Errorf("%v, down: %v", err, server.down(c.Now()))
	}
}

// measured counts what is read from a connection.
type measured struct {
	net.Conn
	octets *atomic.Int64
}

func (m measured) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.octets.Add(int64(n))
	return n, err
}

// TestMaxAnswerBytes are those that a message may have over TCP, to the octet.
func TestMaxAnswerBytes(t *testing.T) {
	s := dnstest.New(t, "")
	s.AddTXT("k.example", strings.Repeat("x", 3000))
	var octets atomic.Int64
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return measured{conn, &octets}, err
	}
	size := 0
	for _, more := range []int{0, 0, -1} {
		o := Options{Timeout: time.Minute, UseTCP: true, Dial: dial}
		if size > 0 {
			o.MaxAnswerBytes = size + more
		}
		octets.Store(0)
		a, err := newTestDNS(t, o, s).LookupTXT(t.Context(), "k.example")
		if more < 0 {
			wantKind(t, err, KindTooLarge, false)
			continue
		}
		if err != nil || len(a.Texts) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		size = int(octets.Load()) - 2 // the length before it
	}
}

// TestLabelsOfNames are counted as RFC 4034 §3.1.3 does in its examples.
func TestLabelsOfNames(t *testing.T) {
	for name, want := range map[string]int{"www.example.com.": 3, "*.example.com.": 2, ".": 0, "*.": 0,
		"a.*.example.com.": 4, "*a.example.": 2} {
		if got := labelsSigned(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// TestAbsenceWithoutSOA is kept as short as anything (RFC 2308 §5).
func TestAbsenceWithoutSOA(t *testing.T) {
	s := dnstest.New(t, "")
	s.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetRcode(r, dns.RcodeNameError)
		m.RecursionAvailable = true
		w.WriteMsg(m)
	}))
	c := newClock()
	d := newTestDNS(t, Options{Now: c.Now, Timeout: time.Minute, MinTTL: 7 * time.Second}, s)
	for _, fromCache := range []bool{false, true} {
		a, err := d.LookupTXT(t.Context(), "k.example")
		if wantKind(t, err, KindNotFound, false); a.TTL != 7*time.Second || a.FromCache != fromCache {
			t.Errorf("%+v", a)
		}
	}
}

// TestConnectionsThatEnd before the answer, at once or within it, have words of their own;
// sets that fail are no absence.
func TestConnectionsThatEnd(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF} {
		fail := networkFailure(t.Context(), err)
		if fail.kind != KindNetwork || fail.err.Error() != "the connection was closed before the answer" {
			t.Errorf("%v: %+v", err, fail)
		}
	}
	away := errors.New("away")
	find := func(context.Context, string) (string, bool, error) { return "", false, away }
	_, err := NewLookup(find, nil).LookupTXT(t.Context(), "k.example")
	if wantKind(t, err, KindLocal, true); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}
