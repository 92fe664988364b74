package explain

import (
	"slices"
	"strings"
)

// unproved says what can be said when no known edit accounts for the failure: the field
// that most likely was changed where something tells, or all that may have been.
func (h *headerSearch) unproved() []Cause {
	var found []Cause
	if n, below := h.placed(); n != nil {
		raw := n.now[len(n.now)-1]
		name, value, _ := strings.Cut(raw, ":")
		code := CodeRewritten
		if n.is("To", "Cc", "Reply-To") {
			code = CodeAddresses
		}
		found = append(found, Cause{Part: PartHeader, Code: code, Field: name, Args: args("below", below, "is", clip(value, maxShown))})
	} else if n := h.suspect(); n != nil {
		name, value, _ := strings.Cut(n.now[0], ":")
		found = append(found, Cause{Part: PartHeader, Code: CodeRewritten, Field: name, Args: args("is", clip(value, maxShown))})
	} else {
		found = append(found, h.unknown())
	}
	if h.signs("List-Id") {
		return found
	}
	if list := h.first("List-Id"); list != "" {
		return append(found, Cause{Part: PartHeader, Code: CodeMailingList, Field: "List-Id", Args: args("list", clip(list, maxShown))})
	}
	if h.fields.Count("X-MS-Exchange-Organization-AuthSource") > 0 || h.fields.Count("X-MS-Exchange-CrossTenant-id") > 0 {
		found = append(found, Cause{Part: PartHeader, Code: CodeExchange})
	}
	return found
}

// unknown names all fields that are signed.
func (h *headerSearch) unknown() Cause {
	var present, absent []string
	for _, n := range h.names {
		if len(n.now) > 0 {
			present = append(present, n.name)
		} else {
			absent = append(absent, n.name)
		}
	}
	const most = 1000
	c := Cause{Part: PartHeader, Code: CodeUnknown,
		Args: args("present", clip(strings.Join(present, ", "), most), "absent", clip(strings.Join(absent, ", "), most))}
	if h.check.want == nil {
		c.Args["algorithm"] = "ed25519"
	}
	return c
}

// listMarks are fields that lists put below the header that they got.
var listMarks = []string{"X-BeenThere", "X-Mailman-Version", "List-Id", "List-Unsubscribe", "List-Archive", "List-Post",
	"List-Help", "List-Subscribe", "Errors-To", "X-Mailman-Original-References"}

// placed finds the signed field whose place tells that it was written anew.
func (h *headerSearch) placed() (field *namedFields, below string) {
	if n, below := h.rewrittenBelow(); n != nil {
		return n, below
	}
	if !slices.ContainsFunc(listMarks, func(name string) bool { return h.fields.Count(name) > 0 && !h.signs(name) }) {
		return nil, ""
	}
	kind := h.indexes("Content-Type")
	for _, want := range []string{"Cc", "To"} { // every mail program puts them higher
		for _, n := range h.names {
			if at := h.indexes(n.name); n.is(want) && len(at) == 1 && len(kind) == 1 && at[0] > kind[0] {
				return n, "Content-Type"
			}
		}
	}
	return nil, ""
}

// rewrittenBelow finds the signed field that stands below those that a list put in: a
// program that writes a field anew puts it at the end. Of several the one that is most
// often written so.
func (h *headerSearch) rewrittenBelow() (field *namedFields, below string) {
	mark := -1
	for _, name := range listMarks {
		if at := h.indexes(name); len(at) > 0 && (mark < 0 || at[0] < mark) && !h.signs(name) {
			mark, below = at[0], name
		}
	}
	if mark < 0 {
		return nil, ""
	}
	above := 0
	for _, n := range h.names {
		if at := h.indexes(n.name); len(at) > 0 && at[len(at)-1] < mark {
			above++
		}
	}
	if above == 0 {
		return nil, "" // the list wrote the whole header anew, or the mark stood there
	}
	for _, want := range []string{"Cc", "To", "Reply-To", "Subject", "From", "Sender", ""} {
		for _, n := range h.names {
			if want != "" && !n.is(want) || len(n.now) == 0 {
				continue
			}
			if at := h.indexes(n.name); at[len(at)-1] > mark {
				return n, below
			}
		}
	}
	return nil, ""
}

func (h *headerSearch) signs(name string) bool {
	return slices.ContainsFunc(h.names, func(n *namedFields) bool { return n.is(name) })
}

// suspect is a signed field that looks like a list's own work, where one alone does.
func (h *headerSearch) suspect() *namedFields {
	var found []*namedFields
	list := strings.ToLower(h.first("List-Id"))
	for _, n := range h.names {
		if len(n.now) != 1 || len(n.now[0]) > maxField {
			continue
		}
		value := unfold(valueOf(n.now[0]))
		lower := strings.ToLower(value)
		switch {
		case n.is("From") && (strings.Contains(lower, " via ") || strings.Contains(lower, "-dmarc-request@") ||
			list != "" && sameHost(list, value)):
			found = append(found, n)
		case n.is("Sender") && (strings.Contains(lower, "-bounces") || strings.Contains(lower, "owner-")):
			found = append(found, n)
		case n.is("To") && isPlaceholder(value):
			found = append(found, n)
		case n.is("Subject") && list != "" && bracketTag.MatchString(value):
			found = append(found, n)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

// sameHost reports whether an address of value is at the host that names the list.
func sameHost(list, value string) bool {
	for _, m := range mailboxes(value) {
		if _, domain, ok := strings.Cut(m.address, "@"); ok && strings.Contains(list, "."+strings.ToLower(domain)) {
			return true
		}
	}
	return false
}
