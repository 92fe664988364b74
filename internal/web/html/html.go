// Package html writes pages from Go values. Text and the values of attributes are
// always escaped, and elements, attributes and addresses are those of closed lists: there
// is no way to write markup that came as text. Mistakes of a page's author panic.
package html

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Node is a piece of a page. Only this package makes them.
type Node interface{ write(b *bytes.Buffer) }

// Attr is an attribute of an element.
type Attr struct{ name, value string }

type text string

type element struct {
	name     string
	attrs    []Attr
	children []Node
}

// Group is nodes one after another.
type Group []Node

// elements that a page may be made of, SVG's among them; true: without content. Neither
// style nor anything that holds another document is one.
var elements = list("html head body title main header footer nav section article div span p a h1 h2 h3 ul ol li dl dt dd "+
	"table caption thead tbody tr th td form label button textarea select option fieldset legend details summary strong em code pre "+
	"small time abbr bdi ins del figure figcaption script svg g text polyline path rect line").and("br wbr input meta link hr", true)

// attributes that an element may have. No on…, no style, no srcdoc.
var attributes = list("id class lang dir title for name value type placeholder method enctype rows cols maxlength "+
	"autocomplete autocapitalize spellcheck inputmode accept rel scope colspan datetime role aria-label aria-labelledby "+
	"aria-describedby aria-current aria-hidden aria-live tabindex charset content viewBox points d x y x1 x2 y1 y2 width height "+
	"text-anchor preserveAspectRatio data-copy data-drop data-do data-column").
	and("href src action", true)

// switches are attributes without a value.
var switches = list("required checked selected readonly open multiple defer autofocus hidden")

type names map[string]bool

func list(words string) names { return names{}.and(words, false) }

func (n names) and(words string, mark bool) names {
	for w := range strings.FieldsSeq(words) {
		n[w] = mark
	}
	return n
}

// El is an element. Its parts are its attributes (Attr) and, in order, its content: nodes,
// and strings, which are text. nil is nothing.
func El(name string, parts ...any) Node {
	void, known := elements[name]
	if !known {
		panic(fmt.Sprintf("html: no element %q", name))
	}
	e := element{name: name}
	for _, p := range parts {
		switch p := p.(type) {
		case nil:
		case Attr:
			if p.name != "" {
				e.attrs = append(e.attrs, p)
			}
		case string:
			e.children = append(e.children, text(p))
		case Node:
			e.children = append(e.children, p)
		default:
			panic(fmt.Sprintf("html: a %T is no part of an element", p))
		}
	}
	if (void || name == "script") && len(e.children) > 0 {
		panic("html: " + name + " has no content")
	}
	return e
}

// Text is text.
func Text(s string) Node { return text(s) }

// IsText reports whether a node is text and no element.
func IsText(n Node) bool {
	_, is := n.(text)
	return is
}

// A is an attribute. An address that does not stay on this site becomes "#".
func A(name, value string) Attr {
	address, known := attributes[name]
	if !known {
		panic(fmt.Sprintf("html: no attribute %q", name))
	}
	if address && !isLocal(value) {
		value = "#"
	}
	return Attr{name, value}
}

// Is is an attribute without value, if on.
func Is(name string, on bool) Attr {
	if _, known := switches[name]; !known {
		panic(fmt.Sprintf("html: no attribute %q", name))
	}
	if !on {
		return Attr{}
	}
	return Attr{name: name}
}

// Class is the attribute class.
func Class(value string) Attr { return A("class", value) }

// isLocal reports whether an address is a path, a query or a fragment of this site.
func isLocal(address string) bool {
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return false
	}
	switch {
	case strings.HasPrefix(address, "?"), strings.HasPrefix(address, "#"):
		return true
	}
	return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

func (t text) write(b *bytes.Buffer) { escape(b, string(t)) }

func (g Group) write(b *bytes.Buffer) {
	for _, n := range g {
		if n != nil {
			n.write(b)
		}
	}
}

func (e element) write(b *bytes.Buffer) {
	e.begin(b)
	if elements[e.name] {
		return
	}
	if (e.name == "pre" || e.name == "textarea") && len(e.children) > 0 {
		b.WriteByte('\n') // readers drop the first line end
	}
	Group(e.children).write(b)
	b.WriteString("</" + e.name + ">")
}

func (e element) begin(b *bytes.Buffer) {
	b.WriteString("<" + e.name)
	for _, a := range e.attrs {
		b.WriteString(" " + a.name)
		if _, off := switches[a.name]; !off {
			b.WriteString(`="`)
			escape(b, a.value)
			b.WriteByte('"')
		}
	}
	b.WriteByte('>')
}

// escape writes s as text that may stand between tags and between quotes. What cannot be
// seen and changes what is seen is written out: controls, and marks that turn the
// direction of writing.
func escape(b *bytes.Buffer, s string) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '"':
			b.WriteString("&#34;")
		case r == '\'':
			b.WriteString("&#39;")
		case r == '\n', r == '\t':
			b.WriteRune(r)
		case r == '\r':
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 &&
			r <= 0x206f, r == 0xfeff:
			fmt.Fprintf(b, "⟨%04X⟩", r)
		default:
			b.WriteRune(r) // utf8.RuneError for bytes that are none
		}
	}
}

// Render is a node as text.
func Render(n Node) []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

// Begin is a document up to and with the beginning of an element of its body that more is
// to follow in, and End what ends it: a page may be sent as it is made.
func Begin(lang string, head Node, before Node, open string, attrs ...Attr) []byte {
	var b bytes.Buffer
	b.WriteString("<!doctype html>\n")
	element{name: "html", attrs: []Attr{A("lang", lang)}}.begin(&b)
	head.write(&b)
	b.WriteString("<body>")
	before.write(&b)
	e, _ := El(open).(element)
	e.attrs = attrs
	e.begin(&b)
	return b.Bytes()
}

// End ends what Begin began; after follows the element.
func End(open string, after Node) []byte {
	var b bytes.Buffer
	_ = El(open)
	b.WriteString("</" + open + ">")
	after.write(&b)
	b.WriteString("</body></html>\n")
	return b.Bytes()
}
