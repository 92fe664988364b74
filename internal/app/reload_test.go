package app

import (
	"strings"
	"testing"
	"time"
)

// A reload without time for all keys says so, in the log and to who asked for it, and lets
// the new configuration in.
func TestReloadSaysWhichKeysWereNotChecked(t *testing.T) {
	s := newServer(t, "")
	s.app.parts.KeyLintTime = time.Nanosecond
	s.write("KeyTable", strings.Repeat("k example.com:c:"+s.path("key.private")+"\n", 300))
	const words = "keys were not checked: there was no time left"
	var told strings.Builder
	problems := s.app.Reload(t.Context())
	problems.Write(&told)
	if problems.HasErrors() || !strings.Contains(told.String(), "44 of 300 "+words) ||
		!strings.Contains(told.String(), "hint: dojang config check takes the time it needs") {
		t.Errorf("told: %s", told.String())
	}
	if !strings.Contains(s.log.String(), "44 of 300 "+words+"; dojang config check takes the time it needs") {
		t.Errorf("log: %s", s.log.String())
	}
	if got, err := signature(t.Context(), s.dial()); err != nil || !strings.Contains(got, "s=c;") {
		t.Errorf("%q, %v", got, err)
	}
}
