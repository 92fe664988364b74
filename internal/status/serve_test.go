package status

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"
)

func serving(t *testing.T) (*Recorder, *clock, http.Handler) {
	t.Helper()
	c := &clock{noon}
	r := New(Options{}, c.now)
	r.Record(signed(c, "example.com", "s1", "4F1A2BE2EF"), true)
	return r, c, Handler(Source{Recorder: r, Server: func() Server { return Server{Version: "v1"} },
		Keys: func(context.Context, string) []Key {
			return []Key{{Domain: "example.com", Selector: "s2", Algorithm: "rsa", Bits: 2048},
				{Domain: "Example.COM", Selector: "s1", Bits: 1024}}
		}})
}

// Whatever is not a GET of one of the five is refused, and a wrong parameter is.
func TestOnlyGet(t *testing.T) {
	_, _, h := serving(t)
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"GET", "/v1/server", 200}, {"GET", "/v1/keys", 200}, {"GET", "/v1/domains", 200}, {"GET", "/v1/series", 200}, {"GET", "/v1/messages", 200},
		{"GET", "/", 404}, {"GET", "/v1/", 404}, {"GET", "/v2/server", 404}, {"GET", "/v1/keys/x", 404},
		{"POST", "/v1/server", 405}, {"HEAD", "/v1/server", 405}, {"PUT", "/v1/keys", 405}, {"DELETE", "/x", 405}, {"OPTIONS", "/v1/keys", 405},
		{"GET", "/v1/keys?n=-1", 400}, {"GET", "/v1/keys?n=x", 400}, {"GET", "/v1/messages?n=100000", 400}, {"GET", "/v1/messages?result=good", 400},
		{"GET", "/v1/series?range=year", 400}, {"GET", "/v1/series?range=hour&domain=stranger.example", 404}, {"GET", "/v1/series?domain=example.com", 200},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, w.Code, c.want)
		}
	}
}

// The names that the rotation and the pages rely on.
func TestKeysSpeakTheAgreedNames(t *testing.T) {
	_, _, h := serving(t)
	get := func(target string) (rows []map[string]any) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := get("/v1/keys")
	if len(rows) != 2 || rows[0]["selector"] != "s1" || rows[0]["domain"] != "example.com" ||
		rows[0]["last_signed"] != "2026-11-29T12:00:01Z" ||
		rows[0]["signed_total"] != 1.0 || rows[0]["use"] != "used" || rows[1]["use"] != "unused" {
		t.Errorf("%v", rows)
	}
	if rows := get("/v1/keys?n=1&after=s1._domainkey.example.com"); len(rows) != 1 || rows[0]["selector"] != "s2" {
		t.Errorf("after the first: %v", rows)
	}
	if rows := get("/v1/keys?domain=stranger.example"); len(rows) != 0 {
		t.Errorf("of another domain: %v", rows)
	}
	r, c, _ := serving(t)
	r.Record(signed(c, "bücher.example", "s1", "4F1A2BE2F0"), true)
	for _, domain := range []string{"BÜCHER.example", "xn--bcher-kva.example"} {
		keys := r.Keys([]Key{{Domain: "Bücher.example", Selector: "s1", Bits: 1024}}, domain, "", 0)
		if len(keys) != 1 || keys[0].Domain != "xn--bcher-kva.example" ||
			keys[0].SignedTotal != 1 || keys[0].Bits != 1024 {
			t.Errorf("%s: %+v", domain, keys)
		}
	}
	if rows := get("/v1/messages?q=4F1A2BE2EF"); len(rows) != 1 || rows[0]["result"] != "signed" || rows[0]["author"] != nil {
		t.Errorf("messages: %v", rows)
	}
}

func TestClientOverASocket(t *testing.T) {
	_, _, h := serving(t)
	path := filepath.Join(t.TempDir(), "status.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	for _, address := range []string{"local:" + path, "unix:" + path, path} {
		c, err := NewClient(address)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := c.Keys(t.Context(), "example.com", "", 0)
		if err != nil || len(keys) != 2 || !keys[0].LastSigned.Equal(noon.Add(time.Second)) {
			t.Errorf("%s: %+v, %v", address, keys, err)
		}
		if _, err := c.Series(t.Context(), "stranger.example", "hour"); err != ErrNotFound {
			t.Errorf("%s: an unknown domain: %v", address, err)
		}
		if s, err := c.Server(t.Context()); err != nil || s.Version != "v1" || s.Totals.Signed != 1 {
			t.Errorf("%s: %+v, %v", address, s, err)
		}
	}
	web := httptest.NewServer(h)
	defer web.Close()
	c, err := NewClient(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := c.Messages(t.Context(), "4F1A2BE2EF", "", "", 5); err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
	for _, wrong := range []string{"", "inet:8893@localhost", "http://", "status.sock"} {
		if _, err := NewClient(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}
