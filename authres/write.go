package authres

import "strings"

// isTokenByte reports RFC 2045 §5.1 token characters; octets of UTF-8 count as
// such (RFC 8616 §2).
func isTokenByte(c byte) bool {
	return c > ' ' && c != 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?=`, rune(c)) || c >= 0x80
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// value writes a value (RFC 2045 §5.1): a token, or else a quoted string.
func value(s string) string {
	if isToken(s) {
		return s
	}
	return quoted(s)
}

// quoted writes a quoted string; control characters cannot be in one and become "?".
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
		case c < ' ' && c != '\t' || c == 0x7f:
			c = '?'
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}

func comment(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '(' || c == ')' || c == '\\':
			b.WriteByte('\\')
		case c < ' ' && c != '\t' || c == 0x7f:
			c = '?'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// propValue writes a property's value: a value, or [local-part] "@" domain
// (RFC 8601 §2.2 pvalue).
func propValue(s string) string {
	if isToken(s) {
		return s
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !isToken(s[at+1:]) {
		return quoted(s)
	}
	local, domain := s[:at], s[at:]
	if local == "" || isDotAtom(local) {
		return s
	}
	if len(local) >= 2 && local[0] == '"' && local[len(local)-1] == '"' {
		return quoted(unquote(local)) + domain
	}
	return quoted(local) + domain
}

func isDotAtom(s string) bool {
	for _, atom := range strings.Split(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			c := atom[i]
			if c <= ' ' || c == 0x7f || strings.ContainsRune(`()<>@,;:\"[].`, rune(c)) && c < 0x80 {
				return false
			}
		}
	}
	return true
}

func unquote(s string) string {
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
