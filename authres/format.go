package authres

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	fieldNameBytes = len("Authentication-Results: ")
	tabColumns     = 8
	// maxColumns is as far as OpenDKIM fills a line; it does not count the
	// blanks between results already on it.
	maxColumns = 73
	// maxLineBytes keeps lines so short that no MTA breaks them within a value
	// (RFC 5322 §2.1.1: 998).
	maxLineBytes = 900
)

// Format writes the field's value in OpenDKIM's layout: each result with its
// properties is a piece, and a piece that would make the line too long begins
// another: "HOST;\r\n\tdkim=pass (2048-bit key) header.d=…", but "HOST; dkim=none".
// There is no leading blank and no final line break.
//
// Values stand so that every reader sees the same: in quotes where they need them, and
// without what some reader takes for their end, which becomes "?". A property whose
// value would not be the same then, or is longer than 255 octets, is left out. Names,
// results and property types and names are written as given: they must be keywords.
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
		parts := m.parts()
		if i < len(r.Methods)-1 {
			parts[len(parts)-1] += ";"
		}
		length := len(strings.Join(parts, " "))
		separator := " "
		// Compat(opendkim 2.11): "dkim=permerror (bad message/signature format)" and the
		// like are not folded.
		isShortNotice := len(r.Methods) == 1 && len(parts) == 1
		if column+1+length > maxColumns && !isShortNotice {
			separator = "\r\n\t"
			column = tabColumns
		}
		line := column
		for _, part := range parts {
			if line += len(part) + 1; line > maxLineBytes {
				separator, line = "\r\n\t", tabColumns+len(part)
			}
			b.WriteString(separator + part)
			separator = " "
		}
		column = min(column+length, line)
	}
	return b.String()
}

// parts are what may stand on lines of their own.
func (m Method) parts() []string {
	name := m.Name
	if m.Version != 0 {
		name += "/" + strconv.Itoa(m.Version)
	}
	parts := []string{name + "=" + m.Result}
	if m.Reason != "" {
		parts[0] += " reason=" + quoted(m.Reason)
	}
	if m.Comment != "" {
		parts[0] += " (" + comment(m.Comment) + ")"
	}
	for _, p := range m.Props {
		if value, ok := p.value(); ok {
			parts = append(parts, p.Type+"."+p.Name+"="+value)
		}
	}
	// Mail::AuthenticationResults takes a quoted local part at a result's end for the
	// whole address.
	for len(parts) > 1 && strings.Contains(parts[len(parts)-1], `"@`) {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// Limits of what OpenDMARC reads: a longer field, or one of more words, counts for
// nothing; of more results in one, opendkim believes none and OpenDMARC writes over its
// own memory.
const (
	maxFieldBytes   = 900
	maxFieldTokens  = 400
	maxFieldMethods = 15
)

// Divide distributes results over as many fields as it takes for other filters to read
// them, and at most so many. What does not fit is left out, results other than "pass"
// first, and the last result says in its comment how many.
func Divide(methods []Method, fields int) [][]Method {
	divided, left := distribute(methods, fields)
	if left == 0 {
		return divided
	}
	var passed, others []Method
	for _, m := range methods {
		if m.Result == "pass" {
			passed = append(passed, m)
		} else {
			others = append(others, m)
		}
	}
	divided, left = distribute(append(passed, others...), fields)
	last := divided[len(divided)-1]
	m := &last[len(last)-1]
	if m.Comment != "" {
		m.Comment += "; "
	}
	m.Comment += fmt.Sprintf("and %d more", left)
	return divided
}

func distribute(methods []Method, fields int) (divided [][]Method, left int) {
	octets, tokens := 0, 0
	var field []Method
	for i, m := range methods {
		text := strings.Join(m.parts(), " ")
		n := 2*strings.Count(text, ".") + 2*strings.Count(text, "=") + strings.Count(text, " ") + 2
		octets, tokens = octets+len(text)+n, tokens+n
		full := octets > maxFieldBytes || tokens > maxFieldTokens || len(field) == maxFieldMethods
		if full && len(field) > 0 {
			divided = append(divided, field)
			if len(divided) == fields {
				return divided, len(methods) - i
			}
			field, octets, tokens = nil, len(text)+n, n
		}
		field = append(field, m)
	}
	return append(divided, field), 0
}
