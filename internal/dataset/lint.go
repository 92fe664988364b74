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
}

// addf tells a problem of a kind, up to maxProblems of them.
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

// SigningTable checks the rows of a SigningTable.
func (o Lint) SigningTable(ctx context.Context, set Set) problem.List {
	l, local := newLinter(set, o.Option)
	if l == nil {
		return nil
	}
	_, isPatterns := set.(PatternSet)
	_ = local.Walk(ctx, func(e Entry) error {
		if isPatterns {
			l.signingPattern(e)
		} else {
			l.signingKey(e)
		}
		l.keyNames(ctx, e, o)
		return nil
	})
	l.duplicates(ctx, local, o.AllMatches && isPatterns)
	if p, ok := set.(*patterns); ok && !o.AllMatches {
		l.shadowed(p)
	}
	return l.done()
}

// signingPattern checks that a pattern can match user@host.
func (l *linter) signingPattern(e Entry) {
	switch {
	case !strings.ContainsAny(e.Key, "@*"):
		l.addf("pattern without @", problem.Warning, e.Line, "write *@"+strings.TrimPrefix(e.Key, ".")+" for every address of the domain",
			"pattern %s matches no address", problem.Quote(e.Key))
	case strings.HasPrefix(e.Key, "@"):
		l.addf("pattern without user", problem.Warning, e.Line, "write *"+e.Key, "pattern %s matches no address", problem.Quote(e.Key))
	}
}

// signingKey checks that a row of a table without patterns can be found.
func (l *linter) signingKey(e Entry) {
	user, host, isAddress := strings.Cut(e.Key, "@")
	switch {
	case e.Key == "*" || isAddress && host == "*" && user != "" && !strings.Contains(user, "*"):
	case strings.Contains(e.Key, "*"):
		hint := "use refile: in front of the file's name"
		if l.source != "" {
			hint = "write " + l.option + " refile:" + l.source
		}
		if user == "*" && isAddress {
			hint += ", or the row's key as " + host
		}
		l.addf("asterisk outside refile:", problem.Error, e.Line, hint, "%s never matches: patterns work in refile: tables only", problem.Quote(e.Key))
	case isAddress && user == "":
		l.addf("row without user", problem.Warning, e.Line, "write "+host, "%s matches no address", problem.Quote(e.Key))
	}
}

// keyNames checks that a row names a key that the KeyTable has, or several with
// commas between them where all matches are used.
func (l *linter) keyNames(ctx context.Context, e Entry, o Lint) {
	text := ""
	if len(e.Values) > 0 {
		text = e.Values[0]
	}
	if text == "" {
		l.addf("row without key", problem.Error, e.Line, "write the name of a key of the KeyTable behind it", "%s has no key", problem.Quote(e.Key))
		return
	}
	if _, ok := o.Keys.(Local); !ok {
		return
	}
	names := []string{text}
	if o.AllMatches {
		names = strings.Split(text, ",")
	}
	for _, name := range names {
		if name = strings.TrimSpace(name); name == "%" {
			continue // which key depends on the sender
		}
		if _, err := o.Keys.Lookup(ctx, name, 0); errors.Is(err, ErrNotFound) {
			l.addf("unknown key", problem.Error, e.Line, "add a row that starts with "+clip(name)+" to the KeyTable, or correct the name", "key %s is not in the KeyTable", problem.Quote(name))
		}
	}
}

// duplicates tells of rows that an earlier one with the same key hides.
func (l *linter) duplicates(ctx context.Context, local Local, allowed bool) {
	if allowed {
		return
	}
	first := make(map[string]int, local.Len())
	foldCase := true
	if t, ok := local.(*table); ok {
		foldCase = t.fold
	}
	_ = local.Walk(ctx, func(e Entry) error {
		key := e.Key
		if foldCase {
			key = fold(key)
		}
		if line, ok := first[key]; ok {
			place := fmt.Sprintf("line %d", line)
			if l.source == "" {
				place = fmt.Sprintf("element %d", line)
			}
			l.addf("duplicate", problem.Warning, e.Line, "remove one of them", "%s is listed before, at %s, and this row is never used", problem.Quote(e.Key), place)
			return nil
		}
		first[key] = e.Line
		return nil
	})
}

// shadowed tells of patterns that never match because an earlier one takes all they
// could: it matches their own text, asterisks being plain characters there.
func (l *linter) shadowed(p *patterns) {
	for i := range p.rows {
		first := none
		p.match(p.texts[i], func(j int32) bool { first = j; return false })
		if first < int32(i) && first != none && p.texts[first] != p.texts[i] {
			l.addf("hidden pattern", problem.Warning, int(p.rows[i].line), fmt.Sprintf("move it above line %d", p.rows[first].line),
				"pattern %s never matches: %s at line %d takes everything it could", problem.Quote(p.rows[i].key), problem.Quote(p.rows[first].key), p.rows[first].line)
		}
	}
}

// Table checks the rows of any other table: fewest is the number of values each
// needs.
func (o Lint) Table(ctx context.Context, set Set, fewest int) problem.List {
	l, local := newLinter(set, o.Option)
	if l == nil {
		return nil
	}
	_ = local.Walk(ctx, func(e Entry) error {
		n := len(e.Values)
		if n == 1 && e.Values[0] == "" {
			n = 0
		}
		if n < fewest {
			l.addf("too few fields", problem.Error, e.Line, "separate the fields by colons", "%s has %d of %d fields", problem.Quote(e.Key), n, fewest)
		}
		return nil
	})
	l.duplicates(ctx, local, false)
	return l.done()
}

// Hosts checks a list of hosts.
func (o Lint) Hosts(ctx context.Context, set Set) problem.List {
	l, local := newLinter(set, o.Option)
	if l == nil {
		return nil
	}
	_, isPatterns := set.(PatternSet)
	_ = local.Walk(ctx, func(e Entry) error {
		if !l.separators(e, HostElements) {
			l.host(e, isPatterns)
		}
		return nil
	})
	l.duplicates(ctx, local, false)
	return l.done()
}

func (l *linter) host(e Entry, isPatterns bool) {
	key, not := strings.CutPrefix(e.Key, "!")
	shown := problem.Quote(e.Key)
	p, err := ParseHostEntry(key)
	switch {
	case err == nil && p.Bits() == 0 && !not:
		l.everyone(e)
	case err == nil:
	case errors.Is(err, errHostBits):
		l.addf("host bits", problem.Warning, e.Line, "write "+p.Masked().String(), "network %s never matches: its address has bits beyond the prefix", shown)
	case key == "*" && isPatterns && !not:
		l.everyone(e)
	case strings.Contains(key, "*") && !isPatterns:
		l.addf("asterisk outside refile:", problem.Warning, e.Line, "write "+strings.TrimPrefix(key, "*")+", or use refile:", "%s never matches: patterns work in refile: lists only", shown)
	case strings.ContainsAny(key, "/@") || strings.HasPrefix(key, "["):
		l.addf("not a host", problem.Warning, e.Line, "write a host name, .domain, an address, or a network such as 192.0.2.0/24", "%s never matches: it is neither a host nor a network", shown)
	case strings.Trim(key, "0123456789.") == "" && key != "":
		l.addf("incomplete address", problem.Warning, e.Line, "write a whole address, or a network such as 192.0.2.0/24", "%s never matches: it is not a whole address", shown)
	}
}

func (l *linter) everyone(e Entry) {
	hint := ""
	if strings.EqualFold(l.option, "InternalHosts") {
		hint = "anyone's mail from our domains would be signed: list the networks that are ours"
	}
	l.addf("everyone", problem.Warning, e.Line, hint, "%s matches every host", problem.Quote(e.Key))
}

// clip keeps text from outside short in a hint.
func clip(s string) string {
	if len(s) > 64 {
		return problem.Quote(s[:64])
	}
	return s
}
