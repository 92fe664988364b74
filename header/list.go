// Package header holds the header fields of a message byte for byte, as DKIM
// needs them: a list that allocates nothing for each field, the bottom-up
// selection of RFC 6376 §5.4.2, and the extraction of mailboxes.
package header

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Field is one header field, a view into a List's buffer: it is valid until
// the List is Reset.
type Field struct {
	// Raw is the whole field, "Name: value", with folds as CRLF and without
	// the final CRLF.
	Raw []byte

	colon int // offset of the colon; len(Raw) when there is none
}

// Name returns the field's name as received, without the white space some put
// before the colon.
func (f Field) Name() []byte {
	name := f.Raw[:f.colon]
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	return name
}

// Value returns everything behind the colon, leading space included.
func (f Field) Value() []byte {
	if f.colon >= len(f.Raw) {
		return nil
	}
	return f.Raw[f.colon+1:]
}

// ValueOffset returns where Value begins in Raw.
func (f Field) ValueOffset() int { return min(f.colon+1, len(f.Raw)) }

// Is reports whether the field has that name, in any case of ASCII letters.
func (f Field) Is(name string) bool {
	if f.colon < len(name) || !equalFold(f.Raw[:len(name)], name) {
		return false
	}
	for _, c := range f.Raw[len(name):f.colon] {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func equalFold[A, B []byte | string](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// keepBytes is how large a buffer Reset keeps for the next message.
const keepBytes = 64 << 10

// List is the header of a message, top down. The zero List is empty and ready
// for use. All fields share one buffer, so that adding a field allocates
// nothing once the list is warm. A List is not safe for concurrent writing;
// reading it (pickers included) is.
type List struct {
	buf     []byte
	fields  []span
	edition uint64 // grows with each change, so that an Index knows whether it is of date
}

type span struct{ start, colon, end int }

// Reset empties the list. It keeps its buffers unless they have grown beyond
// 64 KiB. Fields taken from the list must not be used any more.
func (l *List) Reset() {
	if cap(l.buf) > keepBytes {
		l.buf = nil
	}
	if cap(l.fields) > keepBytes/64 {
		l.fields = nil
	}
	l.buf, l.fields = l.buf[:0], l.fields[:0]
	l.edition++
}

// Add appends a field as a milter is told of it. An LF that is not part of a CRLF
// becomes one, since MTAs end folded lines with LF alone there; a line end after the
// last line is dropped. Unless leadingSpaceKept, the MTA stripped one space after the
// colon, and Add restores it, though not before a TAB or a line end: Sendmail and
// Postfix strip neither.
//
// Add copies both slices.
func (l *List) Add(name, value []byte, leadingSpaceKept bool) {
	start := len(l.buf)
	l.buf = append(l.buf, name...)
	colon := len(l.buf)
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		colon = start + i // no MTA sends this; the field stays one field
	}
	l.buf = append(l.buf, ':')
	if !leadingSpaceKept && (len(value) == 0 || value[0] != '\t' && value[0] != '\n' && value[0] != '\r') {
		l.buf = append(l.buf, ' ')
	}
	l.appendLines(value)
	l.close(start, colon)
	l.edition++
}

// AddRaw appends a whole field, "Name: value", with the same care for line
// ends as Add. The slice is copied.
func (l *List) AddRaw(raw []byte) {
	start := len(l.buf)
	l.appendLines(raw)
	colon := len(l.buf)
	if i := bytes.IndexByte(l.buf[start:], ':'); i >= 0 {
		colon = start + i
	}
	l.close(start, colon)
	l.edition++
}

// close ends a field. A header may have very many: room for them is doubled, which append
// does for few alone.
func (l *List) close(start, colon int) {
	if len(l.fields) == cap(l.fields) {
		l.fields = slices.Grow(l.fields, max(16, len(l.fields)))
	}
	l.fields = append(l.fields, span{start, colon, len(l.buf)})
}

// appendLines appends b with every line end as CRLF, the last line without.
func (l *List) appendLines(b []byte) {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			l.buf = append(l.buf, b...)
			return
		}
		line := b[:i]
		if i > 0 && line[i-1] == '\r' {
			line = line[:i-1]
		}
		l.buf = append(l.buf, line...)
		l.buf = append(l.buf, '\r', '\n')
		b = b[i+1:]
	}
}

// Len returns the number of fields.
func (l *List) Len() int { return len(l.fields) }

// Size returns the number of bytes the fields take, their line ends not counted.
func (l *List) Size() int { return len(l.buf) }

// At returns field i, counted from the top, from 0.
func (l *List) At(i int) Field {
	s := l.fields[i]
	return Field{Raw: l.buf[s.start:s.end:s.end], colon: s.colon - s.start}
}

// is reports whether field i has a name. Of very many fields most are short.
func (l *List) is(i int, name string) bool {
	s := &l.fields[i]
	return s.colon-s.start >= len(name) && l.At(i).Is(name)
}

// Count returns the number of fields of that name.
func (l *List) Count(name string) int {
	n := 0
	for i := range l.fields {
		if l.is(i, name) {
			n++
		}
	}
	return n
}

// First returns the topmost field of that name and its index.
func (l *List) First(name string) (Field, int, bool) {
	for i := range l.fields {
		if l.is(i, name) {
			return l.At(i), i, true
		}
	}
	return Field{}, -1, false
}

// Last returns the lowest field of that name and its index.
func (l *List) Last(name string) (Field, int, bool) {
	for i := len(l.fields) - 1; i >= 0; i-- {
		if l.is(i, name) {
			return l.At(i), i, true
		}
	}
	return Field{}, -1, false
}

// ErrNoFields is returned by Parse for something that does not begin with a
// header field, and so is no message.
var ErrNoFields = errors.New("no header field")

// Parse splits a message, with CRLF or LF line ends, into its header and the
// bytes behind the empty line. The body is a view into message, with the line
// ends it has there.
//
// As MTAs do, a "From " line of a mailbox file at the top is passed over, and
// the first line that is neither a field nor the continuation of one ends the
// header: it is the first of the body then. A message without any field is
// ErrNoFields.
func Parse(message []byte) (l *List, body []byte, err error) {
	l = new(List)
	rest := message
	if bytes.HasPrefix(rest, []byte("From ")) {
		rest = rest[lineEnd(rest):]
	}
	for {
		end := lineEnd(rest)
		if !startsField(rest[:end]) {
			break
		}
		for end < len(rest) && (rest[end] == ' ' || rest[end] == '\t') {
			end += lineEnd(rest[end:])
		}
		l.AddRaw(rest[:end])
		rest = rest[end:]
	}
	if l.Len() == 0 {
		return nil, nil, fmt.Errorf("not a message: %w in its first line %.256q", ErrNoFields, message[:min(256, lineEnd(message))])
	}
	switch {
	case bytes.HasPrefix(rest, []byte("\n")):
		rest = rest[1:]
	case bytes.HasPrefix(rest, []byte("\r\n")):
		rest = rest[2:]
	}
	return l, rest, nil
}

// lineEnd is the offset behind the first line of b.
func lineEnd(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// startsField reports whether a line begins with a name and a colon. Blanks
// before the colon are obsolete syntax that must be read (RFC 5322 §4.5).
func startsField(line []byte) bool {
	name, _, found := bytes.Cut(line, []byte(":"))
	if !found {
		return false
	}
	name = bytes.TrimRight(name, " \t")
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}
