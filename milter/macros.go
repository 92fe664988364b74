package milter

import "bytes"

// macroOrder is the order in which stages follow each other, by the command that
// a stage's macros belong to. Lookups go from the last to the first.
const macroOrder = "CHMRTLNBEU"

// firstMessageMacro is where the macros of a message begin.
const firstMessageMacro = 2

func macroIndex(command byte) int {
	for i := range len(macroOrder) {
		if macroOrder[i] == command {
			return i
		}
	}
	return -1
}

// macroStore keeps the macro frames of a connection as they came, in one buffer;
// names are looked for when asked.
type macroStore struct {
	buf  []byte
	span [len(macroOrder)]struct{ from, to int32 }
	// mailIsNew: macros for MAIL came and MAIL itself has not yet.
	mailIsNew bool
}

// set replaces a stage's macros. Pairs are name NUL value NUL.
func (m *macroStore) set(command byte, pairs []byte, limit int) error {
	stage := macroIndex(command)
	if stage < 0 {
		return protocolError(CommandMacro, "macros for %s", CommandName(command))
	}
	if n := bytes.Count(pairs, []byte{0}); n%2 != 0 || len(pairs) > 0 && pairs[len(pairs)-1] != 0 {
		return protocolError(CommandMacro, "name or value without NUL")
	}
	if command == CommandMail {
		m.clearFrom(firstMessageMacro)
		m.mailIsNew = true
	}
	m.drop(stage)
	if len(m.buf)+len(pairs) > limit {
		return protocolError(CommandMacro, "more than %d octets of macros", limit)
	}
	from := int32(len(m.buf))
	m.buf = append(m.buf, pairs...)
	m.span[stage].from, m.span[stage].to = from, int32(len(m.buf))
	return nil
}

// drop removes a stage's macros from the buffer.
func (m *macroStore) drop(stage int) {
	from, to := m.span[stage].from, m.span[stage].to
	m.span[stage].from, m.span[stage].to = 0, 0
	m.buf = append(m.buf[:from], m.buf[to:]...)
	for i := range m.span {
		if m.span[i].from >= to {
			m.span[i].from -= to - from
			m.span[i].to -= to - from
		}
	}
}

func (m *macroStore) clearFrom(stage int) {
	for i := len(macroOrder) - 1; i >= stage; i-- {
		m.drop(i)
	}
	if len(m.buf) == 0 && cap(m.buf) > 4096 {
		m.buf = nil
	}
}

// startMessage is called at MAIL: what is left of an earlier message goes.
func (m *macroStore) startMessage() {
	if !m.mailIsNew {
		m.clearFrom(firstMessageMacro)
	}
	m.mailIsNew = false
}

// endMessage forgets the message's macros, but not those for a MAIL to come.
func (m *macroStore) endMessage() {
	if !m.mailIsNew {
		m.clearFrom(firstMessageMacro)
	}
}

// lookup finds a macro by name, with or without braces.
func (m *macroStore) lookup(name string) ([]byte, bool) {
	name = bareMacro(name)
	for i := len(m.span) - 1; i >= 0; i-- {
		pairs := m.buf[m.span[i].from:m.span[i].to]
		for len(pairs) > 0 {
			n := bytes.IndexByte(pairs, 0)
			key := pairs[:n]
			pairs = pairs[n+1:]
			n = bytes.IndexByte(pairs, 0)
			value := pairs[:n:n]
			pairs = pairs[n+1:]
			if len(key) >= 2 && key[0] == '{' && key[len(key)-1] == '}' {
				key = key[1 : len(key)-1]
			}
			if string(key) == name {
				return value, true
			}
		}
	}
	return nil, false
}

func bareMacro(name string) string {
	if len(name) >= 2 && name[0] == '{' && name[len(name)-1] == '}' {
		return name[1 : len(name)-1]
	}
	return name
}
