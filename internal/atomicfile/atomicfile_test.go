package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"dojang/internal/privilege"
	"dojang/internal/testutil"
)

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// only fails when there is anything but names in dir.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(names) {
		t.Fatalf("%v, %v: want %v", entries, err, names)
	}
	for i, e := range entries {
		if e.Name() != names[i] {
			t.Errorf("%s, want %s", e.Name(), names[i])
		}
	}
}

func TestPipesAreNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Replace(path, Options{}, func([]byte) ([]byte, error) { return []byte("text"), nil })
	if !errors.Is(err, privilege.ErrNotFile) {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, step := range []struct {
		text string
		o    Options
		mode fs.FileMode
	}{{"one", Options{New: true}, 0o600}, {"two", Options{KeepOld: true, Mode: 0o644}, 0o644}, {"three", Options{}, 0o600}} {
		if err := Write(path, []byte(step.text), step.o); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != step.mode || content(t, path) != step.text {
			t.Errorf("%s: %v, %v, %q", step.text, info.Mode(), err, content(t, path))
		}
	}
	if old := content(t, path+".old"); old != "one" {
		t.Errorf("kept %q", old)
	}
	only(t, dir, "f", "f.old")
}

func TestFailuresChangeNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := Write(path, []byte("first"), Options{}); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := WriteTo(path, Options{}, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := Write(path, nil, Options{New: true}); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	var named *fs.PathError
	if err := Write(filepath.Join(dir, "none", "f"), nil, Options{}); !errors.As(err, &named) ||
		named.Path != filepath.Join(dir, "none", "f") || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := Replace(path, Options{}, func([]byte) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if got := content(t, path); got != "first" {
		t.Errorf("%q", got)
	}
	only(t, dir, "f")
}

func TestReplaceKeepsLinkAndMode(t *testing.T) {
	dir := testutil.SecureDir(t)
	path, link := filepath.Join(dir, "f"), filepath.Join(dir, "g")
	if err := Write(path, []byte("a\n"), Options{Mode: 0o640}); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	add := func(old []byte) ([]byte, error) { return append(old, "b\n"...), nil }
	if err := Replace(link, Options{Mode: 0o600}, add); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 || content(t, path) != "a\nb\n" {
		t.Errorf("%v, %v, %q", info, err, content(t, path))
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Replace(filepath.Join(dir, "new"), Options{Mode: 0o644}, add); err != nil || content(t, filepath.Join(dir, "new")) != "b\n" {
		t.Error(err)
	}
}

// What a writer that was killed left goes with the next, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"f", ".f.12.tmp", ".f.x.12.tmp", ".g.12.tmp", "f.12.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(filepath.Join(dir, "f"), time.Hour)
	only(t, dir, ".f.12.tmp", ".f.x.12.tmp", ".g.12.tmp", "f", "f.12.tmp")
	Sweep(filepath.Join(dir, "f"), 0)
	only(t, dir, ".f.x.12.tmp", ".g.12.tmp", "f", "f.12.tmp")
}
