package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/config"
	"dojang/internal/testutil"
	"dojang/milter"
)

// A mistake in a script is told at its own line, with the option; what a script
// may need of the MTA is asked for.
func TestScriptsAreConfiguration(t *testing.T) {
	s := &server{t: t, dir: testutil.HomeDir(t)}
	build := func(setup, final string) (*Built, string) {
		s.write("setup.lua", setup)
		s.write("final.lua", final)
		s.write("opendkim.conf", "Mode v\nSyslog no\nSetupPolicyScript "+s.path("setup.lua")+"\nFinalPolicyScript "+s.path("final.lua")+"\nSocket local:/x\n")
		c, problems := config.Load(s.path("opendkim.conf"))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		built, problems := Build(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
		return built, strings.ReplaceAll(problems.Error(), s.dir, "DIR")
	}
	for _, tt := range []struct{ setup, final, want string }{
		{"\nx = = 3\n", "", `DIR/setup.lua:2: SetupPolicyScript: syntax error near "="`},
		{"", "\n\nerror('no')\n", "DIR/final.lua:3: FinalPolicyScript: no"},
		{"os.exit()", "", "DIR/setup.lua:1: SetupPolicyScript: os.exit() is not there: scripts reach no files"},
	} {
		built, problems := build(tt.setup, tt.final)
		if built != nil || !strings.Contains(problems, tt.want) {
			t.Errorf("got %s, want %s", problems, tt.want)
		}
	}
	built, problems := build(`odkim.get_mtasymbol(ctx, "{auth_authen}")`, "x = 1")
	if built == nil {
		t.Fatal(problems)
	}
	defer built.Snapshot.Discard()
	if need := milter.ActionQuarantine | milter.ActionAddRcpt | milter.ActionDelRcpt; built.Snapshot.Actions&need != need {
		t.Errorf("actions %#x", built.Snapshot.Actions)
	}
	if names := strings.Join(built.Snapshot.MacroNames, " "); !strings.Contains(names, "auth_authen") {
		t.Errorf("macros %q", names)
	}
}

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
