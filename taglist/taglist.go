// Package taglist reads and writes the tag lists of RFC 6376 §3.2
// ("v=1; a=rsa-sha256; ..."), the syntax of DKIM-Signature values, key
// records and reporting records.
//
// The lexer keeps the byte offsets of every value, so that a verifier can cut
// the value of b= out of the very bytes it received instead of searching for
// something that looks like it.
package taglist

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Tag is one tag of a list. Name and Value are views into the parsed bytes.
type Tag struct {
	// Name is the tag's name. Names are case-sensitive (RFC 6376 §3.2).
	Name string
	// Value is the tag's value without the white space around it. White
	// space inside it, folding included, is kept: what it means depends on
	// the tag. It is a view into the bytes given to Parse.
	Value []byte
	// Start and End are the offsets of the raw value in the bytes given to
	// Parse: from just behind "=" to the ";" or the end of the list, white
	// space included. Cutting them out leaves "name=".
	Start, End int
}

// List is a parsed tag list, in the order in which it was written.
type List struct {
	tags []Tag
}

// Errors that Parse wraps, with an offset, in its own.
var (
	ErrSyntax    = errors.New("syntax error in tag list")
	ErrDuplicate = errors.New("tag occurs more than once")
)

// maxTags bounds the work a hostile list can cause. RFC 6376 knows 16 tags in
// a signature; nobody needs this many.
const maxTags = 128

// ErrTooManyTags is returned for a list of more than 128 tags.
var ErrTooManyTags = errors.New("too many tags")

// Parse reads a tag list. The list keeps views into b, which the caller must
// not change while the list is in use. One trailing ";" is allowed, empty
// specifications ("a=b;;c=d") are not.
//
// RFC 6376 §3.2: a tag that occurs twice makes the whole list invalid.
//
// Compat(opendkim 2.11): CR and LF count as white space wherever they stand,
// and not in a correct fold alone.
//
// RFC 8616 §5: values may hold UTF-8.
func Parse(b []byte) (List, error) {
	var l List
	return l, l.parse(b)
}

// Reparse is like Parse, and uses the memory of l again.
func (l *List) Reparse(b []byte) error {
	l.tags = l.tags[:0]
	return l.parse(b)
}

func (l *List) parse(b []byte) error {
	i := skipSpace(b, 0)
	if l.tags == nil {
		l.tags = make([]Tag, 0, 16)
	}
	for i < len(b) {
		tag, next, err := lexTag(b, i)
		if err != nil {
			return err
		}
		if l.index(tag.Name) >= 0 {
			return fmt.Errorf("%w: %q", ErrDuplicate, clip(tag.Name))
		}
		if len(l.tags) == maxTags {
			return ErrTooManyTags
		}
		l.tags = append(l.tags, tag)
		i = skipSpace(b, next)
	}
	return nil
}

// lexTag reads the tag that begins at i and returns the offset behind its ";".
func lexTag(b []byte, i int) (tag Tag, next int, err error) {
	nameStart := i
	if b[i] == '!' && i+1 < len(b) {
		i++ // a tag that must be understood (draft-levine-dkim-conditional)
	}
	if !isAlnum(b[i]) {
		return tag, 0, syntaxError(b, i)
	}
	for i < len(b) && isNameByte(b[i]) {
		i++
	}
	tag.Name = intern(b[nameStart:i])
	i = skipSpace(b, i)
	if i == len(b) || b[i] != '=' {
		return tag, 0, syntaxError(b, i)
	}
	i++
	tag.Start = i
	if n := bytes.IndexByte(b[i:], ';'); n >= 0 {
		tag.End, next = i+n, i+n+1
	} else {
		tag.End, next = len(b), len(b)
	}
	if bad := badValueByte(b[tag.Start:tag.End]); bad >= 0 {
		return tag, 0, syntaxError(b, tag.Start+bad)
	}
	tag.Value = trimSpace(b[tag.Start:tag.End])
	return tag, next, nil
}

// badValueByte is the index of the first byte that no value may hold, or -1.
func badValueByte(v []byte) int {
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case c > ' ' && c < 0x7f || isSpace(c):
			i++
		case c < utf8.RuneSelf:
			return i
		default:
			_, n := utf8.DecodeRune(v[i:])
			if n == 1 { // no UTF-8
				return i
			}
			i += n
		}
	}
	return -1
}

// SyntaxError is an ErrSyntax with its place.
type SyntaxError struct {
	Offset int  // in the bytes given to Parse
	AtEnd  bool // a name has no value: the list ends at Offset
	Byte   byte // what stands there, unless AtEnd
}

// Error names what stands in the wrong place, and where.
func (e *SyntaxError) Error() string {
	if e.AtEnd {
		return ErrSyntax.Error() + " at its end"
	}
	return fmt.Sprintf("%v at offset %d: %q", ErrSyntax, e.Offset, e.Byte)
}

// Unwrap returns ErrSyntax.
func (e *SyntaxError) Unwrap() error { return ErrSyntax }

func syntaxError(b []byte, at int) error {
	if at >= len(b) {
		return &SyntaxError{Offset: len(b), AtEnd: true}
	}
	return &SyntaxError{Offset: at, Byte: b[at]}
}

func clip(s string) string {
	const maxQuoted = 256
	if len(s) > maxQuoted {
		return s[:maxQuoted]
	}
	return s
}

// Tags returns the tags in the order in which they were written. The slice is the
// list's own.
func (l *List) Tags() []Tag { return l.tags }

// Len returns the number of tags.
func (l *List) Len() int { return len(l.tags) }

// Get finds the tag of that name.
func (l *List) Get(name string) (Tag, bool) {
	if i := l.index(name); i >= 0 {
		return l.tags[i], true
	}
	return Tag{}, false
}

// Value returns the trimmed value of the tag of that name, nil when there is none
// (the value of a tag that is present but empty is not nil).
func (l *List) Value(name string) []byte {
	if i := l.index(name); i >= 0 {
		return l.tags[i].Value
	}
	return nil
}

// Has reports whether there is a tag of that name.
func (l *List) Has(name string) bool { return l.index(name) >= 0 }

func (l *List) index(name string) int {
	for i := range l.tags {
		if l.tags[i].Name == name {
			return i
		}
	}
	return -1
}

// intern returns the usual names without an allocation.
func intern(b []byte) string {
	switch string(b) {
	case "v":
		return "v"
	case "a":
		return "a"
	case "b":
		return "b"
	case "bh":
		return "bh"
	case "c":
		return "c"
	case "d":
		return "d"
	case "g":
		return "g"
	case "h":
		return "h"
	case "i":
		return "i"
	case "k":
		return "k"
	case "l":
		return "l"
	case "n":
		return "n"
	case "p":
		return "p"
	case "q":
		return "q"
	case "r":
		return "r"
	case "s":
		return "s"
	case "t":
		return "t"
	case "x":
		return "x"
	case "z":
		return "z"
	}
	return string(b)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// trimSpace never returns nil: nil stands for "no such tag".
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isAlnum(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }

// isNameByte reports what a name may hold behind its first byte.
//
// Compat(opendkim 2.11): anything that can be seen, where RFC 6376 §3.2 has
// letters, digits and "_": nobody else refuses a signature for the name of a tag
// that he does not know.
func isNameByte(c byte) bool { return c > ' ' && c < 0x7f && c != '=' && c != ';' }
