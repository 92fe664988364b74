package script

import (
	lua "github.com/yuin/gopher-lua"
)

// Bounds of patterns.
const (
	maxCaptures      = 32
	maxPatternDepth  = 200
	stepsInstruction = 4 // steps of matching that count as one instruction
)

// What a capture's length may be besides a length.
const (
	captureOpen     = -1
	capturePosition = -2
)

// matcher matches one Lua pattern (Lua 5.1 manual §5.4.1, and %f). It counts its
// steps, since a pattern can take exponential time.
type matcher struct {
	l        *lua.LState
	meter    *meter
	text     string
	pattern  string
	captures []struct{ start, length int }
	depth    int
	steps    int
}

func (m *matcher) fail(format string, args ...any) { m.l.RaiseError(format, args...) }

func (m *matcher) step() {
	if m.steps++; m.steps >= 1024*stepsInstruction {
		m.flush()
	}
}

// flush lets the meter know of the steps so far.
func (m *matcher) flush() {
	n := m.steps/stepsInstruction + 1
	m.steps = 0
	m.meter.spend(m.l, n)
}

// try matches the whole pattern at one place and returns the end, or -1.
func (m *matcher) try(start, p int) int {
	m.captures = m.captures[:0]
	m.depth = 0
	return m.match(start, p)
}

func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxPatternDepth {
		m.fail("pattern too complex")
	}
	defer func() { m.depth-- }()
	for {
		m.step()
		if p == len(m.pattern) {
			return s
		}
		switch c := m.pattern[p]; {
		case c == '(':
			return m.open(s, p)
		case c == ')':
			return m.close(s, p+1)
		case c == '$' && p+1 == len(m.pattern):
			if s == len(m.text) {
				return s
			}
			return -1
		case c == '%' && p+1 < len(m.pattern):
			after, end, found := m.escape(s, p)
			if after < 0 {
				return -1
			}
			if found {
				s, p = after, end
				continue
			}
		}
		end := m.classEnd(p)
		suffix := byte(0)
		if end < len(m.pattern) {
			suffix = m.pattern[end]
		}
		switch suffix {
		case '*':
			return m.most(s, p, end, 0)
		case '+':
			return m.most(s, p, end, 1)
		case '-':
			return m.least(s, p, end)
		case '?':
			if m.single(s, p, end) {
				if r := m.match(s+1, end+1); r >= 0 {
					return r
				}
			}
			p = end + 1
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s, p = s+1, end
		}
	}
}

// escape matches what "%" begins, other than a class: %b, %f and %1. It returns where
// text and pattern go on, -1 where it does not match.
func (m *matcher) escape(s, p int) (after, end int, found bool) {
	switch next := m.pattern[p+1]; {
	case next == 'b':
		return m.balance(s, p+2), p + 4, true
	case next == 'f':
		end, ok := m.frontier(s, p+2)
		if !ok {
			return -1, 0, true
		}
		return s, end, true
	case next >= '0' && next <= '9':
		return m.backReference(s, next), p + 2, true
	}
	return s, p, false
}

// most takes as many as possible, at least minimum.
func (m *matcher) most(s, p, end, minimum int) int {
	n := 0
	for m.single(s+n, p, end) {
		m.step()
		n++
	}
	for ; n >= minimum; n-- {
		if r := m.match(s+n, end+1); r >= 0 {
			return r
		}
	}
	return -1
}

// least takes as few as possible.
func (m *matcher) least(s, p, end int) int {
	for {
		if r := m.match(s, end+1); r >= 0 {
			return r
		}
		if !m.single(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *matcher) open(s, p int) int {
	length := captureOpen
	p++
	if p < len(m.pattern) && m.pattern[p] == ')' {
		length = capturePosition
		p++
	}
	if len(m.captures) >= maxCaptures {
		m.fail("too many captures")
	}
	n := len(m.captures)
	m.captures = append(m.captures, struct{ start, length int }{s, length})
	r := m.match(s, p)
	if r < 0 {
		m.captures = m.captures[:n]
	}
	return r
}

func (m *matcher) close(s, p int) int {
	for i := len(m.captures) - 1; i >= 0; i-- {
		c := &m.captures[i]
		if c.length != captureOpen {
			continue
		}
		c.length = s - c.start
		r := m.match(s, p)
		if r < 0 {
			m.captures[i].length = captureOpen
		}
		return r
	}
	m.fail("invalid pattern capture")
	return -1
}

func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pattern) {
		m.fail("unbalanced pattern")
	}
	if s >= len(m.text) || m.text[s] != m.pattern[p] {
		return -1
	}
	open, closing, depth := m.pattern[p], m.pattern[p+1], 1
	for s++; s < len(m.text); s++ {
		m.step()
		switch m.text[s] {
		case closing:
			if depth--; depth == 0 {
				return s + 1
			}
		case open:
			depth++
		}
	}
	return -1
}

func (m *matcher) frontier(s, p int) (next int, ok bool) {
	if p >= len(m.pattern) || m.pattern[p] != '[' {
		m.fail("%s", "missing '[' after '%f' in pattern")
	}
	end := m.classEnd(p)
	before, here := byte(0), byte(0)
	if s > 0 {
		before = m.text[s-1]
	}
	if s < len(m.text) {
		here = m.text[s]
	}
	return end, !m.inSet(before, p, end-1) && m.inSet(here, p, end-1)
}

func (m *matcher) backReference(s int, digit byte) int {
	i := int(digit) - '1'
	if i < 0 || i >= len(m.captures) || m.captures[i].length < 0 {
		m.fail("invalid capture index")
	}
	text := m.text[m.captures[i].start:][:m.captures[i].length]
	if len(m.text)-s < len(text) || m.text[s:s+len(text)] != text {
		return -1
	}
	m.steps += len(text)
	return s + len(text)
}

// classEnd is the offset behind the single-character class at p.
func (m *matcher) classEnd(p int) int {
	c := m.pattern[p]
	p++
	switch c {
	case '%':
		if p == len(m.pattern) {
			m.fail("%s", "malformed pattern (ends with '%')")
		}
		return p + 1
	case '[':
		if p < len(m.pattern) && m.pattern[p] == '^' {
			p++
		}
		for first := true; first || p < len(m.pattern) && m.pattern[p] != ']'; first = false {
			m.steps++
			if p >= len(m.pattern) {
				m.fail("malformed pattern (missing ']')")
			}
			if m.pattern[p] == '%' {
				p++
			}
			p++
		}
		if p >= len(m.pattern) {
			m.fail("malformed pattern (missing ']')")
		}
		return p + 1
	}
	return p
}

// single reports whether the character at s is of the class in [p, end).
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.text) {
		return false
	}
	switch c := m.text[s]; m.pattern[p] {
	case '.':
		return true
	case '%':
		return inClass(c, m.pattern[p+1])
	case '[':
		m.steps += (end - p) / 8
		return m.inSet(c, p, end-1)
	default:
		return m.pattern[p] == c
	}
}

// inSet matches a set; last is the offset of its "]".
func (m *matcher) inSet(c byte, p, last int) bool {
	p++
	found := true
	if m.pattern[p] == '^' {
		found = false
		p++
	}
	for ; p < last; p++ {
		switch {
		case m.pattern[p] == '%':
			p++
			if inClass(c, m.pattern[p]) {
				return found
			}
		case p+2 < last && m.pattern[p+1] == '-':
			if m.pattern[p] <= c && c <= m.pattern[p+2] {
				return found
			}
			p += 2
		case m.pattern[p] == c:
			return found
		}
	}
	return !found
}

// inClass matches a class letter; a capital one is the complement.
func inClass(c, class byte) bool {
	lower := class | 0x20
	var in bool
	switch lower {
	case 'a':
		in = isLetter(c)
	case 'd':
		in = isDigit(c)
	case 'l':
		in = c >= 'a' && c <= 'z'
	case 'u':
		in = c >= 'A' && c <= 'Z'
	case 's':
		in = c == ' ' || c >= '\t' && c <= '\r'
	case 'c':
		in = c < ' ' || c == 0x7f
	case 'p':
		in = c > ' ' && c < 0x7f && !isLetter(c) && !isDigit(c)
	case 'g':
		in = c > ' ' && c < 0x7f
	case 'w':
		in = isLetter(c) || isDigit(c)
	case 'x':
		in = isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f'
	default:
		return class == c
	}
	return in == (class == lower)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
