package authres

import "unicode"

// pattern finds a word in a text of which a reader may drop any rune that belongs to no
// word, and pass over a part that begins with a parenthesis. All ways to read it are
// followed at once: bit i of normal is set when the first i runes of the word have been
// found, and of inside when besides a parenthesis has been opened since.
type pattern struct {
	word   []rune
	suffix bool // word runes may stand before it
	places map[rune]bits
}

// maxWord is as long as a word can be; a name in ASCII has at most 253 octets
// (RFC 1035 §2.3.4).
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
func (b bits) step(places bits) bits {
	var carry uint64
	for i := range b {
		at := b[i] & places[i]
		b[i] = at<<1 | carry
		carry = at >> 63
	}
	return b
}

// newPattern returns nothing to be found for a word that is too long.
func newPattern(word string, suffix bool) *pattern {
	p := &pattern{suffix: suffix, places: map[rune]bits{}}
	for _, r := range word {
		if isWordRune(r) { // the others are dropped from the text too
			p.word = append(p.word, r)
		}
	}
	if len(p.word) > maxWord {
		p.word = nil
	}
	for i, r := range p.word {
		b := p.places[r]
		b.set(i)
		p.places[r] = b
	}
	return p
}

// begins reports whether the text may be read as beginning with the word.
func (p *pattern) begins(text []rune) bool {
	n := len(p.word)
	if n == 0 {
		return false
	}
	var normal, inside bits
	normal.set(0)
	found := false // the word, and dots behind it
	for _, r := range text {
		if !isWordRune(r) {
			if found || normal.has(n) {
				return true
			}
			normal, inside = pass(r, normal, inside)
			continue
		}
		found = r == '.' && (found || normal.has(n))
		start := normal.has(0) && (p.suffix || r == '.')
		normal = normal.step(p.places[r])
		if start {
			normal.set(0)
		}
		if normal.isZero() && inside.isZero() && !found {
			return false
		}
	}
	return found || normal.has(n)
}

// pass moves over a rune of no word: it may be dropped, it may open a comment, and it
// may end one.
func pass(r rune, normal, inside bits) (bits, bits) {
	if r == '(' {
		inside = inside.or(normal)
	}
	return normal.or(inside), inside
}

// assigned reports whether the text may hold the word as a method: behind it, or behind
// a version, stands an equals sign.
func (p *pattern) assigned(text []rune) bool {
	n := len(p.word)
	if n == 0 {
		return false
	}
	var normal, inside bits
	normal.set(0)
	version, versionInside := false, false // the same two, with a slash behind the word
	for _, r := range text {
		if isWordRune(r) {
			normal = normal.step(p.places[r])
			version = version && unicode.IsDigit(r)
			continue
		}
		if r == '=' && (normal.has(n) || version) {
			return true
		}
		normal, inside = pass(r, normal, inside)
		version = version || versionInside || r == '/' && normal.has(n)
		versionInside = versionInside || r == '(' && version
		normal.set(0)
	}
	return false
}
