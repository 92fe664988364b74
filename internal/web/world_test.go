package web

import (
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/explain"
	"dojang/internal/keycheck"
	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// world is example.com on two servers at public addresses, inner.example on one at an
// inner address, and a resolver that knows the way to both.
type world struct {
	recursive, ns1, ns2, inner *dnstest.Server
	servers                    dnstest.Internet
	key                        *rsa.PrivateKey
	record                     string
}

const zoneText = `
example.com. 300 IN SOA ns1.example.com. h.example.com. %d 3600 600 86400 900
example.com. 300 IN NS ns1.example.com.
example.com. 300 IN NS ns2.example.com.
ns1.example.com. 300 IN A 185.199.0.1
ns2.example.com. 300 IN A 185.199.0.2
`

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{servers: dnstest.Internet{}}
	const root = ". IN NS a.root.\na.root. IN A 185.199.0.250\n"
	w.servers.Serve(t, "185.199.0.250", root+"com. IN NS a.com.\na.com. IN A 185.199.0.251\norg. IN NS a.com.\n", ".")
	w.servers.Serve(t, "185.199.0.251", "example.com. IN NS ns1.example.com.\nexample.com. IN NS ns2.example.com.\nns1.example.com. IN A "+
		"185.199.0.1\nns2.example.com. IN A 185.199.0.2\n"+
		"inner.org. IN NS ns.inner.org.\nns.inner.org. IN A 10.0.0.7\n", "com", "org")
	w.ns1 = w.servers.Serve(t, "185.199.0.1", fmt.Sprintf(zoneText, 20261129), "example.com")
	w.ns2 = w.servers.Serve(t, "185.199.0.2", fmt.Sprintf(zoneText, 20261128), "example.com")
	w.inner = w.servers.Serve(t, "10.0.0.7", "inner.org. IN SOA ns h 7 1 1 1 60\ninner.org. IN NS ns.inner.org.\n", "inner.org")
	w.recursive = dnstest.New(t, root+"ns1.example.com. IN A 185.199.0.1\nns2.example.com. IN A 185.199.0.2\nns.inner.org. IN A 10.0.0.7\n")
	w.key, w.record = testutil.RSAKey(), testutil.KeyRecord(testutil.RSAKey())
	return w
}

// everywhere puts a record onto both servers and into the resolver.
func (w *world) everywhere(name, text string) {
	for _, s := range []*dnstest.Server{w.ns1, w.ns2, w.recursive} {
		s.AddTXT(name, text)
	}
}

func (w *world) options() Options {
	return Options{
		Check: keycheck.Options{Resolver: resolver.Options{Nameservers: []string{w.recursive.Addr}, Attempts: 1,
			Dial: w.servers.Dial}, TryTime: time.Minute, Time: time.Hour},
		Verify: w.verify, Version: "test",
	}
}

// verify verifies with the records of the resolver.
func (w *world) verify(ctx context.Context, now time.Time, fields *header.List, body []byte) (evidence, judged []dkim.Result) {
	r, err := resolver.New(resolver.Options{Nameservers: []string{w.recursive.Addr}, Attempts: 1})
	if err != nil {
		panic(err)
	}
	one := func(o dkim.VerifyOptions) []dkim.Result {
		var bodies dkim.BodyHashes
		v := dkim.NewVerifier(o, fields, &bodies)
		bodies.Write(body)
		bodies.Close()
		for _, q := range v.Queries() {
			a, err := r.LookupTXT(ctx, q.Name)
			v.SetKey(q, dkim.KeyAnswer{Texts: a.Texts, NotFound: err != nil})
		}
		return v.Finish()
	}
	return one(explain.Evidence(now)), one(dkim.VerifyOptions{Now: now})
}

// client asks a server as a browser does that has logged in, or has not.
type client struct {
	t      *testing.T
	server *Server
	at     *httptest.Server
	cookie string
}

func serve(t *testing.T, o Options) *client {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.delay = time.Millisecond
	at := httptest.NewServer(s)
	t.Cleanup(at.Close)
	return &client{t: t, server: s, at: at}
}

func (c *client) login() *client {
	c.t.Helper()
	r := c.get("/login?token="+c.server.Token(), nil)
	if r.code != http.StatusSeeOther || len(r.header.Values("Set-Cookie")) != 1 {
		c.t.Fatalf("login: %d %v", r.code, r.header)
	}
	c.cookie, _, _ = strings.Cut(r.header.Get("Set-Cookie"), ";")
	return c
}

type reply struct {
	code   int
	header http.Header
	body   string
}

func (c *client) get(path string, headers map[string]string) reply {
	c.t.Helper()
	return c.do(http.MethodGet, path, "", headers)
}

func (c *client) do(method, path, body string, headers map[string]string) reply {
	c.t.Helper()
	r, err := http.NewRequest(method, c.at.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.cookie != "" {
		r.Header.Set("Cookie", c.cookie)
	}
	for k, v := range headers {
		if k == "Host" {
			r.Host = v
		}
		r.Header.Set(k, v)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(data)}
}

func query(path string, nameValues ...string) string {
	v := url.Values{}
	for i := 0; i < len(nameValues); i += 2 {
		v.Set(nameValues[i], nameValues[i+1])
	}
	return path + "?" + v.Encode()
}
