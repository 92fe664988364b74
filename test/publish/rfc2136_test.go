package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/publish"
	"dojang/internal/testutil/zonetest"
)

const zone = "example.com"

// zones are what each server has: an unsigned zone, a signed one, and one where a
// wildcard answers for every name.
func zones() []zonetest.Zone {
	return []zonetest.Zone{
		{Name: zone, Records: "alias._domainkey CNAME key.example.net.\n"},
		{Name: "signed.example", Signed: true},
		{Name: "wild.example", Records: "* TXT \"a wildcard\"\n*.alias CNAME elsewhere.example.net.\n"},
	}
}

// record is a value as long as that of a 2,048-bit key, unlike others.
func record(n int) string {
	return fmt.Sprintf("v=DKIM1; h=sha256; k=rsa; p=%04d%s", n, strings.Repeat("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 12))
}

func name(label, zone string) string { return label + "._domainkey." + zone }

func open(t *testing.T, spec ...string) publish.Publisher {
	t.Helper()
	p, err := publish.Open(publish.Spec{Type: spec[0], Args: spec[1:]}, publish.Options{Log: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apply asks for changes and returns their states, "" for those that are unknown.
func apply(t *testing.T, p publish.Publisher, zone string, changes ...publish.Change) ([]publish.State, []publish.Result, error) {
	t.Helper()
	results, err := p.Apply(t.Context(), publish.Batch{Zone: zone, Changes: changes})
	known := map[string]publish.State{}
	for _, r := range results {
		known[r.Name] = r.State
	}
	states := make([]publish.State, len(changes))
	for i, c := range changes {
		states[i] = known[c.Name]
	}
	return states, results, err
}

// want asks for one change and insists on what becomes of it.
func want(t *testing.T, p publish.Publisher, zone string, c publish.Change, state publish.State) publish.Result {
	t.Helper()
	_, results, err := apply(t, p, zone, c)
	if err != nil || len(results) != 1 || results[0].State != state {
		t.Fatalf("%s %s: %+v, %v; want %s", c.Do, c.Name, results, err, state)
	}
	return results[0]
}

// conformance is what every publisher does that reaches a server by itself.
func conformance(t *testing.T, p publish.Publisher, s *zonetest.Server, zone string) {
	t.Helper()
	m1 := name("m1", zone)
	first, second := record(1), record(2)
	want(t, p, zone, publish.Present(m1, first, 300*time.Second), publish.Done)
	if records, ttl := s.TXT(t, m1); s.Text(t, m1) != first || ttl != 300 || len(records[0]) != 2 {
		t.Errorf("published: %q, TTL %d", records, ttl)
	}
	want(t, p, zone, publish.Present(m1, first, 300*time.Second), publish.Done)
	want(t, p, zone, publish.Present(m1, second, 300*time.Second), publish.Conflict)
	want(t, p, zone, publish.Replace(m1, second, time.Hour, []string{"v=DKIM1; p=not this"}), publish.Conflict)
	want(t, p, zone, publish.Absent(m1, []string{"v=DKIM1; p=not this"}), publish.Conflict)
	if s.Text(t, m1) != first {
		t.Errorf("changed by what conflicts: %q", s.Text(t, m1))
	}
	// A condition is about the text, wherever its strings are cut.
	want(t, p, zone, publish.Replace(m1, second, time.Minute, []string{first[:20], first[20:200], first[200:]}), publish.Done)
	if _, ttl := s.TXT(t, m1); s.Text(t, m1) != second || ttl != 60 {
		t.Errorf("replaced: %q, TTL %d", s.Text(t, m1), ttl)
	}
	want(t, p, zone, publish.Replace(m1, second, time.Minute, []string{"v=DKIM1; p=not this"}), publish.Done)
	want(t, p, zone, publish.Absent(m1, []string{second[:30], second[30:255], second[255:]}), publish.Done)
	if got := s.Text(t, m1); got != "" {
		t.Errorf("still there: %q", got)
	}
	want(t, p, zone, publish.Absent(m1, []string{"x"}), publish.Done)
	want(t, p, zone, publish.Replace(m1, first, time.Minute, []string{second[:250], second[250:]}), publish.Conflict)

	odd := `v=DKIM1; n="a \ b; 'c' $(d) ` + "`e`" + ` %f \032 é"; p=` // what quoting may lose
	want(t, p, zone, publish.Present(m1, odd, time.Minute), publish.Done)
	if got := unescaped(t, s, m1); got != odd {
		t.Errorf("published %q, %q is there", odd, got)
	}
	want(t, p, zone, publish.Present(m1, odd, time.Minute), publish.Done)
	want(t, p, zone, publish.Absent(m1, []string{odd}), publish.Done)
	if got := s.Text(t, m1); got != "" {
		t.Errorf("still there: %q", got)
	}
}

// unescaped is the text of a record, read by a parser that is not the publishers'.
func unescaped(t *testing.T, s *zonetest.Server, name string) string {
	t.Helper()
	r, err := s.Ask(name, dns.TypeTXT)
	if err != nil || len(r.Answer) == 0 {
		t.Fatalf("%s: %v, %v", name, r, err)
	}
	wire := make([]byte, 65535)
	end, err := dns.PackRR(r.Answer[0], wire, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	header := 0
	for wire[header] != 0 {
		header += int(wire[header]) + 1
	}
	var text []byte
	for data := wire[header+1+10 : end]; len(data) > 0; data = data[1+int(data[0]):] {
		text = append(text, data[1:1+int(data[0])]...)
	}
	return string(text)
}

func eachServer(t *testing.T, test func(t *testing.T, s *zonetest.Server, p publish.Publisher)) {
	for _, kind := range zonetest.Kinds {
		t.Run(kind, func(t *testing.T) {
			s := zonetest.Start(t, kind, zones()...)
			test(t, s, open(t, "rfc2136", "server="+s.Addr, "key="+s.KeyFile))
		})
	}
}

func TestUpdates(t *testing.T) {
	eachServer(t, func(t *testing.T, s *zonetest.Server, p publish.Publisher) {
		for _, z := range []string{zone, "signed.example"} {
			t.Run(z, func(t *testing.T) { conformance(t, p, s, z) })
		}
		t.Run("alias", func(t *testing.T) {
			c := publish.Present(name("alias", zone), record(1), time.Minute)
			if r := want(t, p, zone, c, publish.Conflict); !strings.Contains(r.Detail, "key.example.net") {
				t.Errorf("%+v", r)
			}
		})
		t.Run("rights", func(t *testing.T) {
			www := publish.Present("www."+zone, "text", time.Minute)
			state := publish.Refused
			if s.Kind == "powerdns" { // whose keys are for a whole zone
				state = publish.Done
			}
			states, results, err := apply(t, p, zone, publish.Present(name("a", zone), record(1), 0),
				www, publish.Present(name("b", zone), record(2), 0))
			if err != nil || states[0] != publish.Done || states[1] != state || states[2] != publish.Done {
				t.Errorf("%+v, %v", results, err)
			}
			if got := s.Text(t, "www."+zone); (got == "") != (state == publish.Refused) {
				t.Errorf("www: %q", got)
			}
		})
		t.Run("no zone", func(t *testing.T) {
			want(t, p, "none.example", publish.Present(name("m1", "none.example"), record(1), time.Minute), publish.Refused)
		})
		t.Run("wildcard", func(t *testing.T) {
			const zone = "wild.example"
			if got := s.Text(t, name("m1", zone)); got != "a wildcard" {
				t.Fatalf("the wildcard answers %q", got)
			}
			want(t, p, zone, publish.Absent(name("m1", zone), []string{"x"}), publish.Done)
			want(t, p, zone, publish.Present(name("m2", zone), record(2), time.Minute), publish.Done)
			states, results, err := apply(t, p, zone, publish.Present(name("m1", zone), record(1), time.Minute),
				publish.Present(name("m2", zone), record(3), time.Minute),
				publish.Present(name("m3", zone), record(3), time.Minute))
			if err != nil || states[0] != publish.Done || states[1] != publish.Conflict || states[2] != publish.Done {
				t.Errorf("%+v, %v", results, err)
			}
		})
	})
}

// 250 changes go in three messages; some that conflict keep no other back.
func TestUpdatesInBatches(t *testing.T) {
	eachServer(t, func(t *testing.T, s *zonetest.Server, p publish.Publisher) {
		var add, all []publish.Change
		wanted := make([]publish.State, 250)
		for i := range 250 {
			n := name(fmt.Sprintf("k%d", i), zone)
			all = append(all, publish.Present(n, record(i), time.Minute))
			wanted[i] = publish.Done
			switch i % 83 {
			case 3:
				add = append(add, publish.Present(n, "v=DKIM1; p=somebody else's", time.Minute))
				wanted[i] = publish.Conflict
			case 5:
				add = append(add, all[i]) // made before
			}
		}
		if _, results, err := apply(t, p, zone, add...); err != nil {
			t.Fatal(results, err)
		}
		began := time.Now()
		states, results, err := apply(t, p, zone, all...)
		t.Logf("250 changes took %v", time.Since(began))
		if err != nil {
			t.Fatal(err)
		}
		for i, state := range states {
			if state != wanted[i] {
				t.Errorf("%d: %s, want %s: %+v", i, state, wanted[i], results[i])
			}
			text := record(i)
			if wanted[i] == publish.Conflict {
				text = "v=DKIM1; p=somebody else's"
			}
			if got := s.Text(t, all[i].Name); got != text {
				t.Errorf("%d: %q", i, got)
			}
		}
	})
}

func TestUpdatesWithAWrongKey(t *testing.T) {
	eachServer(t, func(t *testing.T, s *zonetest.Server, _ publish.Publisher) {
		for what, text := range map[string]string{
			"another secret": `key "rotate" { algorithm hmac-sha256; secret "d3Jvbmcgc2VjcmV0IG9mIHRoZSB0ZXN0cw=="; };`,
			"another name":   `key "other" { algorithm hmac-sha256; secret "` + zonetest.Secret + `"; };`,
		} {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
				t.Fatal(err)
			}
			p := open(t, "rfc2136", "server="+s.Addr, "key="+path)
			r := want(t, p, zone, publish.Present(name("m1", zone), record(1), time.Minute), publish.Refused)
			t.Logf("%s: %s", what, r.Detail)
			if got := s.Text(t, name("m1", zone)); got != "" {
				t.Errorf("published with %s: %q", what, got)
			}
		}
	})
}
