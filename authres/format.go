package authres

import (
	"strconv"
	"strings"
)

// Format writes the field's value in OpenDKIM's layout: "HOST;\r\n\tdkim=…", one
// method a line, "HOST; dkim=none" on one line when nothing follows the result.
// There is no leading blank and no final line break.
func (r Results) Format() string {
	var b strings.Builder
	b.WriteString(value(r.AuthservID))
	if r.Version != 0 {
		b.WriteString(" " + strconv.Itoa(r.Version))
	}
	if len(r.Methods) == 0 {
		b.WriteString("; none")
		return b.String()
	}
	for i, m := range r.Methods {
		b.WriteString(";")
		if i == 0 && len(r.Methods) == 1 && len(m.Props) == 0 {
			b.WriteString(" ")
		} else {
			b.WriteString("\r\n\t")
		}
		m.write(&b)
	}
	return b.String()
}

func (m Method) write(b *strings.Builder) {
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
}
