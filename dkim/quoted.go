package dkim

import (
	"encoding/base64"
	"unicode/utf8"
)

// decodeQuoted reads dkim-quoted-printable (RFC 6376 §2.11): white space is
// to be ignored, "=XX" is a byte. UTF-8 stands for itself (RFC 8616 §4).
//
// Compat(opendkim 2.11): it folds z= inside of "=XX" too.
func decodeQuoted(dst, v []byte) ([]byte, bool) {
	v = compact(make([]byte, 0, len(v)), v)
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '=' {
			if i+2 >= len(v) || unhex(v[i+1]) < 0 || unhex(v[i+2]) < 0 {
				return dst, false
			}
			c = byte(unhex(v[i+1])<<4 | unhex(v[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, true
}

// DecodeQuoted reads dkim-quoted-printable (RFC 6376 §2.11).
func DecodeQuoted(v []byte) (text string, ok bool) {
	out, ok := decodeQuoted(make([]byte, 0, len(v)), v)
	return string(out), ok
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

const upperHex = "0123456789ABCDEF"

// appendQuoted writes dkim-quoted-printable: everything but the bytes keep
// allows is written as "=XX". Valid UTF-8 is kept when utf8Kept.
func appendQuoted(dst, v []byte, keep func(byte) bool, utf8Kept bool) []byte {
	for i := 0; i < len(v); {
		c := v[i]
		if c >= utf8.RuneSelf && utf8Kept {
			if r, n := utf8.DecodeRune(v[i:]); r != utf8.RuneError || n > 1 {
				dst = append(dst, v[i:i+n]...)
				i += n
				continue
			}
		}
		if c < utf8.RuneSelf && keep(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '=', upperHex[c>>4], upperHex[c&15])
		}
		i++
	}
	return dst
}

// isQuotedSafe tells the bytes that never need quoting: dkim-safe-char of RFC
// 6376 §2.11 without "|", which divides the fields of z=.
func isQuotedSafe(c byte) bool {
	return c > ' ' && c < 0x7f && c != ';' && c != '=' && c != '|'
}

// isIdentitySafe is isQuotedSafe with "|", which means nothing in i=.
func isIdentitySafe(c byte) bool { return c == '|' || isQuotedSafe(c) }

// compact appends v without its white space.
func compact(dst, v []byte) []byte {
	for _, c := range v {
		if !isHeaderSpace(c) {
			dst = append(dst, c)
		}
	}
	return dst
}

// decodeBase64 reads base64 with or without its padding. v has no white space.
func decodeBase64(v []byte) ([]byte, bool) {
	for n := 0; n < 2 && len(v) > 0 && v[len(v)-1] == '='; n++ {
		v = v[:len(v)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(v)))
	n, err := base64.RawStdEncoding.Decode(out, v)
	return out[:n], err == nil
}
