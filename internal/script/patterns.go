package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// capture is a capture's value; without any in the pattern, the whole match is
// the first.
func (m *matcher) capture(i, start, end int) lua.LValue {
	if i >= len(m.captures) {
		if i != 0 {
			m.fail("invalid capture index")
		}
		return lua.LString(m.text[start:end])
	}
	c := m.captures[i]
	switch c.length {
	case capturePosition:
		return lua.LNumber(c.start + 1)
	case captureOpen:
		m.fail("unfinished capture")
	}
	return lua.LString(m.text[c.start:][:c.length])
}

// pushCaptures pushes all captures, or with whole, if there are none, the match.
func (m *matcher) pushCaptures(start, end int, whole bool) int {
	n := len(m.captures)
	if n == 0 && whole {
		n = 1
	}
	for i := range n {
		m.l.Push(m.capture(i, start, end))
	}
	return n
}

func (r *run) newMatcher(l *lua.LState, text, pattern string) *matcher {
	return &matcher{l: l, meter: r.meter, text: text, pattern: pattern}
}

func (r *run) find(l *lua.LState) int  { return r.search(l, true) }
func (r *run) match(l *lua.LState) int { return r.search(l, false) }

// search is string.find and string.match.
func (r *run) search(l *lua.LState, find bool) int {
	text, pattern, start := l.CheckString(1), l.CheckString(2), l.OptInt(3, 1)
	if start < 0 {
		start = max(len(text)+start+1, 1)
	}
	start = max(start, 1) - 1
	if start > len(text) {
		l.Push(lua.LNil)
		return 1
	}
	if find && (l.ToBool(4) || !strings.ContainsAny(pattern, "^$*+?.([%-")) {
		r.meter.spend(l, (len(text)-start)/64)
		i := strings.Index(text[start:], pattern)
		if i < 0 {
			l.Push(lua.LNil)
			return 1
		}
		l.Push(lua.LNumber(start + i + 1))
		l.Push(lua.LNumber(start + i + len(pattern)))
		return 2
	}
	m := r.newMatcher(l, text, pattern)
	defer m.flush()
	p := 0
	if strings.HasPrefix(pattern, "^") {
		p = 1
	}
	for s := start; s <= len(text); s++ {
		end := m.try(s, p)
		if end >= 0 && find {
			l.Push(lua.LNumber(s + 1))
			l.Push(lua.LNumber(end))
			return 2 + m.pushCaptures(s, end, false)
		}
		if end >= 0 {
			return m.pushCaptures(s, end, true)
		}
		if p == 1 {
			break
		}
	}
	l.Push(lua.LNil)
	return 1
}

// gmatch is string.gmatch.
func (r *run) gmatch(l *lua.LState) int {
	text, pattern := l.CheckString(1), l.CheckString(2)
	position, last := 0, -1
	l.Push(l.NewFunction(func(l *lua.LState) int {
		m := r.newMatcher(l, text, pattern)
		defer m.flush()
		for s := position; s <= len(text); s++ {
			end := m.try(s, 0)
			if end < 0 || end == last {
				continue
			}
			position, last = end, end
			return m.pushCaptures(s, end, true)
		}
		l.Push(lua.LNil)
		return 1
	}))
	return 1
}

// gsub is string.gsub.
func (r *run) gsub(l *lua.LState) int {
	text, pattern, replacement := l.CheckString(1), l.CheckString(2), l.Get(3)
	switch replacement.Type() {
	case lua.LTString, lua.LTNumber, lua.LTTable, lua.LTFunction:
	default:
		l.ArgError(3, "string/function/table expected")
	}
	limit := l.OptInt(4, len(text)+1)
	m := r.newMatcher(l, text, pattern)
	p := 0
	if strings.HasPrefix(pattern, "^") {
		p = 1
	}
	var out strings.Builder
	write := func(part string) {
		r.meter.allocate(l, len(part))
		out.WriteString(part)
	}
	count, s, last := 0, 0, -1
	for count < limit {
		end := m.try(s, p)
		switch {
		case end >= 0 && end != last: // as in Lua 5.3, no empty match at the end of another
			count++
			write(m.replacement(replacement, s, end))
			s, last = end, end
		case s < len(text):
			write(text[s : s+1])
			s++
		default:
			limit = 0
		}
		if p == 1 {
			break
		}
	}
	m.flush()
	if s < len(text) {
		write(text[s:])
	}
	l.Push(lua.LString(out.String()))
	l.Push(lua.LNumber(count))
	return 2
}

// replacement is what takes the place of one match.
func (m *matcher) replacement(with lua.LValue, start, end int) string {
	var value lua.LValue
	switch with := with.(type) {
	case *lua.LTable:
		value = m.l.GetTable(with, m.capture(0, start, end))
	case *lua.LFunction:
		captures := append(m.captures[:0:0], m.captures...)
		m.l.Push(with)
		n := m.pushCaptures(start, end, true)
		m.l.Call(n, 1)
		value = m.l.Get(-1)
		m.l.Pop(1)
		m.captures = captures
	default:
		return m.expand(with.String(), start, end)
	}
	if lua.LVIsFalse(value) {
		return m.text[start:end]
	}
	if !isText(value) {
		m.fail("invalid replacement value (a %s)", value.Type())
	}
	return value.String()
}

// expand fills captures into a replacement text: %0 is the match, %1 to %9 are
// captures.
func (m *matcher) expand(with string, start, end int) string {
	if !strings.Contains(with, "%") {
		return with
	}
	var out strings.Builder
	for i := 0; i < len(with); i++ {
		if with[i] != '%' || i+1 == len(with) {
			out.WriteByte(with[i])
			continue
		}
		i++
		switch c := with[i]; {
		case c == '0':
			m.meter.allocate(m.l, end-start)
			out.WriteString(m.text[start:end])
		case isDigit(c):
			part := m.capture(int(c-'1'), start, end).String()
			m.meter.allocate(m.l, len(part))
			out.WriteString(part)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
