package dataset

import (
	"cmp"
	"context"
	"net/netip"
	"strings"

	"dojang/internal/problem"
)

// Elements says what the keys of a list are, and so which of them can match.
type Elements uint8

// What the keys of a list may be.
const (
	AnyElements     Elements = iota // nothing is known of them: tables with a check of their own
	HostElements                    // as HostSet has them
	DomainElements                  // whole domains
	SignedDomains                   // whole domains, or * for all
	BelowDomains                    // whole domains, or .domain for all below one
	DomainPairs                     // whole domains, or AUTHOR:RECIPIENT
	Addresses                       // user@host
	AddressForms                    // as SigningLookup asks for them: user@host, host, .domain, user@*, *
	IPAddresses                     // addresses as text
	FieldNames                      // names of header fields
	FieldChanges                    // names of header fields, or with * changes to a default: *,+name,-name
	OversignedNames                 // as FieldChanges, without patterns
	Words                           // anything without blanks
	Macros                          // names of macros, or NAME=VALUE|VALUE
)

// Elements reports keys of a list that can never match what is looked up in it,
// and of what was meant: the wrong separators and the asterisks that people
// write. A set that is not Local is not walked.
func (o Lint) Elements(ctx context.Context, set Set, of Elements) problem.List {
	if of == HostElements {
		return o.hosts(ctx, set)
	}
	l, local := newLinter(set, o.Option)
	if l == nil || of == AnyElements {
		return nil
	}
	_, isPatterns := set.(PatternSet)
	isPatterns = isPatterns && of.matchPatterns()
	changes := false // the list has the element * and so changes a default
	_ = local.Walk(ctx, func(e Entry) error { changes = changes || e.Key == "*"; return nil })
	_ = local.Walk(ctx, func(e Entry) error {
		switch sign := strings.TrimLeft(e.Key, "+-"); {
		case isPatterns && l.expression(e.Key, e.Line):
		case l.separators(e, of):
		case (of == FieldChanges || of == OversignedNames) && !changes && sign != e.Key:
			l.addf("change without *", problem.Warning, e.Line, "write * as the first element: *,"+e.Key+"; or "+sign+" without the sign",
				"%s names no header field: only a list with the element * has changes", problem.Quote(e.Key))
		case of == FieldChanges && changes && sign == e.Key && sign != "*" && !strings.Contains(sign, ":"):
			l.addf("name without sign", problem.Warning, e.Line, "write +"+e.Key,
				"%s counts as +%s beside the element *; OpenDKIM passes over it", problem.Quote(e.Key), clip(e.Key))
		default:
			l.element(e, of, isPatterns)
		}
		return nil
	})
	return l.done()
}

// separators reports an element that is several, and whether it is one. In a
// file the first blank ends an element, and what follows is its value.
func (l *linter) separators(e Entry, of Elements) bool {
	text := e.Key
	if value := strings.Join(e.Values, ":"); value != "" && of.looksLikeOne(strings.Fields(value + " ")[0]) {
		text += " " + value
	}
	separates := of.separates
	if of == Macros && strings.Contains(text, "=") { // NAME=ONE|ANOTHER
		separates = func(r rune) bool { return r != '|' && of.separates(r) }
	}
	parts := strings.FieldsFunc(strings.Trim(text, `"'`), separates)
	if strings.IndexFunc(text, separates) < 0 {
		return false
	}
	shown := problem.Quote(text)
	switch {
	case len(parts) == 0:
		return false
	case len(parts) == 1:
		l.addf("separators", problem.Warning, e.Line, "write "+parts[0], "%s never matches", shown)
	case l.source == "":
		l.addf("separators", problem.Warning, e.Line, "separate the elements by commas: "+strings.Join(parts, ","),
			"%s is one element and matches none of them", shown)
	case text != e.Key:
		l.addf("separators", problem.Warning, e.Line, "write each in a line of its own",
			"%s counts for %s alone", shown, problem.Quote(e.Key))
	default:
		l.addf("separators", problem.Warning, e.Line, "write each in a line of its own: "+strings.Join(parts, " and "),
			"%s never matches", shown)
	}
	return true
}

// separates reports whether a character is none of a list's elements and looks like
// what was to stand between them.
func (of Elements) separates(r rune) bool {
	switch r {
	case ' ', '\t', ';', ',', '|':
		return true
	case '{', '}':
		return of != Macros // Postfix writes lists in braces
	case ':':
		return of == FieldNames || of == FieldChanges || of == OversignedNames
	}
	return false
}

// looksLikeOne reports whether the value of a row looks as if it were to be an
// element as well.
func (of Elements) looksLikeOne(word string) bool {
	switch of {
	case HostElements:
		_, err := parseHostEntry(strings.Trim(word, ",;"))
		return err == nil
	case IPAddresses:
		_, err := netip.ParseAddr(strings.Trim(word, ",;"))
		return err == nil
	case DomainElements, SignedDomains, BelowDomains, DomainPairs:
		return strings.Contains(strings.Trim(word, ".,;"), ".")
	case Addresses:
		return strings.Contains(word, "@")
	case FieldNames, FieldChanges, OversignedNames:
		return true
	case AnyElements, Words, Macros, AddressForms:
	}
	return false
}

// matchPatterns reports whether what a list is of is looked up in it, so that the
// patterns of a refile: set match. Others are read as names once.
func (of Elements) matchPatterns() bool {
	switch of {
	case BelowDomains, FieldNames, FieldChanges, OversignedNames, Macros:
		return false
	case AnyElements, HostElements, DomainElements, SignedDomains, DomainPairs, Addresses, AddressForms, IPAddresses, Words:
	}
	return true
}

// element reports an element that is looked up in another form.
func (l *linter) element(e Entry, of Elements, isPatterns bool) {
	key := e.Key
	never := func(kind, hint string) {
		l.addf(kind, problem.Warning, e.Line, hint, "%s never matches", problem.Quote(key))
	}
	asterisk := strings.Contains(key, "*")
	if isPatterns && asterisk && (of.haveUsers() || !strings.Contains(key, "@")) {
		return
	}
	switch of {
	case DomainElements, SignedDomains, BelowDomains, DomainPairs:
		if of == SignedDomains && key == "*" || of == DomainPairs && strings.Count(key, ":") == 1 && !asterisk {
			return
		}
		bare := key
		if of == BelowDomains {
			bare = strings.TrimPrefix(key, ".")
		}
		if domain := domainOf(key); domain != bare {
			never("not a domain", hintForDomain(of, key, domain, isPatterns))
		} else if !isNameText(strings.ReplaceAll(domain, ":", "")) {
			never("not a domain", "write domains: "+l.option+" example.com,example.net")
		}
	case Addresses:
		user, host, isAddress := strings.Cut(key, "@")
		switch {
		case asterisk && key != "*":
			never("asterisk outside refile:", "patterns work in refile: sets only: put "+key+" into a file and name it by refile:")
		case !isAddress && key != "-":
			never("not an address", "write whole addresses, or the pattern *@"+strings.TrimPrefix(key, ".")+" into a refile: set")
		case isAddress && (user == "" || host == "" || domainOf(host) != host):
			never("not an address", "write whole addresses: user@"+cmp.Or(domainOf(host), "example.com"))
		}
	case AddressForms:
		if hint := hintForForm(key); hint != "" {
			never("not an address", hint)
		}
	case Macros:
		if name, _, _ := strings.Cut(key, "="); name == "" || asterisk {
			l.addf("not a macro", problem.Warning, e.Line, "write NAME for any value of a macro, NAME=VALUE or NAME=ONE|ANOTHER",
				"%s names no macro", problem.Quote(key))
		}
	case IPAddresses:
		if _, err := netip.ParseAddr(key); err != nil {
			never("not an address", "write IP addresses")
		}
	case FieldNames, FieldChanges, OversignedNames:
		l.fieldName(e, of)
	case Words:
		if asterisk || key == "" {
			never("asterisk outside refile:", "write each word; patterns work in refile: sets only")
		}
	case AnyElements, HostElements:
	}
}

// hintForForm is what to write in the place of what is none of the forms of an address that
// are asked for, "" for one that is.
func hintForForm(key string) string {
	user, host, isAddress := strings.Cut(key, "@")
	switch {
	case key == "*" || isAddress && host == "*" && user != "" && !strings.Contains(user, "*"):
	case strings.Contains(key, "*"):
		return "write " + domainOf(key) + ", or .domain for all below it; patterns work in refile: sets only"
	case isAddress && (user == "" || host == "" || domainOf(host) != host || strings.HasPrefix(user, "<")):
		domain := cmp.Or(domainOf(host), "example.com")
		return "write user@" + domain + ", or " + domain + " for every user"
	}
	return ""
}

// haveUsers reports whether what is looked up in a list may have an "@".
func (of Elements) haveUsers() bool { return of == Addresses || of == AddressForms || of == Words }

// isNameText reports whether text has the characters of host names alone, or of U-labels.
func isNameText(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x80 && r != '-' && r != '_' && r != '.' && (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9')
	})
}

// expression reports a pattern that OpenDKIM takes for a regular expression, and
// reports whether it did: all but the dot reached regcomp there. A plus sign is part
// of addresses, and was never meant as one.
func (l *linter) expression(key string, line int) bool {
	if !strings.ContainsAny(key, `[]()|?{}^$\`) {
		return false
	}
	l.addf("regular expression", problem.Warning, line, "write a row for each that is meant",
		"pattern %s is no regular expression: only the asterisk has a meaning", problem.Quote(key))
	return true
}

// fieldName reports what cannot be the name of a header field.
func (l *linter) fieldName(e Entry, of Elements) {
	name := e.Key
	if of != FieldNames {
		if name == "*" {
			return
		}
		name = strings.TrimLeft(name, "+-")
	}
	if of == FieldChanges {
		// Compat(opendkim 2.11): there these are regular expressions.
		if strings.ContainsAny(name, `+?^$`) {
			l.addf("regular expression", problem.Warning, e.Line, "write names of header fields, with * for any text: List-*",
				"%s names no header field: only the asterisk has a meaning", problem.Quote(e.Key))
			return
		}
		name = strings.ReplaceAll(name, "*", "") // a pattern of names is fine
	}
	if last := len(name) - 1; last > 1 && name[0] == '\'' && name[last] == '\'' {
		name = `"` // quoted: no field is called so
	}
	if !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`:;,<>()[]@\"*`, r) }) && name != "" {
		return
	}
	l.addf("not a field name", problem.Warning, e.Line, "write names of header fields: From,To,Subject",
		"%s names no header field", problem.Quote(e.Key))
}

// domainOf takes off what keeps a domain from being one.
func domainOf(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		text = text[i+1:]
	}
	return strings.Trim(strings.ReplaceAll(text, "*", ""), `.!<>()[]"'/\`)
}

// hintForDomain is what to write instead.
func hintForDomain(of Elements, key, domain string, isPatterns bool) string {
	below := strings.HasPrefix(key, ".") || strings.HasPrefix(key, "*.") || strings.HasPrefix(key, "@.")
	switch {
	case domain == "" && of == BelowDomains:
		return "write domains; RemoveARAll is for all of them"
	case domain == "":
		return "write domains"
	case below && of == SignedDomains:
		return "write " + domain + ", with SubDomains yes for those below it"
	case below && of == BelowDomains:
		return "write ." + domain
	case below && isPatterns:
		return "write *." + domain
	case below:
		return "write " + domain + "; for all domains below it the pattern *." + domain + " in a refile: set"
	}
	return "write " + domain
}
