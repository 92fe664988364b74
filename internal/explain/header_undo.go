package explain

import (
	"slices"
	"strings"

	"dojang/header"
)

// cause tells an edit, with the fields that differ.
func (n *namedFields) cause(edit int) Cause {
	e := n.edits[edit]
	c := Cause{Part: PartHeader, Code: e.code, Field: e.field, Args: e.args, Proved: true}
	was, is := e.was, n.now
	switch {
	case len(was) > len(is): // the first or the last one was removed
		if k := len(was) - len(is); slices.Equal(was[k:], is) && len(is) > 0 {
			c.Was, c.Is = strings.Join(was[:k+1], "\r\n"), is[0]
		} else {
			c.Was = strings.Join(was[len(is):], "\r\n")
		}
	case len(was) < len(is) && e.index >= 0:
		c.Is = is[e.index]
	case len(was) == len(is) && e.index >= 0:
		c.Was, c.Is = was[e.index], is[e.index]
	default:
		c.Was, c.Is = strings.Join(was, "\r\n"), strings.Join(is, "\r\n")
	}
	return c
}

// undone is the header with a cause's fields as they were.
func undone(fields *header.List, own string, c Cause) *header.List {
	out := new(header.List)
	is := splitFields(c.Is)
	gone := make([]bool, fields.Len())
	at := -1
	for k := len(is) - 1; k >= 0; k-- {
		for i := fields.Len() - 1; i >= 0; i-- {
			if raw := string(fields.At(i).Raw); raw != own && !gone[i] && raw == is[k] {
				gone[i], at = true, i
				break
			}
		}
	}
	for i := range fields.Len() {
		if i == at {
			for _, raw := range splitFields(c.Was) {
				out.AddRaw([]byte(raw))
			}
		}
		if !gone[i] {
			out.AddRaw(fields.At(i).Raw)
		}
	}
	if len(is) == 0 {
		for _, raw := range splitFields(c.Was) {
			out.AddRaw([]byte(raw))
		}
	}
	return out
}

// splitFields takes whole fields that stand one below the other apart.
func splitFields(text string) []string {
	var fields []string
	for line := range strings.SplitAfterSeq(text, "\r\n") {
		switch {
		case line == "":
		case (line[0] == ' ' || line[0] == '\t') && len(fields) > 0:
			fields[len(fields)-1] += line
		default:
			fields = append(fields, line)
		}
	}
	for i := range fields {
		fields[i] = strings.TrimSuffix(fields[i], "\r\n")
	}
	return fields
}
