package header

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Mailbox is one address: the local part without quotes or backslashes and
// the domain, both as written otherwise (letter case, UTF-8 of RFC 6532, a
// domain literal with its brackets).
type Mailbox struct {
	Local, Domain string
}

// String returns the mailbox as "local@domain".
func (m Mailbox) String() string { return m.Local + "@" + m.Domain }

// Errors of the address functions.
var (
	ErrNoAddress     = errors.New("no address")
	ErrAddressSyntax = errors.New("syntax error in address")
)

// Address returns the first mailbox of the value of a From, Sender or similar
// field. ErrNoAddress when there is none, ErrAddressSyntax when the text is
// broken before the end of the first mailbox.
func Address(value []byte) (local, domain string, err error) {
	var first Mailbox
	found := false
	err = eachAddress(value, func(m Mailbox) bool {
		first, found = m, true
		return false
	})
	switch {
	case err != nil:
		return "", "", err
	case !found:
		return "", "", ErrNoAddress
	}
	return first.Local, first.Domain, nil
}

// Addresses returns all mailboxes of an address list, those inside groups too.
// The work is linear in the length of value. When the list is broken
// somewhere, the mailboxes before that place come with ErrAddressSyntax; a
// list without a mailbox is ErrNoAddress.
//
// Parts of the list without "@" are passed over: they come from display names
// with an unquoted comma ("Doe, John <john@example.com>").
func Addresses(value []byte) ([]Mailbox, error) {
	var all []Mailbox
	err := eachAddress(value, func(m Mailbox) bool {
		all = append(all, m)
		return true
	})
	if err == nil && len(all) == 0 {
		err = ErrNoAddress
	}
	return all, err
}

// addressParser walks over an address list once. It understands RFC 5322
// §3.4 with its obsolete forms (routes, white space and comments around
// dots) and RFC 6532, and display names that nobody quoted.
type addressParser struct {
	in  []byte
	pos int

	text    []byte // the address so far, of the part being read
	at      int    // offset of its "@" in text, -1 when none was seen
	several bool   // more than one "@"
	words   bool   // two words with nothing but blanks between them
	blank   bool   // blanks or a comment were just read
	bad     bool   // bytes no address may have
	literal bool   // a domain literal was read

	brackets int // "<" beyond one before an address, whose ">" are still to come
}

// eachAddress calls yield for each mailbox until it returns false.
func eachAddress(value []byte, yield func(Mailbox) bool) error {
	p := addressParser{in: value}
	p.clear()
	angle := false // "<...>" of this part is done; the rest of it is passed over
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		switch c {
		case '<':
			if angle {
				return ErrAddressSyntax
			}
			m, ok, err := p.angle()
			if err != nil {
				return err
			}
			angle = true
			if ok && !yield(m) {
				return nil
			}
		case ':': // what came before names a group
			if p.at > 0 { // and no mailbox
				return ErrAddressSyntax
			}
			p.pos++
			p.clear()
		case ',', ';':
			p.pos++
			if more, err := p.end(angle, yield); err != nil || !more {
				return err
			}
			angle = false
		case '>':
			if p.brackets == 0 {
				return ErrAddressSyntax
			}
			p.pos++
			p.brackets--
		default:
			if err := p.token(c); err != nil {
				return err
			}
		}
	}
	_, err := p.end(angle, yield)
	return err
}

// end ends a part of the list, whose mailbox stood in "<...>" or not. It reports whether
// more are wanted.
func (p *addressParser) end(angle bool, yield func(Mailbox) bool) (more bool, err error) {
	defer p.clear()
	if angle {
		if p.at >= 0 { // "<a@b> c@d": who knows which of them a reader takes
			return false, ErrAddressSyntax
		}
		return true, nil
	}
	m, ok, err := p.mailbox()
	if err != nil {
		return false, err
	}
	return !ok || yield(m), nil
}

func (p *addressParser) clear() {
	p.text, p.at = p.text[:0], -1
	p.several, p.words, p.blank, p.bad, p.literal = false, false, false, false, false
}

// angle reads "<...>", or "<<...>" of "<<...>>". What was collected before it was a display name.
func (p *addressParser) angle() (Mailbox, bool, error) {
	p.pos++
	p.clear()
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		switch c {
		case '>':
			p.pos++
			m, ok, err := p.mailbox()
			p.clear()
			return m, ok, err
		case '<', ';':
			if c == ';' || len(p.text) > 0 {
				return Mailbox{}, false, ErrAddressSyntax
			}
			p.pos++
			p.brackets++ // Compat(opendkim 2.11): "<<a@b>>" is taken for "<a@b>"
		case ',', ':': // RFC 5322 §4.4: a route, "<@a,@b:user@host>"
			if p.at != 0 {
				return Mailbox{}, false, ErrAddressSyntax
			}
			p.pos++
			p.clear()
			if c == ',' {
				p.text, p.at = append(p.text, '@'), 0 // still inside the route
			}
		default:
			if err := p.token(c); err != nil {
				return Mailbox{}, false, err
			}
		}
	}
	// Compat(opendkim 2.11): a missing ">" at the end of the field is forgiven.
	m, ok, err := p.mailbox()
	p.clear()
	return m, ok, err
}

// mailbox makes a mailbox of what was collected; ok is false when that was
// not an address at all.
func (p *addressParser) mailbox() (m Mailbox, ok bool, err error) {
	if p.at < 0 {
		return m, false, nil
	}
	local, domain := p.text[:p.at], p.text[p.at+1:]
	if p.several || p.words || p.bad || len(local) == 0 || len(domain) == 0 || p.literal && domain[len(domain)-1] != ']' {
		return m, false, ErrAddressSyntax
	}
	return Mailbox{Local: string(local), Domain: string(domain)}, true, nil
}

// token reads one token that means the same inside and outside of "<...>".
func (p *addressParser) token(c byte) error {
	switch c {
	case ' ', '\t', '\r', '\n':
		p.pos++
		p.blank = true
		return nil
	case '(':
		p.blank = true
		return p.comment()
	case '"':
		return p.quoted()
	case '[':
		return p.domainLiteral()
	case '@':
		p.pos++
		if p.at >= 0 {
			p.several = true
		} else {
			p.at = len(p.text)
		}
		p.text = append(p.text, '@')
		return nil
	}
	p.atom()
	return nil
}

// joins notes whether a word may follow what was collected.
func (p *addressParser) joins(c byte) {
	if p.blank && len(p.text) > 0 && c != '.' {
		if last := p.text[len(p.text)-1]; last != '.' && last != '@' {
			p.words = true
		}
	}
	p.blank = false
}

// atom reads up to the next byte with a meaning of its own.
func (p *addressParser) atom() {
	start := p.pos
	p.joins(p.in[start])
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		if strings.IndexByte(" \t\r\n()<>[]:;@,\"", c) >= 0 && !(c == ']' || c == ')') {
			break
		}
		if c < ' ' || c == 0x7f || c == ']' || c == ')' || c == '\\' {
			p.bad = true
		}
		p.pos++
	}
	word := p.in[start:p.pos]
	if !utf8.Valid(word) {
		p.bad = true
	}
	p.text = append(p.text, word...)
}

// quoted reads a quoted string and collects what it stands for.
func (p *addressParser) quoted() error {
	p.joins('"')
	if p.at >= 0 {
		p.bad = true // a domain is never quoted
	}
	for p.pos++; p.pos < len(p.in); p.pos++ {
		c := p.in[p.pos]
		switch c {
		case '"':
			p.pos++
			return nil
		case '\\':
			if p.pos++; p.pos == len(p.in) {
				return ErrAddressSyntax
			}
			c = p.in[p.pos]
		case '\r', '\n':
			continue // folding is not part of the text
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			p.bad = true
		}
		p.text = append(p.text, c)
	}
	return ErrAddressSyntax
}

// comment passes over a comment, nested ones and quoted pairs included.
func (p *addressParser) comment() error {
	depth := 0
	for ; p.pos < len(p.in); p.pos++ {
		switch p.in[p.pos] {
		case '\\':
			p.pos++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				p.pos++
				return nil
			}
		}
	}
	return ErrAddressSyntax
}

// domainLiteral reads "[...]".
func (p *addressParser) domainLiteral() error {
	if p.at < 0 || p.at != len(p.text)-1 {
		p.bad = true
	}
	p.literal = true
	for ; p.pos < len(p.in); p.pos++ {
		c := p.in[p.pos]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			continue
		}
		if !isLiteralByte(c) {
			p.bad = true
		}
		p.text = append(p.text, c)
		if c == ']' {
			p.pos++
			return nil
		}
	}
	return ErrAddressSyntax
}

// isLiteralByte reports what an address literal is made of (RFC 5321 §4.1.3).
// RFC 5322 allows more within brackets, none of which names a host.
func isLiteralByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == ':' || c == '.' || c == '-' || c == '[' || c == ']'
}

// URLAddress returns the first mailbox of the value of a field of URLs, such as
// List-Post (RFC 2369 §2), whose addresses are "<mailto:joe@example.com?subject=x>"
// (RFC 6068). ErrNoAddress when no URL names a mailbox.
func URLAddress(value []byte) (local, domain string, err error) {
	const scheme = "mailto:"
	text := string(value)
	at := strings.Index(strings.ToLower(text), scheme)
	if at < 0 || len(text) != len(strings.ToLower(text)) {
		return "", "", ErrNoAddress
	}
	text = text[at+len(scheme):]
	if end := strings.IndexAny(text, ">?#"); end >= 0 {
		text = text[:end]
	}
	if plain, err := url.PathUnescape(strings.Join(strings.Fields(text), "")); err == nil {
		text = plain
	}
	return Address([]byte(text))
}
