package keycheck

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// world is a small Internet: root and com, example.com on two servers, example.net on
// one, and a recursive server that knows where the root is. Each authoritative server is
// reached at an address of its own.
type world struct {
	recursive              *dnstest.Server
	root, com, ns1, ns2    *dnstest.Server
	other                  *dnstest.Server // example.net
	servers                dnstest.Internet
	key                    crypto.PublicKey
	right, old, mailRecord string
}

const exampleZone = `
example.com. 300 IN SOA ns1.example.com. h.example.com. %d 3600 600 86400 900
example.com. 300 IN NS ns1.example.com.
example.com. 300 IN NS ns2.example.com.
ns1.example.com. 300 IN A 192.0.2.1
ns2.example.com. 300 IN A 192.0.2.2
`

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{mailRecord: "mail._domainkey.example.com", servers: dnstest.Internet{}}
	serve := func(addr, zone, text string) *dnstest.Server { return w.servers.Serve(t, addr, text, zone) }
	const root = ". IN NS a.root.\na.root. IN A 192.0.2.250\n"
	w.root = serve("192.0.2.250", ".", root+"com. IN NS a.com.\na.com. IN A 192.0.2.251\nnet. IN NS a.com.\n")
	w.com = serve("192.0.2.251", "com.", "example.com. IN NS ns1.example.com.\nexample.com. IN NS ns2.example.com.\n"+
		"ns1.example.com. IN A 192.0.2.1\nns2.example.com. IN A 192.0.2.2\nexample.net. IN NS "+
		"ns.example.net.\nns.example.net. IN A 192.0.2.3\n")
	w.com.ServeZones("com", "net")
	w.ns1 = serve("192.0.2.1", "example.com", fmt.Sprintf(exampleZone, 20261129))
	w.ns2 = serve("192.0.2.2", "example.com", fmt.Sprintf(exampleZone, 20261128))
	w.other = serve("192.0.2.3", "example.net", "example.net. IN SOA ns h 7 1 1 1 60\nexample.net. IN NS ns.example.net.\n")
	w.recursive = dnstest.New(t, root+"ns1.example.com. IN A 192.0.2.1\nns2.example.com. IN A 192.0.2.2\nns.example.net. IN A 192.0.2.3\n")
	w.key = testutil.ReadKey(t, "../keyrecord/testdata/s2048.private").Public()
	w.right = testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/s2048.private"))
	w.old = testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/s4096.private"))
	return w
}

// everywhere puts a record onto both servers and into the resolver.
func (w *world) everywhere(name, text string) {
	for _, s := range []*dnstest.Server{w.ns1, w.ns2, w.recursive} {
		s.AddTXT(name, text)
	}
}

func (w *world) checker(t *testing.T, change func(*Options)) *Checker {
	t.Helper()
	o := Options{
		Resolver: resolver.Options{
			Nameservers: []string{w.recursive.Addr},
			Attempts:    1,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasPrefix(address, "[2001:db8:") {
					return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
				}
				return w.servers.Dial(ctx, network, address)
			},
		},
		TryTime: time.Minute, Time: time.Hour,
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mail checks the key of mail._domainkey.example.com.
func (w *world) mail(t *testing.T, change func(*Check)) *Report {
	t.Helper()
	c := Check{Domain: "example.com", Selector: "mail", Key: w.key}
	if change != nil {
		change(&c)
	}
	return w.checker(t, nil).Check(t.Context(), c)
}

func codes(r *Report) string {
	var list []string
	for _, f := range r.Faults {
		list = append(list, f.Code)
	}
	return strings.Join(list, " ")
}

func (r *Report) server(t *testing.T, address string) Server {
	t.Helper()
	for _, s := range r.Servers {
		if s.Address == address {
			return s
		}
	}
	t.Fatalf("%s is not among %+v", address, r.Servers)
	return Server{}
}
