package keystore

import (
	"io/fs"
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
	for _, name := range []string{"c", "d"} { // the second, too, though the first was looked at just now
		writeFile(t, filepath.Join(dir, name), data)
		if loads(name) {
			t.Errorf("key %s in an open folder is taken", name)
		}
	}
}

// TestWhatCannotBeLookedAtIsNotSafe: a key whose folder is gone, or barred, in between.
func TestWhatCannotBeLookedAtIsNotSafe(t *testing.T) {
	path := filepath.Join(testutil.HomeDir(t), "k")
	writeFile(t, path, string(read(t, "ed25519.pkcs8.pem")))
	for _, required := range []bool{true, false} {
		for _, barred := range []string{path, filepath.Dir(path)} {
			s := New(nil, Options{UID: os.Getuid(), RequireSafeKeys: required})
			s.checker.stat = func(path string) (fs.FileInfo, error) {
				if path == barred {
					return nil, fs.ErrPermission
				}
				return os.Stat(path)
			}
			_, err := s.Load(t.Context(), "k", Row{Domain: "d", Selector: "s", Key: path})
			if want := "can't load key from " + path + ": Permission denied"; err == nil || err.Error() != want {
				t.Errorf("%s, RequireSafeKeys %v: %v", barred, required, err)
			}
		}
	}
}
