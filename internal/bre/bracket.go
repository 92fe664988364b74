package bre

import (
	"fmt"
	"strings"
)

// bracket reads a bracket expression (IEEE Std 1003.1 §9.3.5), in which a backslash
// is itself.
func (p *translator) bracket() error {
	i := p.pos + 1
	var set [256]bool
	negated := i < len(p.in) && p.in[i] == '^'
	if negated {
		i++
	}
	for first := true; ; first = false {
		switch {
		case i >= len(p.in):
			return p.fail("[ without ]")
		case p.in[i] == ']' && !first:
			p.pos = i + 1
			p.put(written(set, negated), false)
			return nil
		case strings.HasPrefix(p.in[i:], "[:"):
			end := strings.Index(p.in[i+2:], ":]")
			if end < 0 {
				return p.fail("[: without :]")
			}
			in, known := classes[p.in[i+2:i+2+end]]
			if !known {
				return p.fail("unknown class [:%.20s:]", p.in[i+2:i+2+end])
			}
			for c := range set {
				set[c] = set[c] || c < 0x80 && in(byte(c))
			}
			if i += 2 + end + 2; i+1 < len(p.in) && p.in[i] == '-' && p.in[i+1] != ']' {
				return p.fail("a class is no end of a range")
			}
		case p.in[i] == '-' && !first && !strings.HasPrefix(p.in[i:], "-]"):
			return p.fail("- that is neither first nor last nor of a range")
		default:
			low, next, err := p.member(i)
			if err != nil {
				return err
			}
			high := low
			if next+1 < len(p.in) && p.in[next] == '-' && p.in[next+1] != ']' {
				if high, next, err = p.member(next + 1); err != nil {
					return err
				}
			}
			if high < low {
				return p.fail("range that ends before it begins")
			}
			for c := int(low); c <= int(high); c++ {
				set[c] = true
			}
			i = next
		}
	}
}

// member reads an octet, also as [.x.] or [=x=].
func (p *translator) member(i int) (c byte, next int, err error) {
	for _, mark := range []string{".", "="} {
		if !strings.HasPrefix(p.in[i:], "["+mark) {
			continue
		}
		if i+4 >= len(p.in) || p.in[i+3:i+5] != mark+"]" {
			return 0, 0, p.unsupported("[%s of several letters", mark)
		}
		return p.in[i+2], i + 5, nil
	}
	if strings.HasPrefix(p.in[i:], "[:") {
		return 0, 0, p.fail("a class is no end of a range")
	}
	return p.in[i], i + 1, nil
}

// classes are those of the C locale.
var classes = map[string]func(byte) bool{
	"alpha":  func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' },
	"digit":  func(c byte) bool { return c >= '0' && c <= '9' },
	"alnum":  func(c byte) bool { return c != '_' && isWord(c) },
	"upper":  func(c byte) bool { return c >= 'A' && c <= 'Z' },
	"lower":  func(c byte) bool { return c >= 'a' && c <= 'z' },
	"space":  func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' },
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"punct":  func(c byte) bool { return c > ' ' && c < 0x7f && (c == '_' || !isWord(c)) },
	"print":  func(c byte) bool { return c >= ' ' && c < 0x7f },
	"graph":  func(c byte) bool { return c > ' ' && c < 0x7f },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"xdigit": func(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' },
}

// written is a set in Go's form.
func written(set [256]bool, negated bool) string {
	var b strings.Builder
	b.WriteByte('[')
	for low := 0; low < 256; low++ {
		if set[low] == negated {
			continue
		}
		high := low
		for high < 255 && set[high+1] != negated {
			high++
		}
		fmt.Fprintf(&b, `\x{%x}-\x{%x}`, low, high)
		low = high
	}
	b.WriteByte(']')
	if b.Len() == 2 {
		return `[^\x00-\x{10FFFF}]` // nothing
	}
	return b.String()
}
