package explain

import (
	"strings"

	"dojang/dkim"
)

// refolded: the folding of every signed field was changed at once, as some
// servers do that parse and print messages.
func (h *headerSearch) refolded(signed []int) fieldEdit {
	e := fieldEdit{code: "white-space", text: "signed fields were folded anew or unfolded"}
	for _, i := range signed {
		e.changes = append(e.changes, change{i, h.name(i) + ": " + unfold(h.value(i))})
	}
	return e
}

// respaced: white space in one field was changed.
func (h *headerSearch) respaced(i int) []fieldEdit {
	var edits []fieldEdit
	text := "white space in " + h.name(i) + " was changed"
	if h.check.signature.HeaderCanonicalization == dkim.Simple {
		text += ", which c=simple does not forgive"
	}
	for _, raw := range whiteSpaceVariants(string(h.fields.At(i).Raw)) {
		edits = append(edits, fieldEdit{code: "white-space", field: h.name(i), text: text, changes: []change{{i, raw}}})
	}
	return edits
}

// whiteSpaceVariants are ways in which the same field is written.
func whiteSpaceVariants(raw string) []string {
	name, value, _ := strings.Cut(raw, ":")
	flat := unfold(value)
	variants := []string{
		name + ": " + flat,
		name + ":" + flat,
		name + ": " + flat + " ",
		name + ":  " + flat,
		name + ":\t" + flat,
		name + ":" + strings.ReplaceAll(value, "\r\n\t", "\r\n "),
		name + ":" + strings.ReplaceAll(value, "\r\n ", "\r\n\t"),
		name + ":" + strings.ReplaceAll(value, "\r\n\t", "\r\n        "),
		name + ":" + strings.ReplaceAll(value, "\t", " "),
		name + ":" + strings.ReplaceAll(value, "\r\n", ""),
		name + ": " + strings.ReplaceAll(flat, ", ", ",\r\n "),
		name + ": " + strings.ReplaceAll(flat, ", ", ",\r\n\t"),
		name + ": " + strings.ReplaceAll(flat, ", ", ","),
		name + ": " + strings.ReplaceAll(strings.ReplaceAll(flat, ", ", ","), ",", ", "),
		name + ": " + strings.ReplaceAll(flat, "; ", ";\r\n "),
		name + ": " + strings.ReplaceAll(flat, "; ", ";\r\n\t"),
		name + ":\r\n " + flat,
		name + ":\r\n\t" + flat,
		name + ": " + strings.Join(strings.Fields(flat), " "),
		strings.ToLower(name) + ":" + value,
		titleName(name) + ":" + value,
	}
	switch strings.ToLower(name) {
	case "message-id":
		variants = append(variants, "Message-ID:"+value, "Message-Id:"+value)
	case "mime-version":
		variants = append(variants, "MIME-Version:"+value, "Mime-Version:"+value)
	case "cc":
		variants = append(variants, "CC:"+value, "Cc:"+value)
	}
	kept := variants[:0]
	for _, v := range variants {
		if v != raw {
			kept = append(kept, v)
		}
	}
	return kept
}

// titleName writes a name with a capital behind each hyphen.
func titleName(name string) string {
	words := strings.Split(strings.ToLower(name), "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "-")
}
