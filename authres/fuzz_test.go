package authres

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/opendkim/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462",
		` "a b\"c" ; X-Foo=neutral reason="x\\y" policy.z="q;r"`, " h. 1; none", "a/b; none", `"a/b" 1; none`, " (", ` h; a=b c.d="e f"@g`,
		" h; dkim=pass;", "\x00", " пример.example; spf=pass smtp.mailfrom=пример@пример.example",
	} {
		f.Add([]byte(s))
	}
}

// FuzzParse: a name that Parse understands, a guard finds; and what
// Format writes of it, Parse understands the same.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := Parse(value)
		if err != nil {
			return
		}
		name := strings.TrimFunc(r.AuthservID, func(r rune) bool { return r <= ' ' })
		if forged, _ := NewGuard([]string{name}, nil).Forged(value); isBare(name) && !forged {
			t.Errorf("Parse says %q, and the guard of that name does not see it", r.AuthservID)
		}
		written := r.Format()
		for i := range len(written) {
			if c := written[i]; c < ' ' && c != '\t' && c != '\r' && c != '\n' {
				t.Fatalf("control character in %q", written)
			}
		}
		if strings.Contains(strings.ReplaceAll(written, "\r\n\t", ""), "\n") {
			t.Fatalf("line break in %q", written)
		}
		again, err := Parse([]byte(written))
		if err != nil {
			t.Fatalf("%q was written as %q: %v", value, written, err)
		}
		// A local part may have got quotes, and other octets question marks; what cannot
		// be written so that all read the same is left out.
		if rewritten := again.Format(); rewritten != written {
			t.Errorf("%q was written as %q, and that as %q", value, written, rewritten)
		}
		if len(again.Methods) != len(r.Methods) {
			t.Fatalf("%q was written as %q", value, written)
		}
		for i, m := range r.Methods {
			n := again.Methods[i]
			if m.Name != n.Name || m.Result != n.Result || m.Version != n.Version || len(m.Props) < len(n.Props) {
				t.Errorf("%q was written as %q", value, written)
			}
		}
	})
}
