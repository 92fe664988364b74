package plain

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb": "a b", "a\x1b[2Jb": "a [2Jb", "a\u009bb": "a  b", "a\u2028b": "a   b", "한글 ü": "한글 ü", "\xff": "\xff", "": "",
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\r\nc\n": "a\tb\r\nc\n", "한글 ü €": "한글 ü €", "\x1b]0;x\x07": `\u001b]0;x\u0007`, "a\rb": `a\u000db`, "\u009b2J": `\u009b2J`, "\x9b2J": `\x9b2J`,
		"\u202eevil": `\u202eevil`, "\u2066": `\u2066`, "\x7f": `\u007f`, "\u2028": `\u2028`, "end\r": `end\x0d`, "end\xe2\x82": `end\xe2\x82`, "\x00": `\u0000`,
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
