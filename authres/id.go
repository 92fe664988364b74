package authres

import (
	"bytes"
	"strings"

	"golang.org/x/net/idna"
)

// maxIDBytes is as long as an authserv-id can be and still be a name of ours:
// what is longer is cut.
const maxIDBytes = 1024

// AuthservIDOf is the name a field claims to come from, whatever else is in it:
// a comment before, an unreadable tail, a missing semicolon, no end of a quoted
// string or comment do not hide it. ok is false when there is no name. One pass over
// the octets up to the name; what follows it is not looked at.
//
// It serves to find forged fields, so in doubt it sees a name where strict
// readers see none: blanks and comments inside a dotted name are passed over, and
// quotes and backslashes wherever they stand, as OpenDMARC does.
func AuthservIDOf(value []byte) (id string, ok bool) {
	l := &lexer{in: value}
	l.skipJunk()
	var name []byte
	for !l.end() && len(name) < maxIDBytes {
		switch c := l.peek(); {
		case isNameByte(c):
			name = append(name, l.run(isNameByte)...)
		case c == '"':
			name = append(name, l.quotedPart()...)
		case c == '\\' && l.pos+1 < len(l.in):
			name = append(name, l.in[l.pos+1])
			l.pos += 2
		case c == 0: // an MTA in C ends it here, one that drops NUL does not
			l.pos++
		default:
			before := l.pos
			l.skipJunk()
			if l.pos == before || !l.goesOn(bytes.HasSuffix(name, []byte("."))) {
				return trimID(name)
			}
		}
	}
	return trimID(name)
}

func trimID(name []byte) (id string, ok bool) {
	id = cut(string(bytes.TrimFunc(name, func(r rune) bool { return r <= ' ' })))
	return id, id != ""
}

func cut(s string) string { return s[:min(len(s), maxIDBytes)] }

// isNameByte holds for a token's octets and the slash.
//
// Compat(opendkim 2.11): AuthservIDWithJobID writes "name/job" without quotes.
func isNameByte(c byte) bool { return isTokenByte(c) || c == '/' }

// quotedPart takes a quoted string. A quote without end is passed over alone.
func (l *lexer) quotedPart() string {
	start := l.pos
	s, ok := l.quotedString()
	if !ok {
		l.pos = start + 1
		return ""
	}
	return s
}

// goesOn reports whether a name that blanks or comments interrupted goes on
// here: with a dot or, after a dot, with anything but a version number.
func (l *lexer) goesOn(afterDot bool) bool {
	if !afterDot {
		return l.peek() == '.'
	}
	for i := l.pos; i < len(l.in) && i-l.pos < maxIDBytes; i++ {
		if c := l.in[i]; c < '0' || c > '9' {
			return isNameByte(c) || c == '"' || c == '\\'
		}
	}
	return false
}

// skipJunk moves past blanks, control characters and comments. A comment without
// end is taken to be its opening parenthesis only, and from there on every
// parenthesis is passed over by itself.
func (l *lexer) skipJunk() {
	for !l.end() {
		switch c := l.in[l.pos]; {
		case c <= ' ' || c == 0x7f:
			l.pos++
		case c == '(' && !l.unbalanced:
			start := l.pos
			if !l.skipComment() {
				l.pos, l.unbalanced = start+1, true
			}
		case c == '(' || c == ')':
			l.pos++
		default:
			return
		}
	}
}

// SameAuthservID reports whether two names are the same one: case does not
// matter, nor a trailing dot, nor whether a label is in its A or U form, nor a
// job's identifier after a slash.
func SameAuthservID(a, b string) bool {
	a, b = trimName(a), trimName(b)
	return strings.EqualFold(a, b) || (mayBeIDN(a) || mayBeIDN(b)) && toASCII(a) == toASCII(b)
}

// trimName takes off a job's identifier and trailing dots, of which two are no
// name but a forgery.
//
// Compat(opendkim 2.11): see isNameByte.
func trimName(s string) string {
	s, _, _ = strings.Cut(s, "/")
	return strings.TrimRight(s, ".")
}

// mayBeIDN keeps the conversion away from names that have no second form.
func mayBeIDN(s string) bool {
	if len(s) > maxIDBytes {
		return false
	}
	for i := range len(s) {
		if s[i] >= 0x80 {
			return true
		}
	}
	return strings.Contains(strings.ToLower(s), "xn--")
}

// toASCII gives the A-labels of a name (RFC 5890), mapped as look-ups are.
func toASCII(s string) string {
	a, err := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false)).ToASCII(s)
	if err != nil {
		return strings.ToLower(s)
	}
	return strings.ToLower(a)
}
