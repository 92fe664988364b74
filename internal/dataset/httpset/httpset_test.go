package httpset

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/remote"
)

func open(t *testing.T, spec string, o Options) (dataset.Set, error) {
	t.Helper()
	r := remote.Options{TTL: -1, NegativeTTL: -1, KeepStale: -1, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}
	set, err := dataset.Open(context.Background(), spec, dataset.Options{Openers: map[string]dataset.Opener{"http": Opener(o, r)}})
	if err == nil {
		t.Cleanup(func() { set.Close() })
	}
	return set, err
}

// service answers under /json/KEY, /list?key=KEY and /text?x=1&key=KEY.
func service(w http.ResponseWriter, r *http.Request) {
	if user, password, ok := r.BasicAuth(); !ok || user != "u" || password != "geheim/@" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	key := r.URL.Query().Get("key")
	if rest, ok := strings.CutPrefix(r.URL.Path, "/json/"); ok {
		key = rest
	}
	for _, row := range datasettest.Rows() {
		if row.Key != key {
			continue
		}
		switch {
		case strings.HasPrefix(r.URL.Path, "/json/"):
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_ = json.NewEncoder(w).Encode(map[string]any{"values": row.Values, "more": 1})
		case r.URL.Path == "/list":
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(row.Values)
		default:
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte(row.Text() + "\n"))
		}
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func replies(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}
}

func TestHTTP(t *testing.T) {
	var handler atomic.Pointer[http.HandlerFunc]
	set := func(f http.HandlerFunc) { handler.Store(&f) }
	set(service)
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load())(w, r) })
	srv := httptest.NewServer(serve)
	defer srv.Close()
	base := strings.Replace(srv.URL, "://", "://u:geheim%2F%40@", 1)
	for spec, oneColumn := range map[string]bool{base + "/json/{key}": false, base + "/list": false,
		base + "/text?x=1": true, base + "/text?key={key}": true} {
		t.Run(spec[len(base):], func(t *testing.T) {
			s, err := open(t, spec, Options{})
			if err != nil {
				t.Fatal(err)
			}
			datasettest.Run(t, s, datasettest.Options{OneColumn: oneColumn})
		})
	}
	s, err := open(t, base+"/text", Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]http.HandlerFunc{
		"500":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"403":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"object":       replies("application/json", `{"a":1}`),
		"null":         replies("application/json", "null"), // and no row without values
		"null in one":  replies("application/json", `{"values":null}`),
		"two at once":  replies("application/json", `"a" "b"`),
		"a login page": replies("text/html; charset=utf-8", "<!doctype html>"),
		"XHTML":        replies("application/xhtml+xml", "<html/>"),
		"half": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
		},
		"large": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxReplyBytes+1)) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.2:1/", http.StatusFound)
		},
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		},
	} {
		set(f)
		time.Sleep(20 * time.Millisecond)
		if _, err := s.Lookup(context.Background(), "one", 1); err == nil || errors.Is(err, dataset.ErrNotFound) ||
			!dataset.IsTemporary(err) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, srv.URL+"/text", Options{}); !dataset.IsTemporary(err) {
		t.Errorf("without login: %v", err)
	}
}

func TestOutage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(service)}
	go func() { _ = srv.Serve(l) }()
	s, err := open(t, "http://u:geheim%2F%40@"+address+"/list", Options{})
	if err != nil {
		t.Fatal(err)
	}
	datasettest.Outage(t, s, func() { srv.Close() }, func() {
		if l, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		srv = &http.Server{Handler: http.HandlerFunc(service)}
		go func() { _ = srv.Serve(l) }()
	})
	srv.Close()
}

// When nothing comes over a connection any more, and nobody closes it, another one is made.
func TestConnectionStandsStill(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(service))
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	datasettest.StandsStill(t, "tcp", srv.Listener.Addr().String(), func(address string) dataset.Set {
		set, err := New("https://u:geheim%2F%40@"+address+"/list", Options{Timeout: time.Second, TLS: &tls.Config{RootCAs: pool}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { set.Close() })
		return set
	})
}

func TestHTTPS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(service))
	defer srv.Close()
	spec := strings.Replace(srv.URL, "://", "://u:geheim%2F%40@", 1) + "/list"
	_, err := open(t, spec, Options{})
	if !dataset.IsTemporary(err) {
		t.Errorf("an unknown authority is trusted: %v", err)
	}
	if e := new(dataset.Error); !errors.As(err, &e) || !strings.Contains(e.Hint, "SSL_CERT_FILE=") {
		t.Errorf("what to do is not told: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	s, err := open(t, spec, Options{TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Lookup(context.Background(), "three", 3); err != nil || len(v) != 3 {
		t.Error(v, err)
	}
}

func TestAddress(t *testing.T) {
	for _, c := range [][3]string{
		{"https://h/a/{key}/b", "x y/../z?q#f%", "https://h/a/x%20y%2F%2E%2E%2Fz%3Fq%23f%25/b"},
		{"https://h/{key}", "..", "https://h/%2E%2E"},
		{"https://h/a?k={key}&x=1", "a&b=c", "https://h/a?k=a%26b%3Dc&x=1"},
		{"https://h/a", "a&b", "https://h/a?key=a%26b"},
		{"https://h/a?x=1", "a", "https://h/a?x=1&key=a"},
		{"HTTPS://u:p@q@h/@a", "a", "https://h/@a?key=a"},
		{"https://u:p%40@h:1?q=@#f", "a", "https://h:1?q=@&key=a"},
		{"https://[::1]/{key}#{key}", "a", "https://[::1]/a"},
	} {
		s, err := New(c[0], Options{})
		if err != nil || s.address(c[1]) != c[2] {
			t.Errorf("%s: %v %v", c[0], err, s.address(c[1]))
		}
	}
	for _, s := range []string{"https:", "https://", "ftp://h/", "https://{key}/", "https://{key}.h/{key}",
		"https://u:geheim@h:x/", "https://h:0/", "https://u:geheim@h:65536/"} {
		if _, err := New(s, Options{}); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("application/json", []byte(`{"values":["a","b"]}`), 2)
	f.Fuzz(func(t *testing.T, kind string, body []byte, columns int) {
		if columns < 0 || columns > 10 {
			return
		}
		if values, err := parse(kind, body, columns); err == nil && len(values) > columns {
			t.Fatal("too many columns")
		}
	})
}
