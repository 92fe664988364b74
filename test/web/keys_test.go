package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dojang/internal/status"
	"dojang/internal/web"
)

// TestManyKeys: of 1,000 keys, of which nothing is known of DNS, a page shows and asks for some.
func TestManyKeys(t *testing.T) {
	w := newWorld(t)
	one := w.keys[0]
	w.keys = nil
	for i := range 1000 {
		k := one
		k.Domain = fmt.Sprintf("d%04d.example.com", i)
		w.keys = append(w.keys, k)
	}
	c := w.login()
	page := c.get("/keys")
	if n := w.recursive.Queries("mail2026._domainkey.d0040.example.com"); n != 0 {
		t.Errorf("%d queries for a key that is not shown", n)
	}
	if !strings.Contains(page, "d0039.example.com") || strings.Contains(page, "d0040.example.com") ||
		!strings.Contains(page, "after=") || len(page) > 60<<10 {
		t.Errorf("%d bytes", len(page))
	}
}

// TestKeysByState: the filter of /keys finds keys by what DNS and the filter say of them, in
// all pages of a long list.
func TestKeysByState(t *testing.T) {
	w := newWorld(t)
	w.fill()
	c := w.login()
	for query, want := range map[string]string{
		"": "mail2019 mail2026 next x", "domain=old.example.com": "x", "domain=OLD.example.com.": "x", "domain=nosuch.example.com": "", "state=published": "mail2026 next", "state=absent": "mail2019 x",
		"state=used": "mail2026 x", "state=unused": "mail2019 next", "state=attention": "mail2019 next x", "state=differs": "", "state=absent&domain=example.com": "mail2019",
	} {
		var got []string
		var rows []struct{ Selector string }
		if err := json.Unmarshal([]byte(c.get("/api/v1/keys?again=1&"+query)), &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, r.Selector)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
		page := c.get("/keys?" + query)
		for _, k := range w.keys {
			if strings.Contains(page, "s="+k.Selector+`"`) != slices.Contains(got, k.Selector) {
				t.Errorf("%s: the page and %s", query, k.Selector)
			}
		}
	}
	if body := c.get("/api/v1/keys?state=x"); !strings.Contains(body, `"status": 400`) {
		t.Error(body)
	}
	first := w.keys[0]
	for i := range 1200 {
		k := first
		k.Selector, k.Domain, k.Use = fmt.Sprintf("d%04d", i), "example.com", ""
		w.keys = append(w.keys, k)
	}
	w.keys = append(w.keys, status.Key{Selector: "z", Domain: "example.com"})
	slices.SortFunc(w.keys, func(a, b status.Key) int { return strings.Compare(a.RecordName(), b.RecordName()) })
	path, found := "/keys?state=unused&domain=example.com", map[string]bool{}
	for range 40 {
		page := c.get(path)
		for _, m := range regexp.MustCompile(`[?&]s=(d\d{4}|z)"`).FindAllStringSubmatch(unescape(page), -1) {
			found[m[1]] = true
		}
		next := regexp.MustCompile(`href="(/keys\?after=[^"]*)">More`).FindStringSubmatch(page)
		if next == nil {
			break
		}
		path = unescape(next[1])
	}
	if len(found) != 1201 {
		t.Errorf("%d keys in all pages", len(found))
	}
}

// TestMetrics: Prometheus, which gives the password with each request, learns what DNS says of each
// key; nobody else does.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.fill()
	line, err := web.HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	w.keys = append(w.keys, status.Key{Domain: "a\"b\\c\n", Selector: "x"})
	w.options.Password = line
	w.open()
	ask := func(password string) (code int, body string) {
		r := must(t)(http.NewRequest(http.MethodGet, w.url+"/metrics", nil))
		if password != "" {
			r.SetBasicAuth("prometheus", password)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(data)
	}
	for _, password := range []string{"", "wrong horse", "correct horse "} {
		if code, body := ask(password); code != http.StatusUnauthorized || strings.Contains(body, "mail2026") {
			t.Errorf("%q: %d %s", password, code, body)
		}
	}
	w.login().get("/keys?again=1") // asks DNS
	code, body := ask("correct horse")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	got := map[string]string{}
	// The text format's escapes are Go's.
	sample := regexp.MustCompile(`^dojang_web_key_state\{record=("(?:[^"\\]|\\.)*"),state="(\w+)",use="(\w+)"\} 1$`)
	for line := range strings.SplitSeq(strings.TrimSpace(body), "\n") {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%q", line)
		}
		record, err := strconv.Unquote(m[1])
		if err != nil {
			t.Fatal(err)
		}
		got[record] = m[2] + " " + m[3]
	}
	want := map[string]string{
		"mail2026._domainkey.example.com": "published used", "mail2019._domainkey.example.com": "absent unused",
		"next._domainkey.example.com":  "published unused",
		"x._domainkey.old.example.com": "absent used", "x._domainkey.a\"b\\c\n": "unknown unused",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for range 30 { // a password that fits is hashed once an hour: it does not run into the limit of guesses
		if code, _ := ask("correct horse"); code != http.StatusOK {
			t.Fatal(code)
		}
	}
}
