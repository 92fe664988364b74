package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
	"dojang/internal/testutil/dnstest"
)

// serverWorld is a recursive server and two authoritative ones of example.com,
// reached at 192.0.2.1 and 192.0.2.2.
type serverWorld struct {
	recursive, first, second *dnstest.Server
	key                      string // path of the private key whose record is `right`
	right, old               string
}

func newServerWorld(t *testing.T) *serverWorld {
	t.Helper()
	const zone = "example.com. IN NS ns1.example.com.\nexample.com. IN NS ns2.example.com.\nns1.example.com. IN A 192.0.2.1\nns2.example.com. IN A 192.0.2.2\n"
	w := &serverWorld{
		recursive: dnstest.New(t, zone), first: dnstest.New(t, zone), second: dnstest.New(t, zone),
		key:   filepath.Join(t.TempDir(), "key"),
		right: "v=DKIM1; k=rsa; p=" + publicText(t, "s2048"),
		old:   "v=DKIM1; k=rsa; p=" + publicText(t, "s4096"),
	}
	data, err := os.ReadFile("../keyrecord/testdata/s2048.private")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.key, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *serverWorld) test(t *testing.T, key string) keyReport {
	t.Helper()
	dns, err := resolver.New(resolver.Options{
		Nameservers: []string{w.recursive.Addr},
		Attempts:    1,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			switch address {
			case "192.0.2.1:53":
				address = w.first.Addr
			case "192.0.2.2:53":
				address = w.second.Addr
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	k := keyTester{resolver: dns, dns: dns, diagnose: true, servers: true}
	return k.test(t.Context(), keyTarget{domain: "example.com", selector: "mail", source: key})
}

const mailRecord = "mail._domainkey.example.com"

func TestServersAgree(t *testing.T) {
	w := newServerWorld(t)
	for _, s := range []*dnstest.Server{w.recursive, w.first, w.second} {
		s.AddTXT(mailRecord, w.right)
	}
	r := w.test(t, w.key)
	if !r.OK || r.serversWith("same") != 2 || len(r.Faults) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestOneServerHasTheOldRecord(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.right)
	w.first.AddTXT(mailRecord, w.right)
	w.second.AddTXT(mailRecord, w.old)
	r := w.test(t, w.key)
	if r.OK || !strings.Contains(r.Problem, "ns2.example.com (192.0.2.2) still has another record") || !r.hasFault(keyrecord.FaultServersDiffer) {
		t.Errorf("%+v", r)
	}
	// Without the private key nobody knows which of the two is right.
	if r := w.test(t, ""); !r.OK || !r.hasFault(keyrecord.FaultServersDiffer) {
		t.Errorf("%+v", r)
	}
}

func TestOneServerHasNoRecordYet(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.right)
	w.second.AddTXT(mailRecord, w.right)
	r := w.test(t, w.key)
	if r.OK || !strings.Contains(r.Problem, "ns1.example.com (192.0.2.1) has no record yet") {
		t.Errorf("%+v", r)
	}
}

func TestResolverRemembersTheOldRecord(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.old)
	w.first.AddTXT(mailRecord, w.right)
	w.second.AddTXT(mailRecord, w.right)
	r := w.test(t, w.key)
	last := r.Faults[len(r.Faults)-1]
	if r.OK || last.Code != keyrecord.FaultServersDiffer || !strings.Contains(last.Text, "only this machine's resolver") {
		t.Errorf("%+v", r)
	}
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.right)
	w.first.AddTXT(mailRecord, w.right)
	w.second.SetDefaultFault(dnstest.Fault{Rcode: 5})
	r := w.test(t, w.key)
	if !r.OK || !r.hasFault(keyrecord.FaultServer) {
		t.Errorf("%+v", r)
	}
}

// The record is an alias into a zone of somebody else.
func TestServersOfAnAlias(t *testing.T) {
	w := newServerWorld(t)
	const zone = "keys.example.net. IN NS ns1.example.com.\nmail.keys.example.net. IN TXT \"v=DKIM1; k=ed25519; p=" + rfc8463Public + "\"\n"
	for _, s := range []*dnstest.Server{w.recursive, w.first, w.second} {
		s.SetChase(s == w.recursive)
		s.AddCNAME(mailRecord, "mail.keys.example.net")
	}
	for line := range strings.SplitSeq(strings.TrimSpace(zone), "\n") {
		w.recursive.AddRR(line)
		w.first.AddRR(line)
	}
	r := w.test(t, "")
	if !r.OK || len(r.Servers) != 1 || r.Servers[0].Name != "ns1.example.com" || r.Servers[0].State != "same" {
		t.Errorf("%+v", r)
	}
}

// hasFault reports whether a fault of that code was found.
func (r keyReport) hasFault(code string) bool {
	for _, f := range r.Faults {
		if f.Code == code {
			return true
		}
	}
	return false
}
