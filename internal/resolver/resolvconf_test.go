package resolver

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseResolvConf(t *testing.T) {
	addrs := func(list ...string) (servers []netip.AddrPort) {
		for _, text := range list {
			servers = append(servers, netip.MustParseAddrPort(text))
		}
		return servers
	}
	tests := []struct {
		text string
		want resolvConf
	}{
		{"", resolvConf{servers: addrs("127.0.0.1:53")}},
		{"# nameserver 192.0.2.9\n; nameserver 192.0.2.8\nsearch example.com\ndomain x\nnameserver 192.0.2.1\n", resolvConf{servers: addrs("192.0.2.1:53")}},
		{"nameserver\t192.0.2.1 # home\r\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver\n", resolvConf{servers: addrs("192.0.2.1:53", "[fe80::1%eth0]:53")}},
		{"options timeout:3 attempts:4 rotate trust-ad use-vc edns0 ndots:5 inet6\n", resolvConf{servers: addrs("127.0.0.1:53"), timeout: 3 * time.Second, attempts: 4, rotate: true, trustAD: true, useTCP: true}},
		{"options timeout:99999999999999999999 attempts:100\noptions timeout:900\noptions timeout:x attempts:0 timeout:-1\n", resolvConf{servers: addrs("127.0.0.1:53"), timeout: 30 * time.Second, attempts: 5}},
		{"nameserver 192.0.2.1", resolvConf{servers: addrs("192.0.2.1:53")}},
	}
	for _, test := range tests {
		got := parseResolvConf([]byte(test.text))
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(resolvConf{}),
			cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%q: %s", test.text, diff)
		}
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1:53",
		" 192.0.2.1:5353 ":     "192.0.2.1:5353",
		"2001:db8::1":          "[2001:db8::1]:53",
		"[2001:db8::1]":        "[2001:db8::1]:53",
		"[2001:db8::1]:5353":   "[2001:db8::1]:5353",
		"::ffff:192.0.2.1":     "192.0.2.1:53",
		"[fe80::1%eth0]:53":    "[fe80::1%eth0]:53",
		"192.0.2.1@5353":       "192.0.2.1:5353",
		"2001:db8::1@5353":     "[2001:db8::1]:5353",
		"[192.0.2.1]:5353":     "192.0.2.1:5353",
		"::1":                  "[::1]:53",
		"::":                   "[::]:53",
		"::1:5353":             "", // an address, of a machine that nobody has
		"[::1:53]":             "",
		"::5353":               "",
		"::1:65536":            "",
		"192.0.2.1@":           "",
		"":                     "",
		"ns.example.com":       "",
		"192.0.2.1:0":          "",
		"192.0.2.1:65536":      "",
		"192.0.2.1,192.0.2.2":  "",
		"192.0.2.1:domain":     "",
		"2001:db8::1:5353:x:y": "",
	} {
		got, err := ParseServer(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add([]byte("nameserver 192.0.2.1\noptions timeout:3 attempts:2 trust-ad\n"))
	f.Add([]byte("nameserver fe80::1%eth0\r\n;x\n#y\noptions use-vc rotate edns0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := parseResolvConf(data)
		if len(c.servers) == 0 || len(c.servers) > maxConfServers {
			t.Errorf("%d servers", len(c.servers))
		}
		if c.timeout < 0 || c.timeout > maxConfTimeout || c.attempts < 0 || c.attempts > maxConfAttempts {
			t.Errorf("timeout %v attempts %d", c.timeout, c.attempts)
		}
	})
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "[2001:db8::1]:53", "fe80::1%eth0", "x:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server, err := ParseServer(text)
		if err != nil {
			return
		}
		again, err := ParseServer(serverName(server))
		if err != nil || again != server {
			t.Errorf("%q is %v, whose name %q is %v (%v)", text, server, serverName(server), again, err)
		}
	})
}
