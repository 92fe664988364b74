package authres

import (
	"bytes"
	"unicode"
)

// pattern finds a word in a text of which a reader may drop any octet that belongs to no
// word, and pass over a part that begins with a parenthesis. All ways to read it are
// followed at once: bit i of normal is set when the first i octets of the word have been
// found, and of inside when besides a parenthesis has been opened since.
type pattern struct {
	length int
	suffix bool       // word octets may stand before it
	places [256]uint8 // which of masks an octet has; 0 for none
	masks  []bits
}

// maxWord is as long as a word can be, in octets; a name in ASCII has at most 253
// (RFC 1035 §2.3.4). No longer one is converted.
const maxWord = 255

type bits [maxWord/64 + 1]uint64

func (b *bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b *bits) isZero() bool   { return *b == bits{} }

func (b bits) or(o bits) bits {
	for i := range b {
		b[i] |= o[i]
	}
	return b
}

// step moves each bit that is in places on by one.
func (b bits) step(places *bits) bits {
	var carry uint64
	for i := range b {
		at := b[i] & places[i]
		b[i] = at<<1 | carry
		carry = at >> 63
	}
	return b
}

// newPattern returns nothing to be found for a word that is too long. The word is in
// lower case; the text need not be.
func newPattern(word string, suffix bool) *pattern {
	p := &pattern{suffix: suffix, masks: make([]bits, 1)}
	for i := range len(word) {
		if isWordByte[word[i]] && p.length <= maxWord { // the others are dropped from the text too
			p.place(word[i])
			p.length++
		}
	}
	if p.length > maxWord {
		p.length = 0
	}
	return p
}

func (p *pattern) place(c byte) {
	if p.places[c] == 0 {
		p.places[c] = uint8(len(p.masks))
		p.masks = append(p.masks, bits{})
		if 'a' <= c && c <= 'z' {
			p.places[c-'a'+'A'] = p.places[c]
		}
	}
	p.masks[p.places[c]].set(p.length)
}

// run is how many octets at the beginning of a text are all in a word, or all in none.
func run(text []byte) int {
	word := isWordByte[text[0]]
	n := 1
	for n < len(text) && isWordByte[text[n]] == word {
		n++
	}
	return n
}

// begins reports whether the text may be read as beginning with the word.
func (p *pattern) begins(text []byte) bool {
	if p.length == 0 {
		return false
	}
	var normal, inside bits
	normal.set(0)
	found := false // the word, and dots behind it
	for len(text) > 0 {
		n := run(text)
		if !isWordByte[text[0]] {
			if (found || normal.has(p.length)) && endsWord(text[:n]) {
				return true
			}
			normal, inside = pass(text[:n], normal, inside)
			text = text[n:]
			continue
		}
		found = false
		for _, c := range text[:n] {
			found = c == '.' && (found || normal.has(p.length))
			start := normal.has(0) && (p.suffix || c == '.')
			normal = normal.step(&p.masks[p.places[c]])
			if start {
				normal.set(0)
			} else if normal.isZero() && !found {
				break // until the next parenthesis, if one was opened
			}
		}
		if normal.isZero() && inside.isZero() && !found {
			return false
		}
		text = text[n:]
	}
	return found || normal.has(p.length)
}

// endsWord reports whether octets of no word may end one. Whoever drops a backslash or
// the end of a comment goes on with the word behind it.
func endsWord(junk []byte) bool { return len(bytes.Trim(junk, `\)`)) > 0 }

// pass moves over octets of no word: they may be dropped, they may open a comment, and
// they may end one.
func pass(junk []byte, normal, inside bits) (bits, bits) {
	normal = normal.or(inside)
	if bytes.IndexByte(junk, '(') >= 0 {
		inside = inside.or(normal)
	}
	return normal, inside
}

// assigned reports whether the text may hold the word as a method: behind it, or behind
// a version, stands an equals sign.
func (p *pattern) assigned(text []byte) bool {
	if p.length == 0 {
		return false
	}
	var normal, inside bits
	normal.set(0)
	version, versionInside := false, false // the same two, with a slash behind the word
	for len(text) > 0 {
		n := run(text)
		if isWordByte[text[0]] {
			for _, c := range text[:n] {
				if normal = normal.step(&p.masks[p.places[c]]); normal.isZero() {
					break
				}
			}
			version = version && isVersion(text[:n])
			text = text[n:]
			continue
		}
		before := normal.has(p.length) || version
		normal, inside = pass(text[:n], normal, inside)
		version = version || versionInside || normal.has(p.length) && bytes.IndexByte(text[:n], '/') >= 0
		// A comment that ends here does so before the equals sign.
		if equals := bytes.LastIndexByte(text[:n], '='); equals >= 0 && (before || equals > 0 && (normal.has(p.length) || version)) {
			return true
		}
		versionInside = versionInside || version && bytes.IndexByte(text[:n], '(') >= 0
		normal.set(0)
		text = text[n:]
	}
	return false
}

// isVersion reports whether a word may be a number, in digits of any script.
func isVersion(word []byte) bool {
	for _, r := range string(word[:min(len(word), 64)]) {
		if !unicode.IsDigit(r) {
			return false
		}
	}
	return true
}
