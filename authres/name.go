package authres

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// names maps as look-ups do, so that all forms of a name become one.
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// canonicalName is the form in which two names are the same when case, a trailing dot,
// A-labels or U-labels and a job's identifier after a slash are all that they differ in.
func canonicalName(s string) string {
	s, _, _ = strings.Cut(s, "/")
	s = strings.ToLower(strings.TrimRight(s, "."))
	if len(s) <= maxWord && (!isASCII(s) || strings.Contains(s, "xn--")) {
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

func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// readings are the texts that readers may look at: the value, without its own name that
// somebody wrote in front, and with encoded words (RFC 2047) decoded; names in them are
// mapped as look-ups do. One that the guard is too tired for is nil.
func (g *Guard) readings(value []byte) [][]byte {
	texts := [][]byte{g.mapped(value)}
	if decoded, ok := decodeWords(value); ok {
		texts = append(texts, g.mapped(decoded))
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
		begin := 0
		for begin < len(text) && !isWordByte[text[begin]] {
			begin++
		}
		if len(text)-begin < len(name) || !bytes.EqualFold(text[begin:begin+len(name)], []byte(name)) {
			return text
		}
		text = text[begin+len(name):]
	}
}

// decodeWords decodes encoded words, as leniently as it is done anywhere. Octets of any
// character set are taken as they are: nearly all have ASCII in them. ok is false when
// there are none.
func decodeWords(value []byte) (decoded []byte, ok bool) {
	rest := value
	for {
		begin := bytes.Index(rest, []byte("=?"))
		if begin < 0 {
			break
		}
		decoded, rest = append(decoded, rest[:begin]...), rest[begin:]
		set := bytes.IndexByte(rest[2:], '?') + 2
		if set < 2 {
			break
		}
		head := set + len("?q?")
		if len(rest) < head || rest[head-1] != '?' || rest[set+1]|0x20 != 'q' && rest[set+1]|0x20 != 'b' {
			decoded, rest = append(decoded, rest[:set]...), rest[set:]
			continue
		}
		text, behind, _ := bytes.Cut(rest[head:], []byte("?=")) // Python reads one without an end, too
		if rest[set+1]|0x20 == 'q' {
			decoded = append(decoded, decodeQ(text)...)
		} else {
			decoded = append(decoded, decodeB(text)...)
		}
		rest, ok = behind, true
	}
	return append(decoded, rest...), ok
}

// decodeB decodes base64, whatever else stands in it.
func decodeB(text []byte) []byte {
	letters := make([]byte, 0, len(text))
	for _, c := range text {
		if isBase64Byte(c) {
			letters = append(letters, c)
		}
	}
	n, _ := base64.RawStdEncoding.Decode(letters, letters) // in place: it reads before it writes
	return letters[:n]
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

// hidesName reports whether a mapped value begins with an encoded word in a character set in
// which ASCII looks otherwise. No name is written so, but some readers decode it.
func hidesName(value []byte) bool {
	begin := 0
	for begin < len(value) && value[begin] != '=' && !isWordByte[value[begin]] {
		begin++
	}
	set, isWord := bytes.CutPrefix(value[begin:], []byte("=?"))
	if !isWord {
		return false
	}
	set, _, _ = bytes.Cut(set, []byte("?"))
	set = bytes.ToLower(set)
	return bytes.Contains(set, []byte("utf-7")) || bytes.Contains(set, []byte("utf7"))
}

// mapped is a text in which each name is mapped as look-ups do, and every rune of no
// word is one octet of ASCII. What is ASCII stays.
func (g *Guard) mapped(text []byte) []byte {
	if isASCII(text) {
		return text
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 && !g.tired() {
		n := max(1, wordOf(text))
		if piece := text[:n]; isASCII(piece) {
			out = append(out, piece...)
		} else {
			g.effort += n
			out = appendMapped(out, piece)
		}
		text = text[n:]
	}
	if len(text) > 0 {
		return nil
	}
	return out
}

// appendMapped maps a piece of text without ASCII's punctuation, label by label: an
// A-label beside others stays as we may write it.
func appendMapped(out, piece []byte) []byte {
	for more := true; more; {
		var label []byte
		if label, piece, more = bytes.Cut(piece, []byte(".")); len(label) <= maxWord && !isSimple(label) && utf8.Valid(label) {
			s, _ := names.ToUnicode(string(label))
			label = []byte(s)
		}
		if out = appendLowered(out, label); more {
			out = append(out, '.')
		}
	}
	return out
}

func appendLowered(out, piece []byte) []byte {
	for len(piece) > 0 {
		r, n := utf8.DecodeRune(piece)
		if r = lowered(r); isWordRune(r) {
			out = utf8.AppendRune(out, r)
		} else {
			out = append(out, ' ')
		}
		piece = piece[n:]
	}
	return out
}

// isSimple reports whether a look-up would map a text to its lower case, for the most
// usual scripts: the table of all others takes its time.
func isSimple(piece []byte) bool {
	for len(piece) > 0 {
		r, n := utf8.DecodeRune(piece)
		latin := 0xc0 <= r && r <= 0x12f
		if r >= utf8.RuneSelf && !latin && !(0x391 <= r && r <= 0x3c1) && !(0x400 <= r && r <= 0x45f) {
			return false
		}
		piece = piece[n:]
	}
	return true
}

// lowered is a rune in lower case, and in half width. Some readers' upper case is the
// same for i with a dot and without, and for s of either form.
func lowered(r rune) rune {
	switch {
	case r == 'ı' || r == 'İ':
		return 'i'
	case r == 'ſ':
		return 's'
	case r == '。' || r == '｡':
		return '.'
	case '！' <= r && r <= '～':
		r -= '！' - '!'
	}
	return unicode.ToLower(r)
}

// isWordByte holds for what names and methods are made of, and the octets of letters in
// UTF-8. All else some reader drops.
var isWordByte = func() (is [256]bool) {
	for c := range is {
		is[c] = 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c >= utf8.RuneSelf
	}
	return is
}()

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return isWordByte[r]
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r))
}
