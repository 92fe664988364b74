package publish

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dojang/internal/publish"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/zonetest"
)

func TestPowerDNSAPI(t *testing.T) {
	s := zonetest.Start(t, "powerdns", zones()...)
	p := open(t, "powerdns", "url="+s.URL, "key-file="+s.APIKeyFile)
	for _, z := range []string{zone, "signed.example"} {
		t.Run(z, func(t *testing.T) { conformance(t, p, s, z) })
	}
	t.Run("alias", func(t *testing.T) {
		want(t, p, zone, publish.Present(name("alias", zone), record(1), time.Minute), publish.Conflict)
	})
	t.Run("no zone", func(t *testing.T) {
		want(t, p, "none.example", publish.Present(name("m1", "none.example"), record(1), time.Minute), publish.Refused)
	})
	t.Run("wildcard", func(t *testing.T) {
		want(t, p, "wild.example", publish.Absent(name("m1", "wild.example"), []string{"x"}), publish.Done)
		want(t, p, "wild.example", publish.Present(name("m1", "wild.example"), record(1), time.Minute), publish.Done)
	})
	t.Run("batch", func(t *testing.T) {
		var changes []publish.Change
		want(t, p, zone, publish.Present(name("k7", zone), "another's", time.Minute), publish.Done)
		for i := range 120 {
			changes = append(changes, publish.Present(name(fmt.Sprintf("k%d", i), zone), record(i), time.Minute))
		}
		states, results, err := apply(t, p, zone, changes...)
		for i, state := range states {
			if state != publish.Done && i != 7 || i == 7 && state != publish.Conflict || err != nil {
				t.Fatalf("%d: %+v, %v", i, results[i], err)
			}
			if got := s.Text(t, changes[i].Name); i != 7 && got != record(i) {
				t.Errorf("%d: %q", i, got)
			}
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte("not the key\n"), 0o400); err != nil {
			t.Fatal(err)
		}
		r := want(t, open(t, "powerdns", "url="+s.URL, "key-file="+path), zone,
			publish.Present(name("m9", zone), record(1), time.Minute), publish.Refused)
		if !strings.Contains(r.Detail, "key-file") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		nobody := open(t, "powerdns", "url=http://"+proctest.FreeAddress(t), "key-file="+s.APIKeyFile)
		if states, _, err := apply(t, nobody, zone, publish.Present(name("m9", zone), record(1), time.Minute)); err == nil ||
			states[0] != "" {
			t.Errorf("%q, %v", states, err)
		}
	})
}

// fickle passes requests on to a real server, and spoils some answers.
func fickle(t *testing.T, s *zonetest.Server,
	spoil func(n int, method string, w http.ResponseWriter, forward func() (int, []byte)) bool) *httptest.Server {
	t.Helper()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forward := func() (int, []byte) {
			request, _ := http.NewRequest(r.Method, s.URL+r.URL.String(), r.Body)
			request.Header = r.Header
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			defer response.Body.Close()
			data, _ := io.ReadAll(response.Body)
			return response.StatusCode, data
		}
		if spoil(int(n.Add(1)), r.Method, w, forward) {
			return
		}
		status, data := forward()
		w.WriteHeader(status)
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestPowerDNSAPIThatFails(t *testing.T) {
	s := zonetest.Start(t, "powerdns", zones()...)
	for what, test := range map[string]struct {
		spoil func(n int, method string, w http.ResponseWriter, forward func() (int, []byte)) bool
		want  publish.State
	}{
		"500 three times": {func(n int, _ string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			if n <= 3 {
				http.Error(w, "database is locked", 500)
			}
			return n <= 3
		}, publish.Done},
		"429 with a time": {func(n int, _ string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			if n == 1 {
				w.Header().Set("Retry-After", "1")
				http.Error(w, "slower", http.StatusTooManyRequests)
			}
			return n == 1
		}, publish.Done},
		"500 always": {func(_ int, _ string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			w.Header().Set("Retry-After", "77")
			http.Error(w, "no \x1b[31m luck", http.StatusServiceUnavailable)
			return true
		}, publish.Retry},
		"answer lost after the change": {func(_ int, method string, _ http.ResponseWriter, forward func() (int, []byte)) bool {
			if method == http.MethodPatch {
				forward()
				panic(http.ErrAbortHandler)
			}
			return false
		}, publish.Done},
		"change answered by 500 and not made": {func(_ int, method string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			if method == http.MethodPatch {
				http.Error(w, "locked", 500)
			}
			return method == http.MethodPatch
		}, publish.Retry},
		"no JSON": {func(_ int, _ string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			_, _ = w.Write([]byte("<html>"))
			return true
		}, ""},
		"an endless answer": {func(_ int, _ string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			for line := []byte(strings.Repeat(" ", 1<<20)); ; {
				if _, err := w.Write(line); err != nil {
					return true
				}
			}
		}, ""},
		"a redirect": {func(_ int, _ string, w http.ResponseWriter, _ func() (int, []byte)) bool {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(302)
			return true
		}, publish.Refused},
	} {
		t.Run(what, func(t *testing.T) {
			server := fickle(t, s, test.spoil)
			p := open(t, "powerdns", "url="+server.URL, "key-file="+s.APIKeyFile)
			label := fmt.Sprintf("f%d", len(what))
			states, results, err := apply(t, p, zone, publish.Present(name(label, zone), record(1), time.Minute))
			if states[0] != test.want || (err == nil) != (test.want != "") {
				t.Errorf("%+v, %v; want %q", results, err, test.want)
			}
			if got := s.Text(t, name(label, zone)); (got != "") != (test.want == publish.Done) {
				t.Errorf("there is %q", got)
			}
			if data, _ := json.Marshal(results); strings.Contains(string(data), "u001b") ||
				what == "500 always" && results[0].RetryAfterSeconds != 77 {
				t.Errorf("%s", data)
			}
		})
	}
}
