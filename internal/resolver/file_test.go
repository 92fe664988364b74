package resolver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
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
		r, err := NewFile(writeFile(t, test.file))
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
	r, err := NewFile(path)
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
	if _, err := NewFile(path); !errors.Is(err, os.ErrNotExist) {
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
	})
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
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, text := range parseTestKeys(data) {
			if again, err := canonical(name); err != nil || again != name || text == "" {
				t.Errorf("record %q of %q", name, text)
			}
		}
	})
}
