package resolver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dojang/internal/testutil/dnstest"
)

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The verdicts are those of OpenDKIM 2.11 (opendkim -t FILE) on the same files.
func TestTestPublicKeysFormat(t *testing.T) {
	const name = "s1._domainkey.example.com"
	for _, test := range []struct{ what, file, want string }{
		{"blank", name + " v=DKIM1; p=abc\n", "v=DKIM1; p=abc"},
		{"tab", name + "\tv=DKIM1; p=abc\n", "v=DKIM1; p=abc"},
		{"several blanks", name + " \t v=DKIM1; p=abc\n", "v=DKIM1; p=abc"},
		{"CRLF", name + " v=DKIM1; p=abc\r\n", "v=DKIM1; p=abc"},
		{"no final line end", name + " v=DKIM1; p=abc", "v=DKIM1; p=abc"},
		{"capitals", "S1._DOMAINKEY.example.COM v=DKIM1; p=abc\n", "v=DKIM1; p=abc"},
		{"first of two", name + " v=DKIM1; p=\n" + name + " v=DKIM1; p=abc\n", "v=DKIM1; p="},
		{"name alone is no record", name + "\n" + name + " v=DKIM1; p=abc\n", "v=DKIM1; p=abc"},
		{"a line of comment", "#" + name + " v=DKIM1; p=\n# x\n\n" + name + " v=DKIM1; p=abc\n", "v=DKIM1; p=abc"},
		{"no comment after data", name + " v=DKIM1; p=abc # c\n", "v=DKIM1; p=abc # c"},
		{"quotes stay", name + " \"v=DKIM1; p=abc\"\n", `"v=DKIM1; p=abc"`},
		{"leading blank", " " + name + " v=DKIM1; p=abc\n", ""},
		{"no pattern", "* v=DKIM1; p=abc\n", ""},
		{"another", "other v=DKIM1; p=abc\n", ""},
		{"empty", "", ""},
	} {
		r, err := NewFile(writeFile(t, test.file), nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.LookupTXT(context.Background(), name)
		if test.want == "" {
			wantKind(t, err, KindNotFound, false)
		} else if err != nil || len(a.Texts) != 1 || a.Texts[0] != test.want || a.Security != SecurityUnknown {
			t.Errorf("%s: %+v, %v", test.what, a, err)
		}
	}
}

func TestFileIsReadAgain(t *testing.T) {
	path := writeFile(t, "# all of it\n\nS1._domainkey.example.com  v=DKIM1; n=a:b; p=abc\nx y\nx z\n")
	r, err := NewFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"s1._domainkey.EXAMPLE.com.": "v=DKIM1; n=a:b; p=abc", "x": "y"} {
		if a, err := r.LookupTXT(context.Background(), name); err != nil || len(a.Texts) != 1 || a.Texts[0] != want {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	_, err = r.LookupTXT(context.Background(), "gone")
	wantKind(t, err, KindNotFound, false)

	if err := os.WriteFile(path, []byte("gone found"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))
	if _, err = r.LookupTXT(context.Background(), "gone"); err != nil {
		t.Errorf("a changed file: %v", err)
	}
	os.Remove(path)
	_, err = r.LookupTXT(context.Background(), "gone")
	wantKind(t, err, KindLocal, true)
	if _, err := NewFile(path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestLookupFunc(t *testing.T) {
	failing := errors.New("database gone")
	r := NewLookup(func(_ context.Context, name string) (string, bool, error) {
		switch name {
		case "k.example":
			return "key", true, nil
		case "fails.example":
			return "", false, failing
		}
		return "", false, nil
	}, nil)
	if a, err := r.LookupTXT(context.Background(), "K.Example."); err != nil || len(a.Texts) != 1 || a.Texts[0] != "key" {
		t.Errorf("%+v, %v", a, err)
	}
	_, err := r.LookupTXT(context.Background(), "fails.example")
	wantKind(t, err, KindLocal, true)
	if !errors.Is(err, failing) {
		t.Error("the cause is lost")
	}
	_, err = r.LookupTXT(context.Background(), "gone.example")
	wantKind(t, err, KindNotFound, false)
}

func FuzzTestFiles(f *testing.F) {
	f.Add([]byte("s1._domainkey.example.com v=DKIM1; p=abc\n# x\n\nname\n name text\n"))
	f.Add([]byte("a\tb\r\nA c # d\n\"x\" y\n"))
	f.Add([]byte(". 0\n")) // the root has no key
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, text := range parseTestKeys(data) {
			if again, err := plain(name); err != nil || again != name || text == "" {
				t.Errorf("record %q of %q", name, text)
			}
		}
	})
}

// TestEveryResolverKnowsAllQuestions: what stands before the name servers passes on
// what it has no answer to, addresses and remembered answers too.
func TestEveryResolverKnowsAllQuestions(t *testing.T) {
	s := dnstest.New(t, "")
	s.AddRR("host.example. 300 IN A 192.0.2.7")
	s.AddTXT("k.example", "from the name server")
	file := writeFile(t, "here.example from a file\n")
	nothing := func(context.Context, string) (string, bool, error) { return "", false, nil }
	for name, wrap := range map[string]func(Resolver) (Resolver, error){
		"name servers":   func(r Resolver) (Resolver, error) { return r, nil },
		"TestPublicKeys": func(r Resolver) (Resolver, error) { return NewFile(file, r) },
		"TestDNSData":    func(r Resolver) (Resolver, error) { return NewLookup(nothing, r), nil },
		"overlay": func(r Resolver) (Resolver, error) {
			return NewOverlay(map[string]string{"here.example": "soon"}, r), nil
		},
	} {
		r, err := wrap(newTestDNS(t, Options{}, s))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := r.LookupA(t.Context(), "host.example"); err != nil || len(a) != 1 || a[0].String() != "192.0.2.7" {
			t.Errorf("%s: LookupA: %v, %v", name, a, err)
		}
		if a, err := r.LookupA(t.Context(), "gone.example"); err == nil {
			t.Errorf("%s: LookupA of no host: %v", name, a)
		} else {
			wantKind(t, err, KindNotFound, false)
		}
	}
}

func TestOverlay(t *testing.T) {
	s := dnstest.New(t, "")
	s.AddTXT("k.example", "from the name server")
	r := NewOverlay(map[string]string{"here.example": "soon"}, newTestDNS(t, Options{}, s))
	for _, test := range []struct {
		name, want string
		cached     bool // before it was looked up
	}{
		{"here.example", "soon", true},
		{"HERE.example.", "soon", true},
		{"k.example", "from the name server", false},
	} {
		if _, ok, err := r.Cached(test.name); ok != test.cached || err != nil {
			t.Errorf("%s: cached before: %v, %v", test.name, ok, err)
		}
		if a, err := r.LookupTXT(t.Context(), test.name); err != nil || len(a.Texts) != 1 || a.Texts[0] != test.want {
			t.Errorf("%s: %+v, %v", test.name, a, err)
		}
		if a, ok, err := r.Cached(test.name); !ok || err != nil || a.Texts[0] != test.want {
			t.Errorf("%s: cached after: %+v, %v, %v", test.name, a, ok, err)
		}
	}
	if n := s.Queries("k.example"); n != 1 {
		t.Errorf("%d queries", n)
	}
	if _, err := r.LookupTXT(t.Context(), "gone.example"); err == nil {
		t.Error("a name that is not there")
	}
	if _, ok, err := r.Cached("gone.example"); !ok {
		t.Error("its absence is not remembered")
	} else {
		wantKind(t, err, KindNotFound, false)
	}
}
