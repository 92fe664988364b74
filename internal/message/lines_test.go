package message

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"dojang/internal/event"
	"dojang/internal/policy"
)

// TestLinesOfOneKindAreBounded: of a thousand lines of one kind some are written, and how
// many more there would be; what is not told at all is not counted aloud.
func TestLinesOfOneKindAreBounded(t *testing.T) {
	var log bytes.Buffer
	m := &Message{}
	m.services = NewServices(nil, nil)
	m.snapshot = &Snapshot{Log: slog.New(slog.NewTextHandler(&log, nil))}
	var notes []policy.Note
	for range 1000 {
		notes = append(notes, policy.Note{Event: event.SeveralKeys("s", "example.com")},
			policy.Note{Event: event.NoMacrosMatch(), Why: true})
	}
	notes = append(notes, policy.Note{Event: event.Ignoring(3)})
	m.Tell(notes...)
	for range maxLines { // as many as are told
		notes = append(notes, policy.Note{Event: event.NoSender()})
	}
	log.Reset()
	m.Tell(notes...)
	text := log.String()
	if n := strings.Count(text, "multiple key records"); n != maxLines {
		t.Errorf("%d lines of one kind", n)
	}
	if strings.Count(text, "and 984 more lines of this kind (several_keys)") != 1 ||
		!strings.Contains(text, "ignoring 3 signatures") || strings.Contains(text, "macros") || strings.Contains(text, "(no_sender)") {
		t.Errorf("log:\n%s", text)
	}
}
