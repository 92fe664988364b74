package main

import (
	"os"
	"path/filepath"
	"testing"
)

const code = `package m

func Word(s string) string {
	switch {
	case s == "seed":
		return "sown"
	case len(s) > 3 && s[0] == 'x':
		return "long"
	case s == "x":
		return "short"
	}
	return "other"
}
`

const target = `package m

import "testing"

func FuzzWord(f *testing.F) {
	f.Add("seed")
	f.Fuzz(func(t *testing.T, s string) {
		if Word(s) == "" || s == "fault" {
			t.Fatal("fault")
		}
	})
}
`

// TestKeepsWhatReachesMore: of inputs that reach the same only the shortest stays,
// none that reaches what the seeds do, and what is kept is kept.
func TestKeepsWhatReachesMore(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	t.Setenv("GOFLAGS", "-mod=mod")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "go.mod"), "module m\n\ngo 1.26\n")
	write(filepath.Join(dir, "word.go"), code)
	write(filepath.Join(dir, "word_test.go"), target)
	input := func(s string) string { return "go test fuzz v1\nstring(\"" + s + "\")\n" }
	for name, s := range map[string]string{"a": "seed", "b": "xxxxx", "c": "xxxx", "d": "x", "e": "else"} {
		write(filepath.Join(cache, "FuzzWord", name), input(s))
	}
	p := &pkg{path: "m", dir: dir, cache: cache}
	kept := func() (names []string) {
		t.Helper()
		if err := p.keepAll(); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "testdata/fuzz/FuzzWord/*"))
		for _, f := range files {
			names = append(names, filepath.Base(f))
		}
		return names
	}
	for range 2 {
		if got := kept(); len(got) != 3 || got[0] != "c" || got[1] != "d" || got[2] != "e" {
			t.Errorf("kept %q", got)
		}
	}
	// A finding ends it and stays.
	write(filepath.Join(cache, "FuzzWord", "f"), input("fault"))
	if err := p.keepAll(); err == nil {
		t.Error("a fault is not told")
	}
	if _, err := os.Stat(filepath.Join(dir, "testdata/fuzz/FuzzWord/f")); err != nil {
		t.Errorf("a finding is not kept: %v", err)
	}
}
