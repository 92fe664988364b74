package cli

import (
	"bytes"
	"io"
	"testing"
	"time"

	"dojang/internal/plain"
)

// What is shown of work that takes long, and that nothing is of work that does not, or
// in a pipe.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, what: "keys", total: 3, begin: time.Now()}
	p.step()
	if out.Len() > 0 {
		t.Errorf("shown at once: %q", &out)
	}
	p.begin = p.begin.Add(-progressAfter)
	p.step()
	p.step() // too soon to be shown
	p.end()
	if got, want := out.String(), "\r\x1b[K2 of 3 keys\r\x1b[K"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var pipe bytes.Buffer
	s := Streams{Err: plain.NewWriter(&pipe), Out: io.Discard}
	p = s.progress("keys", 0)
	p.begin = p.begin.Add(-time.Hour)
	p.step()
	p.end()
	s.during("seconds", func() {})
	if pipe.Len() > 0 {
		t.Errorf("in a pipe: %q", &pipe)
	}
}
