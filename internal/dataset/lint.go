package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dojang/internal/problem"
)

// maxProblems bounds what is told of one kind of mistake in one table.
const maxProblems = 20

// Lint finds mistakes in tables. Sets that are not Local are never walked: for
// them every check returns an empty list.
type Lint struct {
	Option string // name of the option, for the problems
	// AllMatches is MultipleSignatures: rows behind a match are used too.
	AllMatches bool
	// Keys is the KeyTable that a SigningTable's rows name keys of; nil skips
	// the check.
	Keys Set
}

// linter collects the problems of one table.
type linter struct {
	list   problem.List
	option string
	source string
	counts map[string]int
	guess  int32 // the row of the KeyTable that is probably named next
}

// addf adds a problem of a kind, up to maxProblems of them.
func (l *linter) addf(kind string, s problem.Severity, line int, hint, format string, args ...any) {
	l.counts[kind]++
	switch n := l.counts[kind]; {
	case n > maxProblems:
	case l.source == "" && line > 0:
		l.list.Addf(s, "", 0, l.option, hint, "element %d: "+format, append([]any{line}, args...)...)
	default:
		l.list.Addf(s, l.source, line, l.option, hint, format, args...)
	}
}

// done adds how many problems were left out.
func (l *linter) done() problem.List {
	for kind, n := range l.counts {
		if n > maxProblems {
			l.list.Addf(problem.Warning, l.source, 0, l.option, "", "%d more rows like these: %s", n-maxProblems, kind)
		}
	}
	return l.list
}

func newLinter(set Set, option string) (*linter, Local) {
	local, ok := set.(Local)
	if !ok {
		return nil, nil
	}
	return &linter{option: option, source: local.Source(), counts: map[string]int{}}, local
}

// duplicates reports rows that an earlier one with the same key hides.
func (l *linter) duplicates(local Local, allowed bool) {
	h, ok := local.(interface{ eachHidden(func(row, by int32)) })
	if !ok || allowed {
		return
	}
	h.eachHidden(func(row, by int32) {
		p, line := local.Row(int(row))
		_, first := local.Row(int(by))
		place := fmt.Sprintf("line %d", first)
		if l.source == "" {
			place = fmt.Sprintf("element %d", first)
		}
		l.addf("duplicate", problem.Warning, line, "remove one of them",
			"%s is listed before, at %s, and this row is never used", problem.Quote(p.Key), place)
	})
}

// Table checks the rows of any other table: fewest is the number of values each
// needs.
func (o Lint) Table(ctx context.Context, set Set, fewest int) problem.List {
	l, local := newLinter(set, o.Option)
	if l == nil {
		return nil
	}
	for i := range local.Len() {
		p, line := local.Row(i)
		n := 0
		if p.Value != "" {
			n = strings.Count(p.Value, ":") + 1
		}
		if n < fewest {
			l.addf("too few fields", problem.Error, line, "separate the fields by colons",
				"%s has %d of %d fields", problem.Quote(p.Key), n, fewest)
		}
	}
	l.duplicates(local, false)
	return l.done()
}

// hosts checks a list of hosts.
func (o Lint) hosts(ctx context.Context, set Set) problem.List {
	l, local := newLinter(set, o.Option)
	if l == nil {
		return nil
	}
	_, isPatterns := set.(PatternSet)
	hasNetwork := false
	for i := range local.Len() {
		p, line := local.Row(i)
		_, err := parseHostEntry(strings.TrimPrefix(p.Key, "!"))
		switch {
		case err != nil && isPatterns && l.expression(p.Key, line):
		case !l.separators(Entry{Key: p.Key, Values: []string{p.Value}, Line: line}, HostElements):
			l.host(p.Key, line, isPatterns)
		}
		hasNetwork = hasNetwork || err == nil && !strings.HasPrefix(p.Key, "!")
	}
	if hasNetwork {
		l.excludedNames(local)
	}
	l.duplicates(local, false)
	return l.done()
}

// excludedNames reports names that are out, whatever their addresses.
//
// Compat(opendkim 2.11): there a client whose name is out is in by its address, against
// opendkim.conf(5).
func (l *linter) excludedNames(local Local) {
	for i := range local.Len() {
		p, line := local.Row(i)
		name, not := strings.CutPrefix(p.Key, "!")
		if _, err := parseHostEntry(name); !not || err == nil {
			continue
		}
		l.addf("name that is out", problem.Warning, line, "take it out if clients of that name are to be in by their addresses",
			"%s keeps clients of that name out, also those whose address is in the list; OpenDKIM lets these in", problem.Quote(p.Key))
	}
}

func (l *linter) host(entry string, line int, isPatterns bool) {
	key, not := strings.CutPrefix(entry, "!")
	shown := func() string { return problem.Quote(entry) }
	p, err := parseHostEntry(key)
	switch {
	case err == nil && p.Bits() == 0 && !not:
		l.everyone(entry, line)
	case err == nil:
	case errors.Is(err, errHostBits):
		l.addf("host bits", problem.Warning, line, "write "+p.Masked().String(),
			"network %s never matches: its address has bits beyond the prefix", shown())
	case key == "*" && isPatterns && !not:
		l.everyone(entry, line)
	case strings.Contains(key, "*") && !isPatterns:
		hint := "write a network such as 192.0.2.0/24, or use refile:"
		if name := strings.TrimPrefix(key, "*"); !strings.Contains(name, "*") {
			hint = "write " + name + ", or use refile:"
		}
		l.addf("asterisk outside refile:", problem.Warning, line, hint,
			"%s never matches: patterns work in refile: lists only", shown())
	case !isNameText(strings.TrimPrefix(key, ".")) && !(isPatterns && strings.Contains(key, "*")):
		l.addf("not a host", problem.Warning, line, hintForHost(entry),
			"%s never matches: it is neither a host nor a network", shown())
	case strings.Trim(key, "0123456789.-") == "" && strings.Contains(key, "."):
		l.addf("incomplete address", problem.Warning, line, "write a whole address, or a network such as 192.0.2.0/24",
			"%s never matches: it is not a whole address", shown())
	}
}

// hintForHost is the address that stands within an entry, between quotation marks, with a
// port or behind a word, else what to write.
func hintForHost(entry string) string {
	for text := range strings.FieldsFuncSeq(entry, func(r rune) bool { return strings.ContainsRune("\"'<>[]@!=", r) }) {
		_, behind, _ := strings.Cut(text, ":")
		before := text[:max(0, strings.LastIndexByte(text, ':'))]
		for _, part := range []string{text, behind, before} {
			if _, err := parseHostEntry(part); err == nil {
				return "write " + part
			}
		}
	}
	return "write a host name, .domain, an address, or a network such as 192.0.2.0/24"
}

func (l *linter) everyone(entry string, line int) {
	hint := ""
	if strings.EqualFold(l.option, "InternalHosts") {
		hint = "anyone's mail from our domains would be signed: list the networks that are ours"
	}
	l.addf("everyone", problem.Warning, line, hint, "%s matches every host", problem.Quote(entry))
}

// clip keeps text from outside short in a hint.
func clip(s string) string {
	if len(s) > 64 {
		return problem.Quote(s[:64])
	}
	return s
}
