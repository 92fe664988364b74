package keytable

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/words"
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
	const zone = "example.com. IN NS ns1.example.com.\nexample.com. IN NS ns2.example.com.\n" +
		"ns1.example.com. IN A 192.0.2.1\nns2.example.com. IN A 192.0.2.2\n"
	w := &serverWorld{
		recursive: dnstest.New(t, zone), first: dnstest.New(t, zone), second: dnstest.New(t, zone),
		key:   filepath.Join(t.TempDir(), "key"),
		right: testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/s2048.private")),
		old:   testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/s4096.private")),
	}
	w.first.ServeZones("example.com", "keys.example.net")
	w.second.ServeZones("example.com")
	data, err := os.ReadFile("../keyrecord/testdata/s2048.private")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.key, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *serverWorld) test(t *testing.T, key string) Report {
	t.Helper()
	checker, err := keycheck.New(keycheck.Options{AskAnyway: true, Resolver: resolver.Options{
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
	}})
	if err != nil {
		t.Fatal(err)
	}
	table, err := Open(t.Context(), "", config.New())
	if err != nil {
		t.Fatal(err)
	}
	k := Tester{Table: table, checker: checker, Diagnose: true, Servers: true}
	return k.Test(t.Context(), Single("example.com", "mail", key))
}

const mailRecord = "mail._domainkey.example.com"

func fault(r Report, code string) string {
	for _, f := range r.Faults {
		if f.Code == code {
			return f.Text
		}
	}
	return ""
}

func TestServersAgree(t *testing.T) {
	w := newServerWorld(t)
	for _, s := range []*dnstest.Server{w.recursive, w.first, w.second} {
		s.AddTXT(mailRecord, w.right)
	}
	r := w.test(t, w.key)
	if n, all := r.serversWith(keycheck.Same); !r.OK || n != 2 || all != 2 || len(r.Faults) != 0 ||
		!strings.Contains(r.summary(), "on 2 of 2 name servers") {
		t.Errorf("%+v", r)
	}
}

func TestOneServerHasTheOldRecord(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.right)
	w.first.AddTXT(mailRecord, w.right)
	w.second.AddTXT(mailRecord, w.old)
	r := w.test(t, w.key)
	if r.OK || r.Status != exit.Unavailable || r.Problem != "the name server ns2.example.com (192.0.2.2) still has another record" {
		t.Errorf("%+v", r)
	}
	// Without the private key nobody knows which of the two is right.
	if r := w.test(t, ""); !r.OK || fault(r, "servers-differ") == "" {
		t.Errorf("%+v", r)
	}
}

func TestOneServerHasNoRecordYet(t *testing.T) {
	w := newServerWorld(t)
	w.second.AddTXT(mailRecord, w.right)
	r := w.test(t, w.key)
	if r.OK || r.Problem != "the name server ns1.example.com (192.0.2.1) has no record yet" || w.recursive.Queries(mailRecord) != 0 {
		t.Errorf("%+v", r)
	}
}

// Compat(opendkim 2.11): what the resolver says is what Debian's tool says.
func TestResolverRemembersTheOldRecord(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.old)
	w.first.AddTXT(mailRecord, w.right)
	w.second.AddTXT(mailRecord, w.right)
	r := w.test(t, w.key)
	if r.OK || r.Status != exit.DataErr || r.Problem != "keys do not match" || !strings.Contains(fault(r, "cache-differs"),
		"only this machine's resolver") {
		t.Errorf("%+v", r)
	}
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.right)
	w.first.AddTXT(mailRecord, w.right)
	w.second.SetDefaultFault(dnstest.Fault{Rcode: 5})
	r := w.test(t, w.key)
	if !r.OK || fault(r, "server-no-answer") != "the name server ns2.example.com (192.0.2.2) refuses to answer: REFUSED" {
		t.Errorf("%+v", r)
	}
}

// A network that lets nobody ask name servers but its own.
func TestNobodyButTheResolverAnswers(t *testing.T) {
	w := newServerWorld(t)
	w.recursive.AddTXT(mailRecord, w.right)
	w.first.Close()
	w.second.Close()
	if r := w.test(t, w.key); !r.OK || fault(r, "server-no-answer") == "" {
		t.Errorf("%+v", r)
	}
}

// TestUnreadableKey: who may not look is not told that the path is wrong.
func TestUnreadableKey(t *testing.T) {
	for text, err := range map[string]error{
		"the private key's file cannot be found: /p": &fs.PathError{Op: "stat", Path: "/p", Err: syscall.ENOENT},
		"you may not read the private key: /p":       fmt.Errorf("loading: %w", &fs.PathError{Op: "stat", Path: "/p", Err: syscall.EACCES}),
		"the private key cannot be read: why":        &fs.PathError{Op: "stat", Path: "/p", Err: syscall.ENOTDIR},
	} {
		faults := []keycheck.Fault{*unreadable("/p", err, "why")}
		words.Faults(faults)
		if faults[0].Text != text || faults[0].Hint == "" {
			t.Errorf("%v: %+v", err, faults[0])
		}
	}
}
