package zone

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"dojang/internal/testutil"
)

func key(t *testing.T, domain, selector, file string) Key {
	t.Helper()
	k, err := newKey(selector, "KeyTable:1", domain, selector, testutil.ReadKey(t, "../keyrecord/testdata/"+file+".private").Public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// owners are the names that a name server library reads out of a file of an origin.
func owners(t *testing.T, text, origin string) []string {
	t.Helper()
	var list []string
	p := dns.NewZoneParser(strings.NewReader(text), origin, "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if rr.Header().Rrtype == dns.TypeTXT {
			list = append(list, rr.Header().Name)
		}
	}
	if err := p.Err(); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return list
}

// In whatever form names are written, each key lies at its own.
func TestNamesOfSubdomains(t *testing.T) {
	keys := []Key{key(t, "example.com", "mail", "s1024"), key(t, "sub.example.com", "mail", "s2048"),
		key(t, "a.b.example.com", "x.y", "s1024")}
	want := []string{"mail._domainkey.example.com.", "mail._domainkey.sub.example.com.", "x.y._domainkey.a.b.example.com."}
	for origin, l := range map[string]Layout{
		"_domainkey.example.com.": {Domain: "EXAMPLE.com"},
		"example.com.":            {Domain: "example.com.", DomainKey: true},
		"elsewhere.":              {Domain: "example.com", DomainKey: true, FullNames: true},
	} {
		l.Options = Defaults()
		l.TTLSeconds = 60
		var b strings.Builder
		l.WriteKeys(&b, "test", time.Unix(0, 0), keys)
		if diff := cmp.Diff(want, owners(t, b.String(), origin)); diff != "" {
			t.Errorf("%s: %s", origin, diff)
		}
		if clashes := l.Clashes(keys); len(clashes) != 0 {
			t.Errorf("%s: %v", origin, clashes)
		}
	}
	if clashes := (Layout{}).Clashes(keys[:2]); len(clashes) != 1 || clashes[0] != (Clash{"mail", "example.com", "sub.example.com"}) {
		t.Errorf("%v", clashes)
	}
}

func TestCollection(t *testing.T) {
	var c collection
	first := key(t, "example.com", "mail", "s1024")
	if c.Add(first) != nil || c.Add(key(t, "EXAMPLE.com", "mail", "s1024")) != nil || len(c.Keys) != 1 {
		t.Errorf("%+v", c.Keys)
	}
	if other := c.Add(key(t, "example.com", "mail", "s2048")); other == nil || other.Record != first.Record || len(c.Keys) != 1 {
		t.Errorf("%+v", other)
	}
}

// RFC 6541 §4.2: base32 of the SHA-1 of the signer's name, as Python's hashlib and base64
// make it.
func TestSigners(t *testing.T) {
	o := Defaults()
	o.TTLSeconds = 60
	for hash, want := range map[string]string{"none": "one.example.net._atps.example.com.",
		"sha1": "QSP4I4D24CRHOPDZ3O3ZIU2KSGS3X6Z6._atps.example.com."} {
		var b strings.Builder
		o.WriteSigners(&b, "test", time.Unix(0, 0), hash, true, []string{"one.example.net"})
		if got := owners(t, b.String(), "example.com."); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", hash, got)
		}
	}
}
