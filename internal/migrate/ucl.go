package migrate

import (
	"errors"
	"strings"
)

// block is a section of rspamd's configuration language (UCL), as far as
// dkim_signing.conf uses it: values, nested blocks, lists of blocks.
type block struct {
	values map[string]string
	blocks map[string]*block
	order  []string // of blocks
	items  []string // of a list of words
}

// names reports whether the section has a value or a block of that name.
func (b *block) names(name string) bool { return b.values[name] != "" || b.blocks[name] != nil }

func newBlock() *block { return &block{values: map[string]string{}, blocks: map[string]*block{}} }

func (b *block) child(name string) *block {
	if b.blocks[name] == nil {
		b.blocks[name] = newBlock()
		b.order = append(b.order, name)
	}
	return b.blocks[name]
}

const maxDepth = 20

// parseUCL reads blocks; comments are "#" lines and "/* */".
func parseUCL(text string) (*block, error) {
	p := &uclParser{tokens: uclTokens(text)}
	root := newBlock()
	if err := p.block(root, 0); err != nil {
		return nil, err
	}
	return root, nil
}

type uclParser struct {
	tokens []string
	at     int
}

func (p *uclParser) next() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	p.at++
	return p.tokens[p.at-1]
}

func (p *uclParser) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return p.tokens[p.at]
}

func (p *uclParser) block(b *block, depth int) error {
	if depth > maxDepth {
		return errors.New("blocks are nested too deep")
	}
	for p.at < len(p.tokens) {
		name := p.next()
		switch name {
		case "}", "]":
			return nil
		case ";", ",":
			continue
		case "{": // an element of a list
			if err := p.block(b.child(itemName(len(b.order))), depth+1); err != nil {
				return err
			}
			continue
		}
		name = unquoteUCL(name)
		if t := p.peek(); t == "=" || t == ":" {
			p.next()
		}
		switch p.peek() {
		case "{", "[":
			p.next()
			if err := p.block(b.child(name), depth+1); err != nil {
				return err
			}
		case ";", "}", "]", ",", "":
			b.items = append(b.items, name)
		default:
			b.values[strings.ToLower(name)] = unquoteUCL(p.next())
		}
	}
	if depth > 0 {
		return errors.New("a block is not closed")
	}
	return nil
}

func itemName(n int) string { return string(rune('0'+n%10)) + strings.Repeat("+", n/10) }

func unquoteUCL(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// uclTokens splits into words, quoted strings and signs.
func uclTokens(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i+2:], "*/")
			if end < 0 {
				return tokens
			}
			i += end + 4
		case strings.ContainsRune("{}[];,=:", rune(c)):
			tokens = append(tokens, string(c))
			i++
		case c == '"' || c == '\'':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return append(tokens, text[i:])
			}
			tokens = append(tokens, text[i:i+end+2])
			i += end + 2
		case c <= ' ':
			i++
		default:
			start := i
			for i < len(text) && text[i] > ' ' && !strings.ContainsRune("{}[];,=:#\"'", rune(text[i])) {
				i++
			}
			tokens = append(tokens, text[start:i])
		}
	}
	return tokens
}
