package build

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
	dir := testutil.HomeDir(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func(setup, final string) (*Built, string) {
		write("setup.lua", setup)
		write("final.lua", final)
		write("opendkim.conf", "Mode v\nSyslog no\nSetupPolicyScript "+filepath.Join(dir, "setup.lua")+
			"\nFinalPolicyScript "+filepath.Join(dir, "final.lua")+"\nSocket local:/x\n")
		c, problems := config.Load(filepath.Join(dir, "opendkim.conf"))
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		built, problems := Snapshot(t.Context(), c, Parts{Log: slog.New(slog.DiscardHandler)})
		return built, strings.ReplaceAll(problems.Error(), dir, "DIR")
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
