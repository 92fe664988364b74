package authres

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValueBytes is as long as a value may be: OpenDMARC and opendkim cut it behind so
// many octets, and what is left of a name would be another.
const maxValueBytes = 255

// isTokenByte reports RFC 2045 §5.1 token characters; octets of UTF-8 count as
// such (RFC 8616 §2).
func isTokenByte(c byte) bool { return tokenBytes[c] }

var tokenBytes = func() (is [256]bool) {
	for c := range is {
		is[c] = c > ' ' && c < 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?=`, rune(c)) || c >= utf8.RuneSelf
	}
	return is
}()

// isDotAtom reports whether s is of token characters and letters of UTF-8, with single
// dots between them, which no reader divides or joins with what follows. Slashes count
// as such characters.
func isDotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if r < utf8.RuneSelf && !isTokenByte(byte(r)) && r != '/' || r >= utf8.RuneSelf && !isWordRune(r) {
			return false
		}
	}
	return true
}

// isBare reports whether s can stand without quotes. SpamAssassin passes over letters of
// UTF-8 without them, and what is left of a name would be another.
func isBare(s string) bool { return isASCII(s) && isDotAtom(s) && !strings.Contains(s, "/") }

// authservID writes a name, slashes as they are, and in quotes parentheses too:
// "host/(unknown-jobid)" is a name of ours.
func authservID(s string) string {
	if isDotAtom(s) {
		return s
	}
	return `"` + plainBut("()", s) + `"`
}

// quoted writes a quoted string in which no reader finds an end before its end, a
// comment, the end of a result or an encoded word (RFC 2047): escapes are not known to
// all of them. What could be one becomes "?", as control characters do.
func quoted(s string) string { return `"` + plain(s) + `"` }

// comment writes the text of a comment, likewise. A semicolon may stand in it.
func comment(s string) string { return plainBut(";", s) }

func plain(s string) string { return plainBut("", s) }

func plainBut(allowed, s string) string {
	s = strings.Map(func(r rune) rune {
		if !strings.ContainsRune(allowed, r) && strings.ContainsRune(`"\();`, r) || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if strings.Contains(s, "=?") {
		s = strings.ReplaceAll(s, "=", "?")
	}
	return s
}

// isPlain reports whether quoted leaves s as it is.
func isPlain(s string) bool { return plain(s) == s }

// value writes a property's value: a value, or [local-part] "@" domain (RFC 8601 §2.2
// pvalue). ok is false for an address that cannot be written so that all readers see it
// alike.
func (p Property) value() (text string, ok bool) {
	s := p.Value
	if len(s) > maxValueBytes {
		return "", false
	}
	if isBare(s) || p.Name == "b" && isBase64(s) {
		return s, true
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !isBare(s[at+1:]) {
		return quoted(s), isPlain(s)
	}
	local, domain := s[:at], s[at:]
	if isBare(local) || at == 0 {
		return s, true
	}
	if n := len(local); n > 1 && local[0] == '"' && local[n-1] == '"' {
		local = local[1 : n-1]
	}
	return `"` + local + `"` + domain, isPlain(local)
}

// isBase64 reports whether s is base64 without an equals sign.
//
// Compat(opendkim 2.11): header.b stands without quotes.
func isBase64(s string) bool {
	for i := range len(s) {
		if !isBase64Byte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isBase64Byte(c byte) bool {
	return c == '+' || c == '/' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
