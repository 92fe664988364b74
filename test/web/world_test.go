package web_test

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/explain"
	"dojang/internal/keycheck"
	"dojang/internal/message"
	"dojang/internal/resolver"
	"dojang/internal/status"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/trial"
	"dojang/internal/web"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// world is example.com on two name servers, a filter's socket that tells of a day's mail,
// and the pages.
type world struct {
	t         *testing.T
	recursive *dnstest.Server
	ns1, ns2  *dnstest.Server
	servers   dnstest.Internet
	key       crypto.Signer
	record    string
	keys      []status.Key
	pages     *web.Server
	url       string
	slow      time.Duration // before each answer of ns1
	options   web.Options
}

const zone = `
example.com. 3600 IN SOA ns1.example.net. h.example.com. %d 3600 600 86400 900
example.com. 3600 IN NS ns1.example.net.
example.com. 3600 IN NS ns2.example.net.
`

const addresses = "ns1.example.net. IN A 185.199.0.1\nns2.example.net. IN A 185.199.0.2\n"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, servers: dnstest.Internet{}}
	const root = ". IN NS a.root.\na.root. IN A 185.199.0.250\n"
	w.servers.Serve(t, "185.199.0.250", root+"com. IN NS a.com.\nnet. IN NS a.com.\na.com. IN A 185.199.0.251\n", ".")
	w.servers.Serve(t, "185.199.0.251", "example.com. IN NS ns1.example.net.\nexample.com. IN NS ns2.example.net.\n"+addresses,
		"com", "net")
	w.ns1 = w.servers.Serve(t, "185.199.0.1", fmt.Sprintf(zone, 2026112901), "example.com")
	w.ns2 = w.servers.Serve(t, "185.199.0.2", fmt.Sprintf(zone, 2026112802), "example.com")
	w.recursive = dnstest.New(t, root+addresses)
	w.key = testutil.ReadKey(t, "../../internal/keyrecord/testdata/s2048.private")
	w.record = testutil.KeyRecord(w.key)
	w.serve()
	return w
}

// everywhere puts records onto both servers and into the resolver, in the place of others.
func (w *world) everywhere(name string, texts ...string) {
	for _, s := range []*dnstest.Server{w.ns1, w.ns2, w.recursive} {
		s.Remove(name)
		for _, text := range texts {
			s.AddTXT(name, text)
		}
	}
}

func (w *world) serve() {
	t := w.t
	filter, err := status.NewClient(w.filter())
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if w.servers[address] == w.ns1 {
			time.Sleep(w.slow)
		}
		return w.servers.Dial(ctx, network, address)
	}
	w.options = web.Options{
		Check: keycheck.Options{Resolver: resolver.Options{Nameservers: []string{w.recursive.Addr},
			Attempts: 1, CacheSize: -1, Dial: dial}, TryTime: time.Second},
		Verify: w.verify, Filter: filter, Version: "1.0",
	}
	w.open()
}

// open serves the pages by the options, in the place of those before.
func (w *world) open() {
	w.t.Helper()
	var err error
	if w.pages, err = web.New(w.options); err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(w.pages)
	w.t.Cleanup(server.Close)
	w.url = server.URL
}

func (w *world) verify(ctx context.Context, now time.Time, fields *header.List, body []byte) (evidence, judged []dkim.Result) {
	r, err := resolver.New(resolver.Options{Nameservers: []string{w.recursive.Addr}, Attempts: 1, CacheSize: -1})
	if err != nil {
		panic(err)
	}
	v := trial.Verifier{Snapshot: &message.Snapshot{Resolver: r}}
	return v.Verify(ctx, explain.Evidence(now), fields, body), v.Verify(ctx, dkim.VerifyOptions{Now: now}, fields, body)
}

// filter is the StatusSocket of a filter that has seen a day's mail.
func (w *world) filter() string {
	now := time.Now()
	clock := now.Add(-36 * time.Hour)
	r := status.New(status.Options{}, func() time.Time { return clock })
	for i := 0; clock.Before(now); i++ {
		hour := clock.Hour()
		m := status.Message{Time: clock, QueueID: fmt.Sprintf("4F1A%06X", i), Domain: "example.com",
			Result: status.Signed, Answer: "accept", Internal: true, Events: []string{"signed"}, TookSeconds: 0.002,
			Signatures: []status.Signature{{Domain: "example.com", Selector: "mail2026", Algorithm: "rsa-sha256"}}}
		if i%3 == 1 {
			m = status.Message{Time: clock, QueueID: fmt.Sprintf("5A1A%06X", i), Result: status.Pass,
				Answer: "accept", Events: []string{"verified"}, TookSeconds: 0.011}
		}
		if i%11 == 10 {
			m.Result = status.Fail
			m.Signatures = nil
		}
		r.Record(m, m.Domain != "")
		step := 14 - min(hour, 24-hour)
		clock = clock.Add(time.Duration(step) * time.Minute)
	}
	clock = now
	for i, reason := range []string{"not_internal", "key_error", "no_signing_table_match"} {
		r.Record(status.Message{Time: now.Add(-time.Duration(3-i) * time.Minute), QueueID: fmt.Sprintf("4F1A2BE2E%X", 13+i),
			Domain: "example.com", Result: status.Unsigned, Reason: reason, Answer: "accept",
			Events: []string{reason}, TookSeconds: 0.001}, true)
	}
	old, recent := now.Add(-700*24*time.Hour), now.Add(-20*24*time.Hour)
	r.Record(status.Message{Time: now, QueueID: "4F1A2BE300", Domain: "old.example.com", Result: status.Signed, Answer: "accept",
		Signatures: []status.Signature{{Domain: "old.example.com", Selector: "x", Algorithm: "rsa-sha256"}}}, true)
	bits := func(name, selector, domain string, modified time.Time) status.Key {
		key := testutil.ReadKey(w.t, "../../internal/keyrecord/testdata/"+name+".private")
		return status.Key{Name: selector, Domain: domain, Selector: selector, Algorithm: "rsa",
			Bits: 2048, Record: testutil.KeyRecord(key), Source: "file", Modified: &modified}
	}
	w.keys = []status.Key{bits("s2048", "mail2026", "example.com", recent), bits("s2048", "mail2019", "example.com", old),
		bits("s4096", "next", "example.com", recent), bits("s2048", "x", "old.example.com", old)}
	path := filepath.Join(w.t.TempDir(), "status.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: status.Handler(status.Source{Recorder: r,
		Keys: func(context.Context, string) []status.Key { return w.keys }, Server: func() status.Server {
			return status.Server{Version: "1.0", PID: 1, Config: "/etc/opendkim.conf",
				Loaded:     now.Add(-36 * time.Hour),
				LastReload: &status.Reload{Time: now.Add(-time.Hour), Problems: []string{"/etc/opendkim.conf:12: KeyTable: no such file"}}}
		}})}
	go func() { _ = server.Serve(l) }() // it ends with the test
	w.t.Cleanup(func() { server.Close() })
	return path
}
