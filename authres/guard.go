package authres

import (
	"bytes"
	"strings"
)

// Guard finds the fields that some reader may take for ours. Readers of this field
// differ: some drop quotes, backslashes and parentheses wherever they stand, some know
// no escapes in comments, some decode it first. So the guard reads with more goodwill
// than any of them: a field whose name is written plainly bears that name and no other,
// and one in any other form is ours when its octets can be read so (RFC 8601 §5).
type Guard struct {
	names    map[string]bool // canonical
	suffixes []string        // ".example.com", canonical
	forms    []*pattern      // of all of these
	methods  []*pattern
	all      bool
	effort   int // octets of names that were converted
	reread   int // octets of fields not written plainly in which methods were looked for
}

// maxEffort bounds the conversions of names in all fields that one guard looks at, and how
// far it looks for a name behind comments: the fields of honest mail have a few dozen
// octets of that. A guard that is tired takes what is hard to read for what it looks for.
const maxEffort = 4096

func (g *Guard) tired() bool { return g.effort > maxEffort }

// NewGuard returns a guard of names, each a whole authserv-id or ".domain" for all
// below that, and of methods whose results only their bearers write; none for every
// method. It is for the fields of one message, and not for use by several goroutines.
func NewGuard(names, methods []string) *Guard {
	g := &Guard{names: map[string]bool{}, all: len(methods) == 0}
	for _, name := range names {
		canonical := canonicalName(name)
		suffix := strings.HasPrefix(canonical, ".")
		switch {
		case strings.Trim(canonical, ".") == "":
			continue
		case suffix:
			g.suffixes = append(g.suffixes, canonical)
		default:
			g.names[canonical] = true
		}
		for _, form := range formsOf(canonical) {
			g.forms = append(g.forms, newPattern(form, suffix))
		}
	}
	for _, method := range methods {
		g.methods = append(g.methods, newPattern(strings.ToLower(method), false))
	}
	return g
}

// Forged reports whether a field's value may pass for one that we wrote: it can be read
// as bearing a name, and has a result of one of the methods anywhere in it or cannot be
// parsed. err is that of Parse, which is not asked when the field goes anyway. Time is
// linear in the length of the value.
func (g *Guard) Forged(value []byte) (forged bool, err error) {
	claims, texts := g.claims(value)
	if claims && (g.all || g.tells(value, texts)) {
		return true, nil
	}
	_, err = Parse(value)
	return claims && err != nil, err
}

// claims reports whether some reader may find one of the names in a field's value, and
// returns the readings that it took for that.
func (g *Guard) claims(value []byte) (claims bool, texts [][]byte) {
	if id, ok := plainID(value); ok {
		return g.bears(id), nil
	}
	texts = g.readings(value)
	for _, text := range texts {
		if id, ok := plainID(text); ok && g.bears(id) {
			return true, texts
		}
		for _, form := range g.forms {
			if g.finds(form, text) {
				return true, texts
			}
		}
	}
	return g.tired() || hidesName(texts[0]), texts
}

// finds reports whether a text may be read as beginning with a word. Names stand at the
// beginning: only comments without end have a guard read on.
func (g *Guard) finds(form *pattern, text []byte) bool {
	const octets = 4 // read for the effort of converting one
	room := max(0, maxEffort+1-g.effort) * octets
	found, read := form.begins(text[:min(room, len(text))])
	g.effort += read / octets
	return found || g.tired()
}

// tells reports whether a result of one of the methods stands anywhere in a value, in
// quotes and comments too.
func (g *Guard) tells(value []byte, texts [][]byte) bool {
	hard := texts != nil
	if !hard {
		texts = g.readings(value)
	}
	for _, text := range texts {
		if hard {
			g.reread += len(text)
		}
		if text == nil || hard && g.reread > 4*maxEffort {
			return true // is too hard to read
		}
		for _, method := range g.methods {
			if method.assigned(text) {
				return true
			}
		}
	}
	return false
}

// bears reports whether a name is one of the guarded.
func (g *Guard) bears(id string) bool {
	if id = strings.ToLower(id); strings.Contains(id, "xn--") || !isASCII(id) {
		if g.tired() {
			return true
		}
		g.effort += len(id)
	}
	canonical := canonicalName(id)
	if g.names[canonical] {
		return true
	}
	for _, suffix := range g.suffixes {
		if len(canonical) > len(suffix) && strings.HasSuffix(canonical, suffix) {
			return true
		}
	}
	return false
}

// plainID is the authserv-id of a value in which every reader finds the same one: a
// token of ASCII or a quoted string without escapes, before it and behind it nothing
// but blanks and comments without escapes, then a version or none, and then a semicolon
// or the end. ok is false for any other form.
func plainID(value []byte) (id string, ok bool) {
	l := &lexer{in: value}
	if !l.plainCFWS() {
		return "", false
	}
	if l.peek() == '"' {
		if id, ok = l.plainQuoted(); !ok {
			return "", false
		}
	} else if id = l.run(isPlainIDByte); !isDotAtom(id) {
		return "", false
	}
	before := l.pos
	if !l.plainCFWS() {
		return "", false
	}
	if l.pos > before && isDigit(l.peek()) {
		l.run(isDigit)
		if !l.plainCFWS() {
			return "", false
		}
	}
	return id, l.end() || l.peek() == ';'
}

func isPlainIDByte(c byte) bool { return c < 0x80 && isNameByte(c) }

// plainCFWS moves past blanks, folds and balanced comments of printable octets without
// backslashes, and reports whether there was nothing else that looks like them.
func (l *lexer) plainCFWS() bool {
	depth := 0
	for i, c := range l.in[l.pos:] {
		switch {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return false
			}
		case isSpace(c):
		case depth == 0:
			l.pos += i
			return true
		case c == '\\' || c < ' ' || c == 0x7f:
			return false
		}
	}
	l.pos = len(l.in)
	return depth == 0
}

// plainQuoted takes a quoted string of printable ASCII without backslashes. One that
// begins with a parenthesis is a comment to OpenDMARC.
func (l *lexer) plainQuoted() (string, bool) {
	rest := l.in[l.pos+1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return "", false
	}
	content := rest[:end]
	for _, c := range content {
		if c < ' ' || c >= 0x7f || c == '\\' || c == '(' || c == ')' {
			return "", false
		}
	}
	l.pos += end + 2
	return string(bytes.Trim(content, " ")), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
