package keystore

import (
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// TestLintTellsOfUnsafeKeys that are used all the same.
func TestLintTellsOfUnsafeKeys(t *testing.T) {
	for _, required := range []bool{false, true} {
		for mode, safe := range map[os.FileMode]bool{0o600: true, 0o644: false} {
			dir := testutil.HomeDir(t)
			path := filepath.Join(dir, "key")
			writeFile(t, path, string(read(t, "ed25519.pkcs8.pem")))
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, table := folder(t, "k example.com:s:"+path)
			var told []string
			for _, p := range New(table, Options{UID: os.Getuid(), RequireSafeKeys: required}).Lint(t.Context()) {
				told = append(told, p.String())
			}
			if len(told) == 0 != safe || !safe && (!strings.Contains(told[0], "can be read or written by other users") ||
				required != strings.Contains(told[0], "error loading")) &&
				!strings.Contains(told[0], "key data is not secure") {
				t.Errorf("RequireSafeKeys %v, mode %o: %q", required, mode, told)
			}
		}
	}
}

// TestLintTellsOfKeysOutOfReach: who checks may read what the filter's user may not.
func TestLintTellsOfKeysOutOfReach(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	for mode, reaches := range map[os.FileMode]bool{0o600: false, 0o644: true} {
		path := filepath.Join(dir, "key")
		writeFile(t, path, string(read(t, "ed25519.pkcs8.pem")))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		row := Row{Domain: "example.com", Selector: "s", Key: path}
		s := New(nil, Options{UID: os.Getuid() + 1})
		p := s.lintReach("k", 7, row)
		if reaches != (p == nil) || p != nil && (p.Line != 7 || p.Hint == "" || !strings.Contains(p.Text,
			"Permission denied (for the filter's user, uid ")) {
			t.Errorf("mode %o: %v", mode, p)
		}
		for name, s := range map[string]*Store{"the same user": New(nil, Options{UID: os.Getuid()}),
			"files of its own": New(nil, Options{UID: os.Getuid() + 1, ReadFile: os.ReadFile})} {
			if p := s.lintReach("k", 7, row); p != nil {
				t.Errorf("%s: %v", name, p)
			}
		}
		// The row of a table tells the same, where safety is no question.
		_, table := folder(t, "k example.com:s:"+path)
		told := ""
		for _, p := range New(table, Options{UID: os.Getuid() + 1}).Lint(t.Context()) {
			told += p.String()
		}
		if mode == 0o644 && strings.Contains(told, "Permission denied") {
			t.Errorf("mode %o: %s", mode, told)
		}
	}
}

// TestHintsOfRows say what to write: the name without what makes it none.
func TestHintsOfRows(t *testing.T) {
	for row, want := range map[string]string{
		"*.example.com:s:/k":   "write example.com",
		"joe@example.com:s:/k": "write example.com",
		".example.com:s:/k":    "write example.com",
		"<example.com>:s:/k":   "write example.com",
		"a b:s:/k":             "write a domain such as example.com, or % for the sender's",
		"*:s:/k":               "write a domain such as example.com, or % for the sender's",
		"example.com:*.sel:/k": "write sel",
		"example.com:a b:/k":   "write a selector such as mail2026: letters, digits, hyphens and dots between",
	} {
		_, table := folder(t, "k "+row)
		list := New(table, Options{UID: os.Getuid()}).Lint(t.Context())
		if len(list) != 1 || list[0].Hint != want || !list.HasErrors() {
			t.Errorf("%s: %v", row, list)
		}
	}
}

// TestSmallKeysAreMade, which the standard library refuses to.
func TestSmallKeysAreMade(t *testing.T) {
	for bits, want := range map[int]bool{511: false, 512: true, 768: true, 1024: true, MaxRSABits + 1: false, 0: false} {
		made, err := GenerateRSA(bits)
		if (err == nil) != want {
			t.Errorf("%d bits: %v", bits, err)
		}
		if err != nil {
			continue
		}
		if key := made.Public.(*rsa.PublicKey); key.N.BitLen() != bits || key.E != 65537 ||
			!strings.Contains(string(made.PEM), "PRIVATE KEY") {
			t.Errorf("%d bits: %d bits, e=%d", bits, key.N.BitLen(), key.E)
		}
	}
}
