package bre

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// translator writes a basic expression as one of Go's.
type translator struct {
	in  string
	pos int
	out strings.Builder

	groups []int // offsets of the "\(" that are open
	done   int   // groups closed
	// fresh: nothing to repeat stands before; "*" is itself there (IEEE 1003.1 §9.3.3).
	// anchor: "^" is an anchor there.
	fresh, anchor bool
	atom          int  // where the last atom begins in out, -1 for none
	word          bool // the last atom is a letter of words, for "\>"
	repeated      bool // it is repeated: the C library takes no "*" and no "\{" then
}

func (p *translator) fail(text string, args ...any) error {
	return &SyntaxError{p.pos, fmt.Sprintf(text, args...), nil}
}

func (p *translator) unsupported(text string, args ...any) error {
	return &SyntaxError{p.pos, fmt.Sprintf(text, args...) + " " + ErrUnsupported.Error(), ErrUnsupported}
}

func (p *translator) translate() error {
	p.begin()
	for p.pos < len(p.in) {
		if err := p.step(); err != nil {
			return err
		}
	}
	if len(p.groups) > 0 {
		p.pos = p.groups[len(p.groups)-1]
		return p.fail(`\( without \)`)
	}
	return nil
}

// begin is the start of an expression or of one within.
func (p *translator) begin() {
	p.fresh, p.anchor, p.atom, p.word, p.repeated = true, true, -1, false, false
}

// put writes an atom.
func (p *translator) put(text string, word bool) {
	p.atom = p.out.Len()
	p.out.WriteString(text)
	p.fresh, p.anchor, p.word, p.repeated = false, false, word, false
}

// assert writes what matches between octets. Nothing repeats it: "*" behind it is
// itself, as the C library has it.
func (p *translator) assert(text string) {
	p.out.WriteString(text)
	p.begin()
	p.anchor = false
}

func (p *translator) step() error {
	c := p.in[p.pos]
	switch c {
	case '\\':
		return p.escape()
	case '[':
		return p.bracket()
	case '.':
		p.pos++
		p.put(".", false)
		return nil
	case '*':
		if p.repeated {
			return p.fail("* behind a repetition")
		}
		if !p.fresh {
			p.pos++
			p.repeat("*")
			return nil
		}
	case '^':
		if p.anchor {
			p.pos++
			p.assert(`\A`)
			return nil
		}
	case '$':
		if rest := p.in[p.pos+1:]; rest == "" || strings.HasPrefix(rest, `\)`) || strings.HasPrefix(rest, `\|`) {
			p.pos++
			p.assert(`\z`)
			return nil
		}
	}
	p.pos++
	p.put(literal(c), isWord(c))
	return nil
}

// repeat puts an operator behind the last atom, which may be repeated already.
func (p *translator) repeat(operator string) {
	out := p.out.String()
	p.out.Reset()
	p.out.WriteString(out[:p.atom] + "(?:" + out[p.atom:] + ")" + operator)
	p.word, p.repeated = false, true
}

// escape reads what a backslash begins.
func (p *translator) escape() error {
	if p.pos+1 == len(p.in) {
		return p.fail("backslash at the end")
	}
	c := p.in[p.pos+1]
	switch c {
	case '(':
		p.groups = append(p.groups, p.pos)
		p.pos += 2
		return p.group()
	case ')':
		return p.fail(`\) without \(`)
	case '{':
		if p.fresh {
			return p.fail(`\{ with nothing before it to repeat`)
		}
		if p.repeated {
			return p.fail(`\{ behind a repetition`)
		}
		return p.interval()
	case '|':
		p.out.WriteString("|")
		p.begin()
	case '+', '?':
		if p.fresh {
			p.put(literal(c), false)
		} else {
			p.repeat(string(c))
		}
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if int(c-'0') > p.done {
			return p.fail(`\%c without so many groups before it`, c)
		}
		return p.unsupported(`back-reference \%c`, c)
	default:
		return p.gnu(c)
	}
	p.pos += 2
	return nil
}

// gnu reads the extensions of the C library; a backslash before anything else means
// that.
func (p *translator) gnu(c byte) error {
	switch c {
	case 'w', 'W', 's', 'S':
		class := map[byte]string{'w': "[0-9A-Za-z_]", 'W': "[^0-9A-Za-z_]", 's': `[\t-\r ]`, 'S': `[^\t-\r ]`}[c]
		p.put(class, c == 'w')
	case 'b', 'B':
		p.assert(`\` + string(c))
	case '`':
		p.assert(`\A`)
	case '\'':
		p.assert(`\z`)
	case '<':
		rest := p.in[p.pos+2:]
		if rest == "" || !isWord(rest[0]) && !strings.HasPrefix(rest, `\w`) || startsOptional(rest) {
			return p.unsupported(`\< before what need not be a letter, digit or _`)
		}
		p.assert(`\b`)
	case '>':
		if !p.word {
			return p.unsupported(`\> behind what need not be a letter, digit or _`)
		}
		p.assert(`\b`)
	default:
		p.put(literal(c), isWord(c))
	}
	p.pos += 2
	return nil
}

// startsOptional reports whether the first atom of a text, which is of words, is
// repeated, perhaps no times.
func startsOptional(rest string) bool {
	if rest[0] == '\\' {
		rest = rest[1:]
	}
	rest = rest[1:]
	return strings.HasPrefix(rest, "*") || strings.HasPrefix(rest, `\?`) || strings.HasPrefix(rest, `\{`)
}

// group reads from behind "\(" to behind its "\)".
func (p *translator) group() error {
	start, depth := p.out.Len(), len(p.groups)
	p.out.WriteString("(?:")
	p.begin()
	for p.pos < len(p.in) {
		if strings.HasPrefix(p.in[p.pos:], `\)`) {
			p.pos += 2
			p.out.WriteString(")")
			p.groups = p.groups[:depth-1]
			p.done++
			p.fresh, p.anchor, p.atom, p.word, p.repeated = false, false, start, false, false
			return nil
		}
		if err := p.step(); err != nil {
			return err
		}
	}
	return nil // translate says what is open
}

// interval reads "\{m,n\}". The C library takes {,n} for {0,n}.
func (p *translator) interval() error {
	const most = 1000 // of Go; the C library's is 32767
	end := strings.Index(p.in[p.pos:], `\}`)
	if end < 0 {
		return p.fail(`\{ without \}`)
	}
	from, to, two := strings.Cut(p.in[p.pos+2:p.pos+end], ",")
	low, high := 0, -1
	var err error
	if from != "" || !two {
		if low, err = number(from); err != nil {
			return p.fail(`%.20q within \{ \} is no number`, from)
		}
	}
	if !two {
		high = low
	} else if to != "" {
		if high, err = number(to); err != nil {
			return p.fail(`%.20q within \{ \} is no number`, to)
		}
	}
	if high >= 0 && high < low {
		return p.fail(`\{%d,%d\} is no range`, low, high)
	}
	if low > most || high > most {
		return p.unsupported("more than %d repetitions", most)
	}
	p.pos += end + 2
	switch {
	case high < 0:
		p.repeat(fmt.Sprintf("{%d,}", low))
	default:
		p.repeat(fmt.Sprintf("{%d,%d}", low, high))
	}
	return nil
}

// number reads decimal digits alone.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 15)
	return int(n), err
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
}

// literal is an octet that stands for itself.
func literal(c byte) string { return regexp.QuoteMeta(string(rune(c))) }
