package authres

import (
	"strconv"
	"strings"
)

const (
	fieldNameBytes = len("Authentication-Results: ")
	tabColumns     = 8
	// maxColumns is as far as OpenDKIM fills a line; it does not count the
	// blanks between results already on it.
	maxColumns = 73
)

// Format writes the field's value in OpenDKIM's layout: each result with its
// properties is a piece, and a piece that would make the line too long begins
// another: "HOST;\r\n\tdkim=pass (2048-bit key) header.d=…", but "HOST; dkim=none".
// There is no leading blank and no final line break. Values are quoted where they
// need it, so nothing in them can end the field or begin another result;
// control characters become "?". Names, results and property types and names are
// written as given: they must be keywords.
func (r Results) Format() string {
	var b strings.Builder
	b.WriteString(authservID(r.AuthservID))
	if r.Version != 0 {
		b.WriteString(" " + strconv.Itoa(r.Version))
	}
	b.WriteString(";")
	if len(r.Methods) == 0 {
		b.WriteString(" none")
		return b.String()
	}
	column := fieldNameBytes + b.Len()
	for i, m := range r.Methods {
		piece := m.format()
		if i < len(r.Methods)-1 {
			piece += ";"
		}
		if column+1+len(piece) > maxColumns && !r.isShortNotice() {
			b.WriteString("\r\n\t")
			column = tabColumns
		} else {
			b.WriteString(" ")
		}
		b.WriteString(piece)
		column += len(piece)
	}
	return b.String()
}

// isShortNotice holds for results like "dkim=none" and
// "dkim=permerror (bad message/signature format)".
//
// Compat(opendkim 2.11): these are not folded.
func (r Results) isShortNotice() bool { return len(r.Methods) == 1 && len(r.Methods[0].Props) == 0 }

func (m Method) format() string {
	var b strings.Builder
	b.WriteString(m.Name)
	if m.Version != 0 {
		b.WriteString("/" + strconv.Itoa(m.Version))
	}
	b.WriteString("=" + m.Result)
	if m.Reason != "" {
		b.WriteString(" reason=" + quoted(m.Reason))
	}
	if m.Comment != "" {
		b.WriteString(" (" + comment(m.Comment) + ")")
	}
	for _, p := range m.Props {
		b.WriteString(" " + p.Type + "." + p.Name + "=" + propValue(p.Value))
	}
	return b.String()
}
