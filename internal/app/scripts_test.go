package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// Scripts that once panicked in the Lua machine leave a running filter as it was:
// at a reload the old configuration stays, for a message On-InternalError decides.
func TestBombsDoNotEndTheFilter(t *testing.T) {
	const bomb = "local function f(...) return f(..., ...) end f(1)\n"
	dir := testutil.HomeDir(t)
	path := filepath.Join(dir, "setup.lua")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	s := newServer(t, "SetupPolicyScript "+path+"\n")
	write(bomb)
	if problems := s.app.Reload(t.Context()); !problems.HasErrors() || !strings.Contains(problems.Error(), "setup.lua") {
		t.Errorf("reload: %v", problems)
	}
	if _, err := signature(t.Context(), s.dial()); err != nil {
		t.Errorf("after the reload: %v", err)
	}
	write(`if tostring(ctx) ~= "userdata: (nil)" then ` + bomb + " end")
	if problems := s.app.Reload(t.Context()); problems.HasErrors() {
		t.Error(problems)
	}
	if _, err := signature(t.Context(), s.dial()); err == nil {
		t.Error("a message is signed whose script failed")
	}
	write("")
	if problems := s.app.Reload(t.Context()); problems.HasErrors() {
		t.Error(problems)
	}
	if _, err := signature(t.Context(), s.dial()); err != nil {
		t.Errorf("at the end: %v", err)
	}
}
