// Package plain makes text from outside fit for where it is shown: one line of a log
// or of a field, and a terminal.
package plain

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// Line keeps one record one line: what could forge a second line, or speaks to the
// terminal or the eye that reads it, becomes blanks. Beside the control characters of
// ASCII those are U+0080 to U+009F, which a terminal of 8 bits knows as octets too, two
// more line ends (U+2028, U+2029), and what turns the direction of text.
func Line(s string) string {
	var b []byte
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if speaks(r) || n == 1 && s[i] >= 0x80 && s[i] < 0xa0 {
			if b == nil {
				b = []byte(s)
			}
			for k := range n {
				b[i+k] = ' '
			}
		}
		i += n // other octets that are no UTF-8 stay
	}
	if b == nil {
		return s
	}
	return string(b)
}

// Writer escapes, in what is written through it, all that a terminal would obey:
// control characters but tabs and ends of lines, characters that turn the direction
// of text, and octets that are no UTF-8. The escapes are those of JSON, \u001b, so
// that JSON stays what it is, and \x9b for octets.
type Writer struct {
	w    io.Writer
	rest []byte // the beginning of a character or of CRLF
	err  error
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write implements io.Writer. The count is that of p, whatever became of it.
func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	w.rest = nil
	out := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		if text[0] == '\r' && len(text) == 1 || text[0] >= utf8.RuneSelf && !utf8.FullRune(text) {
			w.rest = append([]byte(nil), text...)
			break
		}
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case r == '\r' && text[1] == '\n', r == '\n', r == '\t':
			out = append(out, text[0])
		case speaks(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	if _, err := w.asIs(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *Writer) asIs(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// Err returns the first error of all that was written, escaped or not.
func (w *Writer) Err() error { return w.err }

// Flush writes what was held back because it might have been the beginning of a
// character.
func (w *Writer) Flush() error {
	var out []byte
	for _, c := range w.rest {
		out = fmt.Appendf(out, `\x%02x`, c)
	}
	w.rest = nil
	if out == nil {
		return nil
	}
	_, err := w.asIs(out)
	return err
}

// Unescaped writes octet by octet, as messages are wanted.
func (w *Writer) Unescaped() io.Writer { return unescaped{w} }

type unescaped struct{ w *Writer }

func (u unescaped) Write(p []byte) (int, error) { return u.w.asIs(p) }

// Destination is where it writes to, for who asks what that is.
func (w *Writer) Destination() io.Writer { return w.w }

// speaks reports whether a terminal or a reader's eye obeys a character instead of
// showing it (Unicode TR 9).
func speaks(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
