package authres

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Errors of Parse, wrapped with the offset.
var (
	ErrSyntax = errors.New("Authentication-Results: syntax error")
)

// lexer walks over a field's value. Every octet is looked at a bounded number of
// times, whatever the input.
type lexer struct {
	in      []byte
	pos     int
	comment string // text of the first comment of the last cfws
}

// syntaxError is not put into words before somebody asks: most are only counted.
type syntaxError struct {
	octet int
	what  string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("%s: octet %d: %s", ErrSyntax, e.octet, e.what)
}
func (e *syntaxError) Unwrap() error { return ErrSyntax }

func (l *lexer) fail(what string) error { return &syntaxError{l.pos, what} }

func (l *lexer) end() bool { return l.pos >= len(l.in) }

func (l *lexer) peek() byte {
	if l.end() {
		return 0
	}
	return l.in[l.pos]
}

// accept moves past c when it comes next.
func (l *lexer) accept(c byte) bool {
	if l.end() || l.in[l.pos] != c {
		return false
	}
	l.pos++
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// cfws moves past blanks, folds and comments, which nest (RFC 5322 §3.2.2). It
// reports whether there were any; a comment without end is an error, after
// which the rest of the input is gone.
func (l *lexer) cfws() (some bool, err error) {
	l.comment = ""
	for !l.end() {
		switch c := l.in[l.pos]; {
		case isSpace(c):
			l.pos++
		case c == '(':
			start := l.pos + 1
			if !l.skipComment() {
				return true, l.fail("comment without end")
			}
			if l.comment == "" {
				l.comment = unescape(l.in[start : l.pos-1])
			}
		default:
			return some, nil
		}
		some = true
	}
	return some, nil
}

// skipComment moves past a comment, or to the end of the input when the comment
// has none.
func (l *lexer) skipComment() (ok bool) {
	depth := 0
	for ; l.pos < len(l.in); l.pos++ {
		switch l.in[l.pos] {
		case '\\':
			l.pos++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				l.pos++
				return true
			}
		}
	}
	l.pos = len(l.in)
	return false
}

// unescape takes the backslashes of quoted pairs off.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			i++
		}
		out = append(out, b[i])
	}
	return string(out)
}

// run takes the longest run of octets that ok holds for.
func (l *lexer) run(ok func(byte) bool) string {
	start := l.pos
	for l.pos < len(l.in) && ok(l.in[l.pos]) {
		l.pos++
	}
	return string(l.in[start:l.pos])
}

// quotedString takes a quoted string, whose quote comes next. Folds in it are
// no part of its meaning (RFC 5322 §3.2.4).
func (l *lexer) quotedString() (s string, ok bool) {
	l.pos++
	var out []byte
	for ; l.pos < len(l.in); l.pos++ {
		switch c := l.in[l.pos]; c {
		case '"':
			l.pos++
			return string(out), true
		case '\\':
			if l.pos++; l.pos < len(l.in) {
				out = append(out, l.in[l.pos])
			}
		case '\r', '\n':
		default:
			out = append(out, c)
		}
	}
	return string(out), false
}

// value takes a token or a quoted string (RFC 2045 §5.1 value).
func (l *lexer) value() (s string, err error) {
	if l.peek() == '"' {
		s, ok := l.quotedString()
		if !ok {
			return "", l.fail("quoted string without end")
		}
		return s, nil
	}
	s = l.run(isTokenByte)
	if s == "" {
		return "", l.fail("a token or a quoted string is wanted")
	}
	return s, nil
}

// isNameByte holds for a token's octets and the slash.
//
// Compat(opendkim 2.11): AuthservIDWithJobID writes "name/job" without quotes.
func isNameByte(c byte) bool { return isTokenByte(c) || c == '/' }

// authservID takes a value that may have slashes in it.
func (l *lexer) authservID() (string, error) {
	if l.peek() == '"' {
		return l.value()
	}
	s := l.run(isNameByte)
	if s == "" {
		return "", l.fail("a name is wanted")
	}
	return s, nil
}

// keyword takes a Keyword (RFC 5321 §4.1.2 Ldh-str): method, result, property type.
// Underscores are in the wild ("dkim_diff") and do no harm.
func (l *lexer) keyword(what string) (string, error) {
	s := l.run(func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	})
	if s == "" {
		return "", l.fail(what + " is wanted")
	}
	return s, nil
}

func (l *lexer) number() (int, bool) {
	s := l.run(func(c byte) bool { return '0' <= c && c <= '9' })
	n, err := strconv.Atoi(s)
	return n, err == nil
}
