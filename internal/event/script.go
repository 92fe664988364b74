package event

import (
	"fmt"
	"log/slog"

	"dojang/internal/plain"
)

// What scripts tell.

// ScriptFailed: a script of the administrator's broke off at the line that error names.
func ScriptFailed(hook string, why error) Event {
	return failure("script_failed", fmt.Sprintf("dkimf_lua_%s_hook() failed: %s", hook, cut(plain.Line(why.Error()))),
		slog.String("hook", hook), because(why))
}

// ScriptSays is a line that a script logs.
func ScriptSays(text string) Event {
	const maxBytes = 1024
	if len(text) > maxBytes {
		text = text[:maxBytes] + "..."
	}
	e := info("script", plain.Line(text))
	e.NoJob = true // Compat(opendkim 2.11)
	return e
}

// ScriptKeyUnknown: a script asks for a signature by a key that KeyTable does not have.
func ScriptKeyUnknown(name string) Event {
	e := failure("unknown_key", fmt.Sprintf("key '%s' not found", cut(name)), slog.String("key", cut(name)))
	e.NoJob = true
	return e
}

// ScriptNoDefaultKey: a script asks for a signature by KeyFile, which is not set.
func ScriptNoDefaultKey() Event {
	e := failure("no_default_key", "failed to load/apply default key")
	e.NoJob = true
	return e
}
