// Package configtest reads configurations for tests.
package configtest

import (
	"os"
	"path/filepath"
	"testing"

	"dojang/internal/config"
)

// Read reads a configuration from text that has no errors.
func Read(t testing.TB, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "opendkim.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(path)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return c
}
