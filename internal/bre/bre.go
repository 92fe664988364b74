// Package bre compiles POSIX basic regular expressions as the C library has them
// (IEEE Std 1003.1 §9.3, with GNU's \| \+ \? \w \W \s \S \b \B \< \> \` \'): what
// OpenDKIM reads where it calls regcomp without REG_EXTENDED. They become Go's, whose
// matching takes linear time.
package bre

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Expression is a compiled expression. As in the C locale it matches octets: "." is
// any one of them, a line end too. It is safe for concurrent use.
type Expression struct{ re *regexp.Regexp }

// ErrUnsupported is wrapped by the errors about what the C library knows and no
// matching in linear time can do: back-references, above all.
var ErrUnsupported = errors.New("is not supported")

// SyntaxError is what is wrong with an expression.
type SyntaxError struct {
	Offset int // in octets
	Text   string
	Err    error // ErrUnsupported or nil
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at offset %d", e.Text, e.Offset) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// Compile reads an expression. The error is a *SyntaxError.
func Compile(expression string) (*Expression, error) {
	const maxBytes = 4096
	if len(expression) > maxBytes {
		return nil, &SyntaxError{maxBytes, fmt.Sprintf("expression longer than %d octets", maxBytes), nil}
	}
	p := translator{in: expression, fresh: true}
	if err := p.translate(); err != nil {
		return nil, err
	}
	re, err := regexp.Compile("(?s)" + p.out.String())
	if err != nil {
		return nil, &SyntaxError{0, err.Error(), ErrUnsupported}
	}
	re.Longest() // POSIX: the longest of the leftmost matches
	return &Expression{re}, nil
}

// Replace puts a text, as it stands, in the place of each match.
func (e *Expression) Replace(s, with string) string {
	if isASCII(s) {
		return e.re.ReplaceAllLiteralString(s, with)
	}
	return narrow(e.re.ReplaceAllLiteralString(widen(s), widen(with)))
}

// Find gives the place of the first match; ok is false when there is none.
func (e *Expression) Find(s string) (start, end int, ok bool) {
	wide := widen(s)
	m := e.re.FindStringIndex(wide)
	if m == nil {
		return 0, 0, false
	}
	start = len(narrow(wide[:m[0]]))
	return start, start + len(narrow(wide[m[0]:m[1]])), true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// widen makes each octet a character of its number.
func widen(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// narrow undoes widen.
func narrow(s string) string {
	if isASCII(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for _, c := range s {
		out = append(out, byte(c))
	}
	return string(out)
}
