package script

import (
	"strings"
	"testing"
)

// A script that is nested without end is refused, or runs; it ends nothing else.
func TestNestedScripts(t *testing.T) {
	const depth = 5_000
	for _, s := range []string{
		"return " + strings.Repeat("{", depth) + strings.Repeat("}", depth),
		"return " + strings.Repeat("(", depth) + "1" + strings.Repeat(")", depth),
		"return " + strings.Repeat("- ", depth) + "1",
		"return " + strings.Repeat("not ", depth) + "1",
		"return 1" + strings.Repeat(" .. 1", depth),
		"return 1" + strings.Repeat(" ^ 1", depth),
		strings.Repeat("do ", depth) + strings.Repeat("end ", depth),
		"return " + strings.Repeat("function() return ", 1_000) + "1" + strings.Repeat(" end", 1_000),
		"x" + strings.Repeat("[1]", depth) + " = 1",
	} {
		got := evaluate(t, Setup, message(t), s, Options{})
		if len(got) > 300_000 {
			t.Errorf("%.30s: %d bytes", s, len(got))
		}
	}
}

// The compiler calls itself for each level: what is deeper than its bound is
// refused before.
func TestDeepScriptsAreRefused(t *testing.T) {
	const depth = 120_000
	for _, s := range []string{
		"return " + strings.Repeat("- ", depth) + "1",
		"return " + strings.Repeat("{", depth) + strings.Repeat("}", depth),
		strings.Repeat("do ", depth/4) + strings.Repeat("end ", depth/4),
		"return 1" + strings.Repeat(" .. 1", depth/4),
	} {
		if got := evaluate(t, Setup, message(t), s, Options{}); !strings.Contains(got, "nested more than 10000 levels deep") {
			t.Errorf("%.30s: %.200s", s, got)
		}
	}
}
