package plain

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb": "a b", "a\x1b[2Jb": "a [2Jb", "a\u009bb": "a  b", "a\u2028b": "a   b", "한글 ü": "한글 ü", "\xff": "\xff", "": "",
		"\xc2": "\xc2", "\xc2x": "\xc2x", "\x9f\n\xe2\x80": "  \xe2 ", "\u2027\u2028\u2029\u202a": "\u2027         ", "\u202eevil": "   evil", "\x9b31m\xa0": " 31m\xa0", "\x7f~ ": " ~ ",
		"\u0080\u009f\u00a0": "    \u00a0", "\x00\x1f": "  ",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\r\nc\n": "a\tb\r\nc\n", "한글 ü €": "한글 ü €", "\x1b]0;x\x07": `\u001b]0;x\u0007`, "a\rb": `a\u000db`, "\u009b2J": `\u009b2J`, "\x9b2J": `\x9b2J`,
		"\u202eevil": `\u202eevil`, "\u061c": `\u061c`,
		"\u2029\u202a\u202f": "\\u2029\\u202a\u202f",
		"\u2066":             `\u2066`, "\x7f": `\u007f`, "\u2028": `\u2028`, "end\r": `end\x0d`, "end\xe2\x82": `end\xe2\x82`, "\x00": `\u0000`,
	} {
		for step := 1; step <= len(text); step++ {
			var b bytes.Buffer
			w := NewWriter(&b)
			for rest := text; rest != ""; {
				n := min(step, len(rest))
				if wrote, err := w.Write([]byte(rest[:n])); wrote != n || err != nil {
					t.Fatal(wrote, err)
				}
				rest = rest[n:]
			}
			if err := w.Flush(); err != nil || b.String() != want {
				t.Errorf("%q in steps of %d: %q, want %q (%v)", text, step, b.String(), want, err)
			}
		}
	}
}

// TestWriterFails as what it writes to does, and flushes once.
func TestWriterFails(t *testing.T) {
	near, far := io.Pipe()
	near.Close()
	w := NewWriter(far)
	if n, err := w.Write([]byte("a")); n != 0 || err != io.ErrClosedPipe {
		t.Errorf("%d, %v", n, err)
	}
	var b bytes.Buffer
	w = NewWriter(&b)
	_, _ = w.Write([]byte("\xe2\x82"))
	if err := errors.Join(w.Flush(), w.Flush()); err != nil || b.String() != `\xe2\x82` {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// Every code point up to the last control of Unicode's first planes: what is shown
// holds none, and JSON stays JSON.
func TestWriterLeavesNoControl(t *testing.T) {
	for r := range rune(0x3000) {
		text, err := json.Marshal("x" + string(r))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := NewWriter(&b)
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got != "x"+string(r) {
			t.Errorf("U+%04X: %q", r, b.String())
		}
		if strings.ContainsFunc(b.String(), speaks) {
			t.Errorf("U+%04X is shown", r)
		}
	}
}
