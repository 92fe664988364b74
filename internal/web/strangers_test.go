package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// TestPublic: three pages and their limits.
func TestPublic(t *testing.T) {
	w := newWorld(t)
	w.everywhere("mail._domainkey.example.com", w.record)
	w.inner.AddTXT("mail._domainkey.inner.org", w.record)
	o := w.options()
	o.Public = true
	c := serve(t, o)
	for _, path := range []string{"/status", "/keys", "/login", "/logout", "/metrics", "/api/v1/status", "/api/v1/keys",
		"/api/v1/messages", "/api/v1/series"} {
		if r := c.get(path, nil); r.code != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.code)
		}
	}
	for _, d := range []string{"localhost", "example.local", "example.internal", "1.0.0.10.in-addr.arpa", "com", "co.kr",
		"a_b.com", "x.lan", "single"} {
		if r := c.get(query("/api/v1/check", "d", d, "s", "x"), nil); r.code != http.StatusBadRequest {
			t.Errorf("%s: %d", d, r.code)
		}
	}
	before, _ := w.inner.Total()
	if r := c.get("/api/v1/check?d=inner.org&s=mail", nil); r.code != 200 || strings.Contains(r.body, w.record) {
		t.Errorf("%d %s", r.code, r.body)
	}
	if after, _ := w.inner.Total(); after != before {
		t.Error("a server at an inner address was asked")
	}
	for i := range 10 {
		r := c.get("/api/v1/check?d=example.com&s=mail", nil)
		if r.code == http.StatusTooManyRequests {
			if r.header.Get("Retry-After") == "" || i < 8 {
				t.Errorf("the %d. request: %v", i+2, r.header)
			}
			break
		}
		if i == 9 {
			t.Error("no limit")
		}
	}
	if n := w.ns1.Queries("mail._domainkey.example.com"); n > 3 {
		t.Errorf("a server was asked %d times for an answer that is kept", n)
	}
	for i := range 6 {
		r := c.do(http.MethodPost, "/api/v1/explain", "From: a@example.com\n\nx\n", nil)
		if want := map[bool]int{true: 200, false: 429}[i < 4]; r.code != want {
			t.Errorf("explanation %d: %d", i+1, r.code)
		}
	}
}

// TestGuardWithoutSession: who has no session makes no packet go to an inner address.
func TestGuardWithoutSession(t *testing.T) {
	w := newWorld(t)
	w.inner.AddTXT("mail._domainkey.inner.org", w.record)
	c := serve(t, w.options())
	before, _ := w.inner.Total()
	c.get("/check?d=inner.org&s=mail", nil)
	if after, _ := w.inner.Total(); after != before {
		t.Error("a server at an inner address was asked")
	}
	if r := c.login().get("/api/v1/check?d=inner.org&s=mail", nil); r.code != 200 || !strings.Contains(r.body, w.record) {
		t.Errorf("with a session: %d %s", r.code, r.body)
	}
}

// TestGuardByEveryKind: a name server at an address that is nobody's on the Internet, or that
// leads to one inside (RFC 4291, 6052, 3056, 4380), is asked by no page for a stranger; one at
// any other is, which shows that the way to it is walked.
func TestGuardByEveryKind(t *testing.T) {
	w := newWorld(t)
	for address, inner := range map[string]bool{
		"10.0.0.7": true, "172.31.0.1": true, "192.168.0.1": true, "127.0.0.1": true, "169.254.169.254": true, "100.64.0.1": true,
		"0.0.0.1": true, "192.0.0.170": true, "198.18.0.1": true, "224.0.0.251": true, "255.255.255.255": true, "::1": true, "::": true,
		"fe80::1": true, "fd00::7": true, "fec0::1": true, "ff02::fb": true, "::ffff:10.0.0.7": true, "::10.0.0.7": true,
		"64:ff9b::10.0.0.7": true, "64:ff9b:1::10.0.0.7": true, "2002:a00:7::1": true, "2001::1": true,
		"185.199.0.77": false, "2600::77": false,
	} {
		var asked atomic.Bool
		o := w.options() // and pages with no limit used up
		dial := o.Check.Resolver.Dial
		o.Check.Resolver.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
			if a, err := netip.ParseAddrPort(to); err == nil && a.Port() == 53 && a.Addr().Unmap() == netip.MustParseAddr(address).Unmap() {
				asked.Store(true)
			}
			return dial(ctx, network, to)
		}
		o.Public = true
		c := serve(t, o)
		kind := "AAAA"
		if strings.IndexByte(address, ':') < 0 {
			kind = "A"
		}
		for _, s := range []*dnstest.Server{w.servers["185.199.0.251:53"], w.recursive} {
			s.Remove("ns.inner.org")
			s.AddRR("ns.inner.org. 300 IN " + kind + " " + address)
		}
		r := c.get("/api/v1/check?d=inner.org&s=mail", nil)
		if r.code != http.StatusOK || asked.Load() == inner {
			t.Errorf("%s: %d, asked: %v", address, r.code, asked.Load())
		}
	}
}

// TestWhomTheProxyNames: one name is somebody; none, an empty one, and two, of which one was
// let through, are nobody. The cookie is for encrypted connections where the proxy has one.
func TestWhomTheProxyNames(t *testing.T) {
	o := newWorld(t).options()
	o.Socket, o.UserHeader = true, "X-Remote-User"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		users []string
		in    bool
	}{{nil, false}, {[]string{""}, false}, {[]string{"kim"}, true}, {[]string{"kim", "root"}, false}, {[]string{"", "root"}, false}} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/status", nil)
		r.Header["X-Remote-User"] = c.users
		if got := s.isIn(r); got != c.in {
			t.Errorf("%q: %v", c.users, got)
		}
	}
	for proto, want := range map[string]bool{"https": true, "http": false, "": false} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/login?token="+s.Token(), nil)
		r.Header.Set("X-Forwarded-Proto", proto)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got := strings.Contains(w.Header().Get("Set-Cookie"), "Secure"); got != want || w.Code != http.StatusSeeOther {
			t.Errorf("by %q: %d %q", proto, w.Code, w.Header().Get("Set-Cookie"))
		}
	}
}

// TestStrangersHaveLimits: wherever others than this machine's users can reach the pages,
// and not with a session.
func TestStrangersHaveLimits(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"address": func(o *Options) { o.Listen = netip.MustParseAddrPort("[::]:1") }, "proxy": func(o *Options) { o.Socket = true },
	} {
		w := newWorld(t)
		w.everywhere("mail._domainkey.example.com", w.record)
		o := w.options()
		change(&o)
		c := serve(t, o)
		last := 0
		for range int(perMinute.most) + 1 {
			last = c.get("/api/v1/check?d=example.com&s=mail", nil).code
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("%s: %d", name, last)
		}
		if r := c.login().get("/api/v1/check?d=example.com&s=mail", nil); r.code != http.StatusOK {
			t.Errorf("%s: with a session: %d", name, r.code)
		}
	}
}

// TestPrivateKeyInAnAddress: whatever page it is sent to, under whatever name, it comes back nowhere.
func TestPrivateKeyInAnAddress(t *testing.T) {
	w := newWorld(t)
	c := serve(t, w.options()).login()
	pem := testutil.KeyPEM(w.key)
	secret := strings.Split(pem, "\n")[3]
	for path := range c.server.routes {
		for _, name := range []string{"d", "s", "q", "domain", "after", "token", "record", "format", "state", "range",
			"lang", "n", "anything"} {
			r := c.get(query(path, name, "ok")+"&"+query("", name, pem)[1:], nil)
			if strings.Contains(r.body, secret) || strings.Contains(r.body, url.QueryEscape(secret)) || r.code < 400 {
				t.Errorf("%s, %s: %d", path, name, r.code)
			}
		}
	}
}

// TestOtherSitesMayLink: a link from another site is followed; a picture, a frame or a script of
// another site's page gets nothing, and DNS is not asked.
func TestOtherSitesMayLink(t *testing.T) {
	w := newWorld(t)
	w.everywhere("mail._domainkey.example.com", w.record)
	c := serve(t, w.options())
	for _, f := range []struct {
		site, mode, dest string
		want             int
	}{
		{"", "", "", 200}, {"none", "navigate", "document", 200}, {"same-origin", "cors", "empty", 200}, {"cross-site", "navigate", "document", 200}, {"same-site", "navigate", "document", 200},
		{"cross-site", "no-cors", "image", 403}, {"cross-site", "navigate", "iframe", 403}, {"cross-site", "no-cors", "script", 403}, {"cross-site", "cors", "empty", 403}, {"same-site", "no-cors", "image", 403}, {"cross-site", "", "", 403},
	} {
		before, _ := w.ns1.Total()
		r := c.get("/check?d=example.com&s=mail", map[string]string{"Sec-Fetch-Site": f.site, "Sec-Fetch-Mode": f.mode,
			"Sec-Fetch-Dest": f.dest})
		after, _ := w.ns1.Total()
		if r.code != f.want || (after > before) != (f.want == 200) {
			t.Errorf("%+v: %d, %d queries", f, r.code, after-before)
		}
	}
}

// TestDomainLimitCountsSubdomains: all names below a registered domain are asked of one bucket.
func TestDomainLimitCountsSubdomains(t *testing.T) {
	for domain, want := range map[string]string{"example.com": "example.com", "A.B.Example.com": "example.com",
		"a.example.co.kr": "example.co.kr", "x.user.github.io": "user.github.io"} {
		if got := registered(domain); got != want {
			t.Errorf("%s: %s", domain, got)
		}
	}
	w := newWorld(t)
	o := w.options()
	o.Public, o.Socket = true, true
	c := serve(t, o)
	last := 0
	for i := range int(perDomain.most) + 1 {
		last = c.get(fmt.Sprintf("/api/v1/check?d=a%d.example.com&s=mail", i),
			map[string]string{"X-Forwarded-For": fmt.Sprintf("198.51.100.%d", i)}).code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("%d", last)
	}
}
