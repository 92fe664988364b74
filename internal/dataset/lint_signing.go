package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dojang/internal/problem"
)

// SigningTable checks the rows of a SigningTable.
func (o Lint) SigningTable(ctx context.Context, set Set) problem.List {
	l, local := newLinter(set, o.Option)
	if l == nil {
		return nil
	}
	_, isPatterns := set.(PatternSet)
	judge := l.signingKey
	if isPatterns {
		judge = l.signingPattern
	}
	right := "" // rows of one key often follow each other
	for i := range local.Len() {
		p, line := local.Row(i)
		judge(p.Key, line)
		name, identity, _ := strings.Cut(p.Value, ":")
		if identity = strings.TrimSpace(identity); identity != "" {
			l.identity(ctx, name, identity, line, o)
		}
		if (name == "" || name != right) && l.keyNames(ctx, p.Key, name, line, o) {
			right = name
		}
	}
	l.duplicates(local, o.AllMatches && isPatterns)
	if p, ok := set.(*patterns); ok && !o.AllMatches {
		l.shadowed(p)
	}
	return l.done()
}

// signingPattern checks that a pattern can match user@host.
func (l *linter) signingPattern(key string, line int) {
	switch {
	case l.expression(key, line):
	case l.sender(key, line):
	case !strings.ContainsAny(key, "@*"):
		l.addf("pattern without @", problem.Warning, line, "write *@"+strings.TrimPrefix(key, ".")+" for every address of the domain",
			"pattern %s matches no address", problem.Quote(key))
	case strings.HasPrefix(key, "@"):
		l.addf("pattern without user", problem.Warning, line, "write *"+key, "pattern %s matches no address", problem.Quote(key))
	}
}

// sender reports a row whose key has what no sender has: quotation marks, brackets, a
// separator or a dot around an address. It reports whether it did.
func (l *linter) sender(key string, line int) bool {
	bare := strings.TrimRight(strings.TrimLeft(key, `"'<;,:!`), `"'>;,:.`)
	host := bare[strings.LastIndexByte(bare, '@')+1:]
	below := strings.HasPrefix(host, ".") && strings.HasPrefix(bare, "*@")
	if bare == key && isNameText(strings.ReplaceAll(host, "*", "a")) && !below || bare == "" || strings.HasPrefix(key, "@") {
		return false
	}
	hint := "write " + bare
	switch {
	case below:
		hint = "write *@*" + host
	case !isNameText(strings.ReplaceAll(host, "*", "a")):
		hint = "write user@domain, or a domain"
	}
	l.addf("no sender", problem.Warning, line, hint, "%s never matches", problem.Quote(key))
	return true
}

// identity reports what cannot stand in i= beside the domain of the row's key, and is
// left out.
func (l *linter) identity(ctx context.Context, key, text string, line int, o Lint) {
	user, host, isAddress := strings.Cut(text, "@")
	sender := strings.Contains(host, "%")
	host = strings.ReplaceAll(host, "%", "a")
	domain := ""
	if _, ok := o.Keys.(Local); ok && !sender {
		if values, err := o.Keys.Lookup(ctx, strings.TrimSpace(key), 2); err == nil && len(values) == 2 {
			domain = strings.Trim(values[0], " .")
		}
	}
	switch {
	case !isAddress:
		hint := "write " + text + "@ and the domain, or leave :" + text + " out"
		if strings.Contains(text, ".") || text == "%" {
			hint = "write @" + text
		}
		l.addf("identity", problem.Warning, line, hint, "identity %s has no @ and is left out of signatures", problem.Quote(text))
	case !isNameText(host) || strings.Contains(user, " "):
		l.addf("identity", problem.Warning, line, "write user@domain, or @domain",
			"identity %s is no address and is left out of signatures", problem.Quote(text))
	case isNameText(domain) && !equalFolded(domain, host) && !strings.HasSuffix(Fold(host), "."+Fold(domain)):
		l.addf("identity", problem.Warning, line, "write "+user+"@"+domain,
			"identity %s is outside of the domain %s of its key and is left out of signatures", problem.Quote(text), problem.Quote(domain))
	}
}

// signingKey checks that a row of a table without patterns can be found.
func (l *linter) signingKey(key string, line int) {
	user, host, isAddress := strings.Cut(key, "@")
	switch {
	case l.sender(key, line):
	case key == "*" || isAddress && host == "*" && user != "" && !strings.Contains(user, "*"):
	case strings.Contains(key, "*"):
		hint := "use refile: in front of the file's name"
		if l.source != "" {
			hint = "write " + l.option + " refile:" + l.source
		}
		if user == "*" && isAddress {
			hint += ", or the row's key as " + host
		}
		l.addf("asterisk outside refile:", problem.Error, line, hint, "%s never matches: patterns work in refile: tables only",
			problem.Quote(key))
	case isAddress && user == "":
		l.addf("row without user", problem.Warning, line, "write "+host, "%s matches no address", problem.Quote(key))
	}
}

// keyNames checks that a row names a key that the KeyTable has, or several with
// commas between them where all matches are used.
func (l *linter) keyNames(ctx context.Context, author, text string, line int, o Lint) (right bool) {
	if text == "" {
		l.addf("row without key", problem.Error, line, "write the name of a key of the KeyTable behind it",
			"%s has no key", problem.Quote(author))
		return false
	}
	if _, ok := o.Keys.(Local); !ok {
		return true
	}
	if t, ok := o.Keys.(*table); ok && !strings.Contains(text, ",") {
		if row := t.expect(text, l.guess); row != none {
			l.guess = row + 1
			return true
		}
	}
	right = true
	separator := ","
	if !o.AllMatches {
		separator = "\n" // there is none: the text is one name
	}
	for name := range strings.SplitSeq(text, separator) {
		if name = strings.TrimSpace(name); name == "%" {
			continue // which key depends on the sender
		}
		if _, err := o.Keys.Lookup(ctx, name, 0); errors.Is(err, ErrNotFound) {
			l.addf("unknown key", problem.Error, line, "add a row that starts with "+clip(name)+
				" to the KeyTable, or correct the name", "key %s is not in the KeyTable", problem.Quote(name))
			right = false
		}
	}
	return right
}

// shadowedTries bounds the search for hidden patterns, a second or two: of patterns with an
// asterisk at both ends each is tried with all before it.
const shadowedTries = 50_000_000

// shadowed reports patterns that never match because an earlier one takes all they
// could: it matches their own text, asterisks being plain characters there.
func (l *linter) shadowed(p *patterns) {
	left := shadowedTries
	for i := range int32(p.Len()) {
		first := none
		text := p.text(i)
		p.matchWithin(&left, text, func(j int32) bool { first = j; return false })
		if first < i && first != none && p.text(first) != text {
			l.addf("hidden pattern", problem.Warning, p.lineAt(i), fmt.Sprintf("move it above line %d", p.lineAt(first)),
				"pattern %s never matches: %s at line %d takes everything it could", problem.Quote(p.key(i)),
				problem.Quote(p.key(first)), p.lineAt(first))
		}
	}
}
