package authres

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxNameBytes bounds what is converted as a name: 253 octets in ASCII are at most
// four times as many in UTF-8.
const maxNameBytes = 1024

// names maps as look-ups do, so that all forms of a name become one.
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// canonicalName is the form in which two names are the same when case, a trailing dot,
// A-labels or U-labels and a job's identifier after a slash are all that they differ in.
func canonicalName(s string) string {
	s, _, _ = strings.Cut(s, "/")
	s = strings.ToLower(strings.TrimRight(s, "."))
	if len(s) <= maxNameBytes && (!isASCII(s) || strings.Contains(s, "xn--")) {
		s, _ = names.ToUnicode(s) // with an error too, as much as could be mapped
	}
	return s
}

// formsOf are the ways to write a canonical name: in UTF-8, in ASCII, and with one label
// or the other in either form.
func formsOf(canonical string) []string {
	const maxForms = 16
	forms := []string{""}
	for i, label := range strings.Split(canonical, ".") {
		spellings := []string{label}
		if !isASCII(label) {
			if a, err := names.ToASCII(label); err == nil && len(forms) < maxForms {
				spellings = append(spellings, a)
			}
		}
		var longer []string
		for _, form := range forms {
			for _, s := range spellings {
				if i > 0 {
					s = form + "." + s
				}
				longer = append(longer, s)
			}
		}
		forms = longer
	}
	return forms
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// readings are the texts that readers may look at: the value, without its own name that
// somebody wrote in front, and with encoded words (RFC 2047) decoded.
func readings(value []byte) [][]byte {
	texts := [][]byte{value}
	if bytes.Contains(value, []byte("=?")) {
		texts = append(texts, decodeWords(value))
	}
	for _, text := range texts {
		if rest := withoutFieldName(text); len(rest) < len(text) {
			texts = append(texts, rest)
		}
	}
	return texts
}

// withoutFieldName takes the field's own name off, as Mail::AuthenticationResults does
// where it begins the value.
func withoutFieldName(text []byte) []byte {
	const name = "Authentication-Results:"
	for {
		trimmed := bytes.TrimLeftFunc(text, func(r rune) bool { return !isWordRune(r) })
		if len(trimmed) < len(name) || !bytes.EqualFold(trimmed[:len(name)], []byte(name)) {
			return text
		}
		text = trimmed[len(name):]
	}
}

// encodedWord is RFC 2047's, as leniently as it is decoded anywhere.
var encodedWord = regexp.MustCompile(`(?s)=\?[^?]*\?([QqBb])\?(.*?)\?=`)

// decodeWords decodes encoded words. Octets of any character set are taken as they are:
// nearly all have ASCII in them.
func decodeWords(value []byte) []byte {
	return encodedWord.ReplaceAllFunc(value, func(word []byte) []byte {
		parts := encodedWord.FindSubmatch(word)
		if parts[1][0]|0x20 == 'q' {
			return decodeQ(parts[2])
		}
		text := bytes.Map(func(r rune) rune {
			if r == '+' || r == '/' || isWordRune(r) && r < utf8.RuneSelf && !strings.ContainsRune("-_.", r) {
				return r
			}
			return -1
		}, parts[2])
		decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
		n, _ := base64.RawStdEncoding.Decode(decoded, text)
		return decoded[:n]
	})
}

func decodeQ(text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '=' && i+2 < len(text) {
			if n, err := strconv.ParseUint(string(text[i+1:i+3]), 16, 8); err == nil {
				c, i = byte(n), i+2
			}
		} else if c == '_' {
			c = ' '
		}
		out = append(out, c)
	}
	return out
}

// hidesName reports whether a value begins with an encoded word in a character set in
// which ASCII looks otherwise. No name is written so, but some readers decode it.
func hidesName(value []byte) bool {
	trimmed := bytes.TrimLeftFunc(value, func(r rune) bool { return r != '=' && !isWordRune(r) })
	set, isWord := bytes.CutPrefix(trimmed, []byte("=?"))
	set, _, _ = bytes.Cut(bytes.ToLower(set), []byte("?"))
	return isWord && (bytes.Contains(set, []byte("utf-7")) || bytes.Contains(set, []byte("utf7")))
}

// lenientText is a text in lower case, its names mapped as look-ups do.
func lenientText(text []byte) []rune {
	runes := make([]rune, 0, len(text))
	for len(text) > 0 {
		n := bytes.IndexFunc(text, func(r rune) bool { return r < utf8.RuneSelf && !isWordRune(r) })
		if n < 0 {
			n = len(text)
		}
		for _, r := range mapped(string(text[:n])) {
			runes = append(runes, lowered(r))
		}
		if n < len(text) {
			runes = append(runes, rune(text[n]))
			n++
		}
		text = text[n:]
	}
	return runes
}

// mapped is a piece of text without ASCII's punctuation.
func mapped(piece string) string {
	if isASCII(piece) || len(piece) > maxNameBytes {
		return piece
	}
	if !utf8.ValidString(piece) {
		return strings.ToValidUTF8(piece, "\x00")
	}
	if strings.Contains(strings.ToLower(piece), "xn--") {
		return piece // decoding would hide the form in which we write it
	}
	s, _ := names.ToUnicode(piece)
	return s
}

// lowered is a rune in lower case. Some readers' upper case is the same for i with a dot
// and without.
func lowered(r rune) rune {
	switch r {
	case 'ı', 'İ':
		return 'i'
	}
	return unicode.ToLower(r)
}

// isWordRune holds for what names and methods are made of. All else some reader drops.
func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r))
}
