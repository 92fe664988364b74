package explain

import (
	"strings"
)

// splitAddresses takes a list of addresses of ours apart.
func splitAddresses(value string) []string {
	var list []string
	quoted, start := false, 0
	for i, c := range value + "," {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			if a := strings.TrimSpace(value[start:i]); a != "" {
				list = append(list, a)
			}
			start = i + 1
		}
	}
	return list
}

func bare(mailbox string) string {
	if _, rest, ok := strings.Cut(mailbox, "<"); ok {
		mailbox, _, _ = strings.Cut(rest, ">")
	}
	return mailbox
}

// asPython writes a mailbox as email.utils.formataddr does: names that need no quotes
// have none, and those with special characters have.
func asPython(mailbox string) string {
	name, _, ok := strings.Cut(mailbox, " <")
	if !ok {
		return bare(mailbox)
	}
	name = strings.Trim(name, `"`)
	if strings.ContainsAny(name, `()<>@,:;".[]`) {
		name = `"` + name + `"`
	}
	return name + " <" + bare(mailbox) + ">"
}
