package keystore

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// TestSafeFoldersAreRememberedForAMoment has keys in one safe folder, one of them
// open to others, one a link to an open one; then the folder itself is opened.
func TestSafeFoldersAreRememberedForAMoment(t *testing.T) {
	dir := testutil.HomeDir(t)
	open := filepath.Join(t.TempDir(), "elsewhere")
	data := string(read(t, "ed25519.pkcs8.pem"))
	for _, name := range []string{"a", "b", "bad"} {
		writeFile(t, filepath.Join(dir, name), data)
	}
	writeFile(t, open, data)
	for _, path := range []string{open, filepath.Join(dir, "bad")} {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(open, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Unix(1e9, 0)}
	s := New(nil, Options{UID: os.Getuid(), RequireSafeKeys: true, Now: c.Now})
	loads := func(name string) bool {
		_, err := s.Load(t.Context(), name, Row{Domain: "d", Selector: "s", Key: filepath.Join(dir, name)})
		return err == nil
	}
	for name, want := range map[string]bool{"a": true, "b": true, "bad": false, "link": false} {
		if !loads("a") {
			t.Fatal("a safe key is refused")
		}
		if got := loads(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	c.add(2 * time.Second)
	writeFile(t, filepath.Join(dir, "c"), data)
	if loads("c") {
		t.Error("a key in an open folder is taken")
	}
}
