package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The committed files are those that the table makes.
func TestGenerated(t *testing.T) {
	for path, write := range files() {
		committed, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(committed), b.String()); diff != "" {
			t.Errorf("%s is out of date: run go generate ./internal/config\n%s", path, diff)
		}
	}
}
