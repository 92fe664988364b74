package keystore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/problem"
	"dojang/internal/testutil"
)

// TestLintOfEverySource: who may read a key is asked of files alone, and not of those that
// the service manager gives or that come from elsewhere; what cannot be signed with is an
// error whatever it came from.
func TestLintOfEverySource(t *testing.T) {
	const none, unsafe, refused, away = "", "warning: k: key data is not secure: ", "error: k: key data is not secure: ",
		"(for the filter's user, uid "
	pem := read(t, "ed25519.pkcs8.pem")
	inline := strings.TrimSpace(string(read(t, "ed25519.base64")))
	dir := testutil.HomeDir(t)
	for name, mode := range map[string]os.FileMode{"safe": 0o600, "open": 0o644} {
		writeFile(t, filepath.Join(dir, name), string(pem))
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	credentials := Options{CredentialsDirectory: dir}
	elsewhere := Options{ReadFile: func(string) ([]byte, error) { return pem, nil }}
	const me, other = 0, 1
	for _, c := range []struct {
		key    string
		o      Options
		uid    int // more than that of who looks
		safely bool
		want   string
	}{
		{dir + "/safe", Options{}, me, false, none},
		{dir + "/safe", Options{}, me, true, none},
		{dir + "/open", Options{}, me, false, unsafe},
		{dir + "/open", Options{}, me, true, refused},
		{dir + "/safe", Options{}, other, true, away},
		{inline, Options{}, other, true, none},
		{"safe", credentials, other, true, none},
		{"open", credentials, other, true, none},
		{"open", credentials, me, false, none},
		{"/of/a/database", elsewhere, other, false, none},
		{"/of/a/database", elsewhere, me, true, none},
		{dir + "/none", Options{}, me, false, "No such file or directory"},
		{"none", credentials, me, false, "not a private key"},
		{"age:!", Options{}, me, false, "KeyIdentities"},
	} {
		_, table := folder(t, "k example.com:s:"+c.key)
		c.o.UID, c.o.RequireSafeKeys = os.Getuid()+c.uid, c.safely
		list := New(table, c.o).Lint(t.Context())
		if c.want == away && os.Getuid() != 0 {
			continue // who is not root is refused as the filter will be
		}
		if c.want == none {
			if len(list) != 0 {
				t.Errorf("%s, uid +%d, RequireSafeKeys %v: %v", c.key, c.uid, c.safely, list)
			}
			continue
		}
		text := ""
		if len(list) == 1 {
			text = list[0].Severity.String() + ": " + list[0].Text
		}
		if !strings.Contains(text, c.want) || list[0].Line != 1 || list[0].Option != "KeyTable" ||
			list[0].Hint == "" && strings.Contains(text, "secure") {
			t.Errorf("%s, uid +%d, RequireSafeKeys %v: %v, want %s", c.key, c.uid, c.safely, list, c.want)
		}
	}
}

// TestLintReadsForTheMessages to come, where it has the rights that they will have; what
// failed is tried again by the first of them.
func TestLintReadsForTheMessages(t *testing.T) {
	dir, table := folder(t, "a example.com:s:DIR/ed25519.pkcs8.pem", "late example.com:s:DIR/late",
		"odd example.com:s:DIR/ed25519.pkcs8.pem:rsa-sha256")
	for uid, want := range map[int]CacheStats{os.Geteuid(): {Keys: 1, Loads: 2}, os.Geteuid() + 1: {}} {
		s := New(table, Options{UID: uid})
		s.Lint(t.Context())
		if got := s.Stats(); got.Keys != want.Keys || got.Loads != want.Loads {
			t.Errorf("uid %d: %+v", uid, got)
		}
		writeFile(t, filepath.Join(dir, "late"), string(read(t, "ed25519.pkcs8.pem")))
		if _, err := s.Key(t.Context(), "late", ""); err != nil {
			t.Errorf("a key that came after the check: %v", err)
		}
		if err := os.Remove(filepath.Join(dir, "late")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLintOfManyRows: each is told of once, in the order of the table.
func TestLintOfManyRows(t *testing.T) {
	const n = 200
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf("k%d example.com:s:/none/%d", i, i))
	}
	_, table := folder(t, rows...)
	list := New(table, Options{UID: os.Getuid()}).Lint(t.Context())
	for i, p := range list {
		if want := fmt.Sprintf("/none/%d: No such", i); p.Line != i+1 || !strings.Contains(p.Text, want) {
			t.Fatalf("problem %d is at line %d: %s", i, p.Line, p.Text)
		}
	}
	if len(list) != n {
		t.Errorf("%d problems of %d rows", len(list), n)
	}
}

// TestLintOfRows that are written otherwise than they should be: what is wrong, how bad
// that is, and what to write.
func TestLintOfRows(t *testing.T) {
	inline := strings.TrimSpace(string(read(t, "ed25519.base64")))
	for row, want := range map[string]problem.Problem{
		":s:/k":   {Severity: problem.Error, Text: `"k": row has no domain`, Hint: "write domain:selector:/path/of/the/key behind the name"},
		"a.com:s": {Severity: problem.Error, Text: `"k" has 2 of 3 fields`},
		"a.com.:s:" + inline: {Severity: problem.Warning, Text: `"k": domain "a.com." is used without the dot at its end`,
			Hint: "write a.com"},
		"a.com:s:keys/k": {Severity: problem.Error, Text: `key "keys/k" is neither a path nor key data`, Hint: "a path starts with /, ./ or ../"},
		"a.com:s:k.pem":  {Severity: problem.Error, Text: `key "k.pem" is neither a path nor key data`, Hint: "a path starts with /, ./ or ../"},
		"a.com:s:kpem!":  {Severity: problem.Error, Text: `can't load key "k" from its KeyTable row: not a private key: neither PEM nor base64`},
		"a.com:s:-----BEGIN PRIVATE KEY-----/.": {Severity: problem.Error,
			Text: `can't load key "k" from its KeyTable row: private key has a broken PEM wrapping`},
		"a.com:s:%/k": {},
		"a.com:s:" + strings.Repeat("A/", 21) + "A=": {}, // a seed
	} {
		_, table := folder(t, "k "+row)
		list := New(table, Options{UID: os.Getuid()}).Lint(t.Context())
		if want == (problem.Problem{}) {
			if len(list) != 0 {
				t.Errorf("%s: %v", row, list)
			}
			continue
		}
		if len(list) != 1 || list[0].Severity != want.Severity || list[0].Text != want.Text ||
			want.Hint != "" && !strings.HasPrefix(list[0].Hint, want.Hint) {
			t.Errorf("%s: %v, want %v", row, list, want)
		}
	}
}

// TestLintSaysWhereTheWayIsBarred to a file that cannot be read, and nothing of the way
// to one that is not there.
func TestLintSaysWhereTheWayIsBarred(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{"barred": {fs.ErrPermission, "let the filter's user into the directory: chmod a+x /keys"},
		"not there": {fs.ErrNotExist, "make the file, or correct the path: ls -l /keys/k"}} {
		_, table := folder(t, "k example.com:s:/keys/k")
		s := New(table, Options{UID: 104, ReadFile: func(path string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: c.err}
		}})
		s.checker.stat = func(path string) (fs.FileInfo, error) {
			return fakeInfo{mode: fs.ModeDir | map[bool]fs.FileMode{true: 0o700, false: 0o755}[path == "/keys"]}, nil
		}
		list := s.Lint(t.Context())
		if len(list) != 1 || !strings.HasPrefix(list[0].Hint, c.want) {
			t.Errorf("%s: %v", name, list)
		}
	}
}
