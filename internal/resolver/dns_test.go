package resolver

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// clock is a settable clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newTestDNS(t testing.TB, o Options, servers ...*dnstest.Server) *DNS {
	t.Helper()
	for _, s := range servers {
		o.Nameservers = append(o.Nameservers, s.Addr)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantKind(t *testing.T, err error, kind Kind, temporary bool) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want kind %v", err, kind)
	}
	if e.Kind != kind || e.Temporary() != temporary {
		t.Fatalf("error %v: kind %v temporary %v, want %v %v", err, e.Kind, e.Temporary(), kind, temporary)
	}
	return e
}

func TestLookupTXT(t *testing.T) {
	s := dnstest.New(t, `
k._domainkey.example.com 60 IN TXT "v=DKIM1; " "p=abc"
alias.example.com 120 IN CNAME k._domainkey.example.com.
two.example.com 300 IN TXT "first"
two.example.com 300 IN TXT "second" "half"
old.example 300 IN DNAME example.com.
only-a.example.com IN A 192.0.2.1
`)
	s.AddTXT("odd.example.com", "quote \" backslash \\ octets \x00\x80\xff end")
	long := strings.Repeat("0123456789", 500)
	s.AddTXT("long.example.com", long)
	d := newTestDNS(t, Options{}, s)
	tests := []struct {
		name   string
		texts  []string
		cnames int
		ttl    time.Duration
	}{
		{"k._domainkey.example.com", []string{"v=DKIM1; p=abc"}, 0, time.Minute},
		{"K._DomainKey.Example.COM.", []string{"v=DKIM1; p=abc"}, 0, time.Minute},
		{"alias.example.com", []string{"v=DKIM1; p=abc"}, 1, time.Minute},
		{"two.example.com", []string{"first", "secondhalf"}, 0, 5 * time.Minute},
		{"k._domainkey.old.example", []string{"v=DKIM1; p=abc"}, 1, time.Minute},
		{"odd.example.com", []string{"quote \" backslash \\ octets \x00\x80\xff end"}, 0, 5 * time.Minute},
		{"long.example.com", []string{long}, 0, 5 * time.Minute}, // truncated over UDP
	}
	for _, test := range tests {
		a, err := d.LookupTXT(context.Background(), test.name)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.texts, a.Texts); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if a.CNAMEs != test.cnames || a.TTL > test.ttl || a.TTL < test.ttl-time.Second || a.Security != Insecure {
			t.Errorf("%s: CNAMEs %d TTL %v security %v", test.name, a.CNAMEs, a.TTL, a.Security)
		}
	}
	if _, tcp := s.Total(); tcp != 1 {
		t.Errorf("%d queries over TCP, want 1", tcp)
	}
	if !s.LastHadEDNS() {
		t.Error("no EDNS in queries")
	}
}

func TestAbsenceIsPermanent(t *testing.T) {
	s := dnstest.New(t, "only-a.example.com IN A 192.0.2.1\nto-nothing.example.com IN CNAME "+
		"gone.example.com.\nto-a.example.com IN CNAME only-a.example.com.\n")
	d := newTestDNS(t, Options{}, s)
	for name, kind := range map[string]Kind{
		"gone.example.com":       KindNotFound,
		"only-a.example.com":     KindNoData,
		"example.com":            KindNoData, // an empty non-terminal
		"to-nothing.example.com": KindNotFound,
		"to-a.example.com":       KindNoData,
	} {
		_, err := d.LookupTXT(context.Background(), name)
		e := wantKind(t, err, kind, false)
		if !e.NotFound() {
			t.Errorf("%s: not NotFound", name)
		}
		if e.Name != name {
			t.Errorf("error is about %q, want %q", e.Name, name)
		}
	}
}

// A server that answers with the alias alone makes us ask for its target.
func TestAliasesAcrossMessages(t *testing.T) {
	s := dnstest.New(t, "a.example IN CNAME b.example.\nb.example IN CNAME c.example.\nc.example IN TXT "+
		"\"key\"\nd.example IN CNAME gone.example.\n")
	s.SetChase(false)
	d := newTestDNS(t, Options{}, s)
	a, err := d.LookupTXT(context.Background(), "a.example")
	if err != nil || a.CNAMEs != 2 || len(a.Texts) != 1 || a.Texts[0] != "key" {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = d.LookupTXT(context.Background(), "d.example")
	wantKind(t, err, KindNotFound, false)
}

func TestSecurityFollowsADBit(t *testing.T) {
	s := dnstest.New(t, "k.example IN TXT \"key\"\n")
	s.SetAuthenticatedData(true)
	d := newTestDNS(t, Options{}, s) // on loopback
	a, err := d.LookupTXT(context.Background(), "k.example")
	if err != nil || a.Security != Secure {
		t.Errorf("loopback server with AD: %v, %v", a.Security, err)
	}
	_, err = d.LookupTXT(context.Background(), "gone.example")
	if e := wantKind(t, err, KindNotFound, false); e.Security != Secure {
		t.Errorf("denial with AD: %v", e.Security)
	}

	// The same answers as from a server elsewhere.
	for _, test := range []struct {
		conf    string
		trustAD bool
		ad      bool
		want    Security
	}{
		{"nameserver 192.0.2.53\n", false, true, SecurityUnknown},
		{"nameserver 192.0.2.53\n", false, false, SecurityUnknown},
		{"nameserver 192.0.2.53\noptions trust-ad\n", false, true, Secure},
		{"nameserver 192.0.2.53\noptions trust-ad\n", false, false, Insecure},
		{"nameserver 192.0.2.53\n", true, true, Secure},
	} {
		server := newServerSet(parseResolvConf([]byte(test.conf)), Options{TrustAD: test.trustAD}).servers[0]
		m := new(dns.Msg)
		m.AuthenticatedData = test.ad
		if got := adSecurity(m, server); got != test.want {
			t.Errorf("%q TrustAD %v AD %v: %v, want %v", test.conf, test.trustAD, test.ad, got, test.want)
		}
	}
}

func TestBadNames(t *testing.T) {
	s := dnstest.New(t, "")
	d := newTestDNS(t, Options{}, s)
	label63 := strings.Repeat("a", 63)
	for _, name := range []string{
		"", "..", ".example", "a..b", "a b.example", `a\.b.example`, "a\x00.example", "bücher.example",
		strings.Repeat("a", 64) + ".example",
		strings.Join([]string{label63, label63, label63, label63}, "."),
	} {
		_, err := d.LookupTXT(context.Background(), name)
		wantKind(t, err, KindBadName, false)
	}
	if total, _ := s.Total(); total != 0 {
		t.Errorf("%d queries for names that are none", total)
	}
	longest := strings.Join([]string{label63, label63, label63, label63[:61]}, ".")
	_, err := d.LookupTXT(context.Background(), longest)
	wantKind(t, err, KindNotFound, false)
}

func TestOtherRecords(t *testing.T) {
	s := dnstest.New(t, `
mail.example IN A 192.0.2.7
mail.example IN A 192.0.2.8
mail.example IN AAAA 2001:db8::7
www.example IN CNAME mail.example.
example IN NS ns1.example.
`)
	d := newTestDNS(t, Options{}, s)
	ctx := context.Background()
	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	a, err := d.LookupA(ctx, "www.example")
	check("A", a, []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")}, err)
	a, err = d.LookupAAAA(ctx, "mail.example")
	check("AAAA", a, []netip.Addr{netip.MustParseAddr("2001:db8::7")}, err)
	ns, err := d.LookupNS(ctx, "example")
	check("NS", ns, []string{"ns1.example"}, err)
	_, err = d.LookupNS(ctx, "mail.example")
	wantKind(t, err, KindNoData, false)
}

// A server is asked alone: neither the cache nor another one has a say, whatever it
// answers.
func TestAskServer(t *testing.T) {
	s := dnstest.New(t, "example.com IN NS ns1.example.com.\nexample.com IN NS gone.example.com.\n")
	s.AddTXT("s._domainkey.example.com", strings.Repeat("x", 300)+`"\`)
	d := newTestDNS(t, Options{}, s)
	addr := netip.MustParseAddrPort(s.Addr)
	for range 2 {
		m, err := d.AskServer(t.Context(), addr, Question{Name: "S._domainkey.example.com.", Type: dns.TypeTXT, DNSSEC: true})
		if err != nil || len(m.Answer) != 1 || m.RecursionDesired {
			t.Fatalf("%v %v", m, err)
		}
		if diff := cmp.Diff([]string{strings.Repeat("x", 255), strings.Repeat("x", 45) + `"\`}, Strings(m.Answer[0].(*dns.TXT))); diff != "" {
			t.Error(diff)
		}
	}
	if n := s.Queries("s._domainkey.example.com"); n != 2 {
		t.Errorf("%d queries", n)
	}
	s.SetFault("broken.example.com", dnstest.Fault{Rcode: dns.RcodeRefused})
	if m, err := d.AskServer(t.Context(), addr, Question{Name: "broken.example.com", Type: dns.TypeTXT}); err != nil ||
		m.Rcode != dns.RcodeRefused {
		t.Errorf("%v %v", m, err)
	}
	_, err := d.AskServer(t.Context(), addr, Question{Name: "a..b", Type: dns.TypeTXT})
	wantKind(t, err, KindBadName, false)
	s.Close()
	_, err = d.AskServer(t.Context(), addr, Question{Name: "example.com", Type: dns.TypeTXT})
	wantKind(t, err, KindNetwork, true)
	m, err := newTestDNS(t, Options{}, dnstest.New(t, "example.com IN NS a.b.\n")).QueryServer(t.Context(),
		s.Addr, Question{Name: "example.com", Type: dns.TypeNS})
	if err == nil {
		t.Errorf("a closed server answers %v", m)
	}
}

func TestResolvConfIsReadAgain(t *testing.T) {
	if _, err := New(Options{Nameservers: []string{"localhost"}}); err == nil || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("a name as name server: %v", err)
	}
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newClock()
	d := newTestDNS(t, Options{ResolvConf: path, Now: c.Now})
	want := func(servers ...string) {
		t.Helper()
		if diff := cmp.Diff(servers, d.Servers()); diff != "" {
			t.Error(diff)
		}
	}
	want("127.0.0.1") // no file yet
	write("nameserver 192.0.2.1\n")
	want("127.0.0.1") // looked at lately
	c.Advance(confRecheck)
	want("192.0.2.1")
	write("nameserver 192.0.2.2\nnameserver 2001:db8::2\n")
	c.Advance(confRecheck)
	want("192.0.2.2", "2001:db8::2")
	os.Remove(path)
	c.Advance(confRecheck)
	want("192.0.2.2", "2001:db8::2")
}
