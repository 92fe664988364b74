package authres

import "unicode"

// pattern finds a word in a text of which a reader may drop any octet that belongs to no
// word, and pass over a part that begins with a parenthesis. All ways to read it are
// followed at once (states).
type pattern struct {
	length int
	cut    bool        // the word goes on: what begins like it is taken for it
	suffix bool        // word octets may stand before it
	masks  [256]uint64 // bit i is set for the octet that is the word's i-th
}

// states are the ways in which a text may have been read so far: bit i of normal is set
// when the first i octets of the word have been found, and of inside when besides a
// parenthesis has been opened since.
type states struct{ normal, inside uint64 }

// maxPattern is how many octets of a word are looked for.
const maxPattern = 63

// maxWord is as long as a name can be, in octets; in ASCII it has at most 253
// (RFC 1035 §2.3.4). No longer one is converted.
const maxWord = 255

// newPattern returns nothing to be found for a name that is too long. The word is in
// lower case; the text need not be.
func newPattern(word string, suffix bool) *pattern {
	p := &pattern{suffix: suffix}
	if len(word) > maxWord {
		return p
	}
	for i := range len(word) {
		c := word[i]
		if !isWordByte[c] {
			continue // the others are dropped from the text too
		}
		if p.length == maxPattern {
			p.cut = true
			break
		}
		p.masks[c] |= 1 << p.length
		if 'a' <= c && c <= 'z' {
			p.masks[c-'a'+'A'] |= 1 << p.length
		}
		p.length++
	}
	return p
}

// step moves on by an octet.
func (p *pattern) step(s *states, c byte) { s.normal = s.normal & p.masks[c] << 1 }

// complete reports whether the whole word may have been found.
func (p *pattern) complete(s *states) bool { return s.normal>>p.length&1 != 0 }

// pass moves over octets of no word: they may be dropped, they may open a comment, and
// they may end one.
func (s *states) pass(opens bool) {
	s.normal |= s.inside
	if opens {
		s.inside |= s.normal
	}
}

// junk are octets of no word, together.
type junk struct {
	n      int
	opens  bool // a comment may begin
	ends   bool // a word may end: whoever drops a backslash or the end of a comment goes on with the word behind it
	slash  bool
	equals int // the offset of the last equals sign, -1 for none
}

// junkOf are the octets of no word at the beginning of a text.
func junkOf(text []byte) junk {
	j := junk{equals: -1}
	for ; j.n < len(text) && !isWordByte[text[j.n]]; j.n++ {
		switch text[j.n] {
		case '\\', ')':
			continue
		case '(':
			j.opens = true
		case '/':
			j.slash = true
		case '=':
			j.equals = j.n
		}
		j.ends = true
	}
	return j
}

// wordOf is how many octets at the beginning of a text are in a word.
func wordOf(text []byte) int {
	n := 0
	for n < len(text) && isWordByte[text[n]] {
		n++
	}
	return n
}

// begins reports whether the text may be read as beginning with the word, and how much of
// it was read to tell.
func (p *pattern) begins(text []byte) (ok bool, read int) {
	if p.length == 0 {
		return false, 0
	}
	whole := len(text)
	s := states{normal: 1}
	found := false // the word, and dots behind it
	for len(text) > 0 {
		if !isWordByte[text[0]] {
			j := junkOf(text)
			if j.ends && (found || p.complete(&s)) {
				return true, whole - len(text)
			}
			s.pass(j.opens)
			text = text[j.n:]
			continue
		}
		n := wordOf(text)
		found = false
		for _, c := range text[:n] {
			found = c == '.' && (found || p.complete(&s))
			start := s.normal & 1
			p.step(&s, c)
			if p.suffix || c == '.' {
				s.normal |= start
			}
			if p.cut && p.complete(&s) {
				return true, whole - len(text)
			}
			if s.normal == 0 && !found {
				break // until the next parenthesis, if one was opened
			}
		}
		if s.normal|s.inside == 0 && !found {
			return false, whole - len(text)
		}
		text = text[n:]
	}
	return found || p.complete(&s), whole
}

// assigned reports whether the text may hold the word as a method: behind it, or behind
// a version, stands an equals sign.
func (p *pattern) assigned(text []byte) bool {
	if p.length == 0 {
		return false
	}
	s := states{normal: 1}
	version, versionInside := false, false // the same two, with a slash behind the word
	for len(text) > 0 {
		if n := wordOf(text); n > 0 {
			for _, c := range text[:n] {
				if p.step(&s, c); s.normal == 0 {
					break
				}
			}
			version = version && isVersion(text[:n])
			text = text[n:]
			continue
		}
		j := junkOf(text)
		before := p.complete(&s) || version
		s.pass(j.opens)
		found := p.complete(&s)
		version = version || versionInside || found && j.slash
		// A comment that ends here does so before the equals sign.
		if j.equals >= 0 && (before || j.equals > 0 && (found || version)) {
			return true
		}
		versionInside = versionInside || version && j.opens
		s.normal |= 1
		text = text[j.n:]
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
