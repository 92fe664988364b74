package policy

import (
	"slices"
	"strings"
)

// HeaderNames are the names that SignHeaders, OversignHeaders or OmitHeaders list, with
// commas between. When one of the entries is "*", they change base: "*,+x,-y" is base
// with x and without y. No entries are base itself.
func HeaderNames(base []string, list string) []string {
	var entries []string
	for e := range strings.SplitSeq(list, ",") {
		if e = strings.TrimSpace(e); e != "" {
			entries = append(entries, e)
		}
	}
	switch {
	case len(entries) == 0:
		return base
	case !slices.Contains(entries, "*"):
		return entries
	}
	names := slices.Clone(base)
	for _, e := range entries {
		switch e[0] {
		case '*':
			if e != "*" {
				names = append(names, e)
			}
		case '-':
			names = slices.DeleteFunc(names, func(n string) bool { return strings.EqualFold(n, strings.TrimSpace(e[1:])) })
		case '+':
			names = append(names, strings.TrimSpace(e[1:]))
		default:
			names = append(names, e)
		}
	}
	return names
}
