package build

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/configtest"
)

// nameServer answers TXT questions over TCP alone, or over both, and notes what
// it is asked.
type nameServer struct {
	address string
	tcp     atomic.Int32
	udp     atomic.Int32
	dnssec  atomic.Int32 // questions about DNSSEC's own records
}

func (n *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	if w.RemoteAddr().Network() == "tcp" {
		n.tcp.Add(1)
	} else {
		n.udp.Add(1)
	}
	answer := new(dns.Msg).SetReply(q)
	switch q.Question[0].Qtype {
	case dns.TypeTXT:
		answer.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT,
			Class: dns.ClassINET, Ttl: 60}, Txt: []string{"v=DKIM1; p="}}}
	case dns.TypeDNSKEY, dns.TypeDS:
		n.dnssec.Add(1)
	}
	_ = w.WriteMsg(answer)
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	n := new(nameServer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = l.Addr().String()
	p, err := net.ListenPacket("udp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: n}, {PacketConn: p, Handler: n}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return n
}

// ask looks a name up as a filter with this configuration does.
func ask(t *testing.T, text string) {
	t.Helper()
	built, problems := Snapshot(t.Context(), configtest.Read(t, "Mode v\n"+text), Parts{Log: slog.New(slog.DiscardHandler)})
	if built == nil {
		t.Fatal(problems)
	}
	defer built.Snapshot.Discard()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, _ = built.Snapshot.Resolver.LookupTXT(ctx, "s._domainkey.example.com") // its answer is not what matters here
}

func TestDNSConnect(t *testing.T) {
	for text, overTCP := range map[string]bool{"": false, "DNSConnect yes\n": true} {
		n := startNameServer(t)
		ask(t, "Nameservers "+n.address+"\n"+text)
		if tcp, udp := n.tcp.Load() > 0, n.udp.Load() > 0; tcp != overTCP || udp == overTCP {
			t.Errorf("%q: TCP %v, UDP %v", text, tcp, udp)
		}
	}
}

func TestTrustAnchorFile(t *testing.T) {
	anchor := filepath.Join(t.TempDir(), "root.key")
	const root = ". 172800 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
	if err := os.WriteFile(anchor, []byte(root), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, validates := range map[string]bool{"": false, "TrustAnchorFile " + anchor + "\n": true} {
		n := startNameServer(t)
		ask(t, "Nameservers "+n.address+"\n"+text)
		if asked := n.dnssec.Load() > 0; asked != validates {
			t.Errorf("%q: asked for proofs: %v", text, asked)
		}
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestSoftStart(t *testing.T) {
	for text, starts := range map[string]bool{"": false, "SoftStart yes\n": true} {
		c := configtest.Read(t, "Mode sv\nLDAPTimeout 1\nExemptDomains ldap://127.0.0.1:1/dc=test?cn?sub?(cn=$d)\n"+text)
		built, problems := Snapshot(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
		if (built != nil) != starts {
			t.Errorf("%q: starts %v: %v", text, built != nil, problems)
		}
		if built != nil {
			built.Snapshot.Discard()
		}
	}
}

func TestLDAPTimeout(t *testing.T) {
	c := configtest.Read(t, "Mode v\nLDAPTimeout 1\nLDAPBindUser cn=a\nLDAPBindPassword b\nExemptDomains ldap://"+
		silent(t)+"/dc=test?cn?sub?(cn=$d)\n")
	start := time.Now()
	built, problems := Snapshot(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
	if took := time.Since(start); built != nil || took > 4*time.Second {
		t.Errorf("a silent server: starts %v after %v: %v", built != nil, took, problems)
	}
}
