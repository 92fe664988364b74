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

// authservID writes a name, slashes as they are.
func authservID(s string) string {
	if s == "" {
		return `""`
	}
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return quoted(s)
		}
	}
	return s
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
//
// Compat(opendkim 2.11): the slashes and equals signs of base64 are not quoted.
func propValue(s string) string {
	if isBase64OrToken(s) {
		return s
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !isToken(s[at+1:]) {
		return quoted(s)
	}
	local, domain := s[:at], s[at:]
	if local == "" || isDotAtom(local) || isQuotedString(local) {
		return s
	}
	return quoted(local) + domain
}

func isBase64OrToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isTokenByte(c) && c != '/' && c != '=' {
			return false
		}
	}
	return s != ""
}

// isQuotedString reports whether s is one quoted string, without folds.
func isQuotedString(s string) bool {
	if len(s) < 2 || s[0] != '"' {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i == len(s)-1
		case c == '\\':
			if i++; i >= len(s) || s[i] < ' ' || s[i] == 0x7f {
				return false
			}
		case c < ' ' && c != '\t' || c == 0x7f:
			return false
		}
	}
	return false
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
