package explain

import (
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/header"
)

// layouts are the ways to fold a value, the name's colon before it. Where white space does
// not count there is one, and of values that are unlikely there are few.
func (h *headerSearch) layouts(flat string, cost int) []string {
	flat = strings.TrimSpace(flat)
	if !h.simple() {
		return []string{" " + flat}
	}
	ways := []string{" " + flat}
	indents, widths := []string{"\t", " ", "        ", "    ", "  "}, []int{78, 76, 72, 79, 75}
	if cost > 2 {
		indents, widths = indents[:3], widths[:1]
	}
	for _, indent := range indents {
		for _, width := range widths {
			ways = append(ways, folded(flat, indent, width))
		}
		if strings.Contains(flat, ", ") {
			ways = append(ways, " "+strings.ReplaceAll(flat, ", ", ",\r\n"+indent))
		}
	}
	return ways
}

// folded breaks a value at blanks so that no line, a name of ten octets before it, is
// longer than width where that can be helped.
func folded(flat, indent string, width int) string {
	var out strings.Builder
	line := 10
	for i, word := range strings.Split(flat, " ") {
		switch {
		case i == 0:
			out.WriteByte(' ')
		case line+1+len(word) > width:
			out.WriteString("\r\n" + indent)
			line = len(indent) - 1
		default:
			out.WriteByte(' ')
		}
		out.WriteString(word)
		line += 1 + len(word)
	}
	return out.String()
}

// refolded: the folding of all signed fields was changed at once, as servers do that parse
// and print messages.
func (h *headerSearch) refolded() []Cause {
	for _, write := range []func(name, value string) string{
		func(name, value string) string { return name + ": " + unfold(value) },
		func(name, value string) string { return name + ":" + strings.ReplaceAll(value, "\r\n\t", "\r\n ") },
		func(name, value string) string { return name + ":" + strings.ReplaceAll(value, "\r\n ", "\r\n\t") },
		func(name, value string) string {
			return name + ": " + strings.ReplaceAll(unfold(value), ", ", ",\r\n\t")
		},
		func(name, value string) string {
			return name + ": " + strings.ReplaceAll(unfold(value), ", ", ",\r\n ")
		},
		func(name, value string) string { return name + ":" + folded(unfold(value), "\t", 78) },
		func(name, value string) string { return name + ":" + folded(unfold(value), " ", 78) },
		func(name, value string) string {
			return name + ":" + strings.TrimRight(strings.TrimPrefix(value, " "), " \t")
		},
	} {
		c := Cause{Part: PartHeader, Code: CodeRefolded, Proved: true}
		var was, is []string
		var text []byte
		fields := h.fields
		for _, i := range h.check.signature.SignedFields(h.fields, h.own) {
			raw := string(h.fields.At(i).Raw)
			if len(raw) > maxField {
				return nil
			}
			name, value, _ := strings.Cut(raw, ":")
			again := write(name, value)
			text = dkim.AppendHeader(text, []byte(again), h.check.signature.HeaderCanonicalization)
			if again != raw {
				was, is = append(was, again), append(is, raw)
				fields = undone(fields, string(h.fields.At(h.own).Raw), Cause{Was: again, Is: raw})
			}
		}
		h.spend(len(text))
		if h.check.signed(text) && len(is) > 1 && h.confirmed(fields) {
			c.keep(strings.Join(was, "\r\n"), strings.Join(is, "\r\n"), 0)
			return []Cause{c}
		}
	}
	return nil
}

// respaced: white space in one field was changed.
func (h *headerSearch) respaced(n *namedFields, at int) {
	e := fieldEdit{code: CodeWhiteSpace, cost: 3, args: args("canonicalization", h.check.signature.HeaderCanonicalization.String())}
	for i, raw := range whiteSpaceVariants(n.now[at]) {
		e.cost = 2 + min(i/8, 1)
		name, value, _ := strings.Cut(raw, ":")
		if was, _, _ := strings.Cut(n.now[at], ":"); was == name {
			h.replace(n, at, value, e)
			continue
		}
		all := append([]string(nil), n.now...)
		all[at] = raw
		renamed := e
		renamed.was, renamed.index = all, at
		h.add(n, renamed)
	}
	if h.simple() {
		e.cost = 1
		h.lay(n, at, unfold(valueOf(n.now[at])), e)
	}
}

// ownField looks for a change in the white space of the signature's own field,
// which simple canonicalization does not forgive.
func (h *headerSearch) ownField() (Cause, bool) {
	if !h.simple() {
		return Cause{}, false
	}
	raw := string(h.fields.At(h.own).Raw)
	for _, variant := range whiteSpaceVariants(raw) {
		again, err := dkim.ParseSignature([]byte(valueOf(variant)))
		if err != nil {
			continue
		}
		var edited header.List
		for i := range h.fields.Len() {
			if i == h.own {
				edited.AddRaw([]byte(variant))
			} else {
				edited.AddRaw(h.fields.At(i).Raw)
			}
		}
		h.spend(edited.Size())
		if h.left > 0 && again.CheckHeader(&edited, h.own, h.check.key) {
			c := Cause{Part: partSignature, Code: CodeWhiteSpace, Field: "DKIM-Signature", Proved: true}
			c.keep(variant, raw, 0)
			return c, true
		}
	}
	return Cause{}, false
}

// whiteSpaceVariants are ways in which the same field is written.
func whiteSpaceVariants(raw string) []string {
	name, value, _ := strings.Cut(raw, ":")
	flat := unfold(value)
	variants := []string{
		name + ": " + flat,
		name + ":" + flat,
		name + ": " + strings.ReplaceAll(flat, ", ", ","),
		name + ": " + strings.ReplaceAll(strings.ReplaceAll(flat, ", ", ","), ",", ", "),
		name + ":" + strings.ReplaceAll(value, "\r\n\t", "\r\n "),
		name + ":" + strings.ReplaceAll(value, "\r\n ", "\r\n\t"),
		name + ":" + strings.ReplaceAll(value, "\r\n\t", "\r\n        "),
		name + ":" + strings.ReplaceAll(value, "\r\n        ", "\r\n\t"),
		name + ": " + flat + " ",
		name + ":  " + flat,
		name + ":\t" + flat,
		name + ":" + strings.ReplaceAll(value, "\t", " "),
		name + ":" + strings.ReplaceAll(value, "\r\n", ""),
		name + ":" + strings.ReplaceAll(strings.ReplaceAll(value, " \r\n", "\r\n"), "\t\r\n", "\r\n"),
		name + ": " + strings.ReplaceAll(flat, "; ", ";\r\n "),
		name + ": " + strings.ReplaceAll(flat, "; ", ";\r\n\t"),
		name + ":\r\n " + flat,
		name + ":\r\n\t" + flat,
		name + ": " + strings.Join(strings.Fields(flat), " "),
		strings.ToLower(name) + ":" + value,
		titled(strings.ToLower(name)) + ":" + value,
	}
	for _, other := range []string{"Message-ID", "MIME-Version", "CC"} { // the usual names that titled does not make
		if strings.EqualFold(name, other) {
			variants = append(variants, other+":"+value)
		}
	}
	words := strings.Split(flat, " ")
	for i := 1; i < len(words) && i <= maxBroken; i++ {
		for _, space := range []string{"\r\n ", "\r\n\t", "  "} {
			variants = append(variants, name+": "+strings.Join(words[:i], " ")+space+strings.Join(words[i:], " "))
		}
	}
	return slices.DeleteFunc(variants, func(v string) bool { return v == raw })
}

// maxBroken is how many blanks of a field may each have been another white space.
const maxBroken = 40

// titled is a name with a capital at its beginning and behind each hyphen, dot and underscore.
func titled(name string) string {
	text := []byte(name)
	for i, c := range text {
		if c >= 'a' && c <= 'z' && (i == 0 || strings.IndexByte("-._", text[i-1]) >= 0) {
			text[i] = c - 'a' + 'A'
		}
	}
	return string(text)
}
