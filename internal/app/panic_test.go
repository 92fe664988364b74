package app

import (
	"log/slog"
	"strings"
	"testing"

	"dojang/internal/testutil/configtest"
	"dojang/internal/testutil/proctest"
)

// A mistake of ours follows On-InternalError.
func TestPanicFollowsOnInternalError(t *testing.T) {
	for option, want := range map[string]string{"": "tempfail", "On-InternalError accept\n": "accept"} {
		log := new(proctest.Output)
		a, problems := New(t.Context(), Options{Config: configtest.Read(t, "Mode v\nSocket local:/nowhere\n"+option),
			Console: slog.NewTextHandler(log, nil)})
		if a == nil {
			t.Fatal(problems)
		}
		if got := a.panicked("a mistake", []byte("goroutine 1")).String(); got != want {
			t.Errorf("%q: %s, want %s", option, got, want)
		}
		if !strings.Contains(log.String(), "internal error: a mistake") || !strings.Contains(log.String(), "goroutine 1") {
			t.Errorf("not told with its stack: %s", log)
		}
		a.filter.Close()
	}
}
