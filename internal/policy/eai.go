package policy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"dojang/dkim"
	"dojang/internal/dataset"
)

// Internationalised mail (RFC 8616, RFC 6532): a domain has two forms, with
// U-labels (bücher.example) and with A-labels (xn--bcher-kva.example). Tables
// may hold either, and mail may use either; both are tried.

// otherForm is a domain's other form; ok is false when it has only one, as most.
func otherForm(domain string) (other string, ok bool) {
	if !isASCII(domain) {
		other, ok = dkim.ToASCII(domain)
		return other, ok
	}
	if !strings.Contains(strings.ToLower(domain), "xn--") {
		return "", false
	}
	other = dkim.ToUnicode(domain)
	return other, !isASCII(other)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isName reports whether a domain is no longer than a name may be: nothing else is
// asked for or made into something else.
func isName(domain string) bool {
	_, ok := dkim.ToASCII(domain)
	return ok
}

// containsDomain reports whether a set has a domain, in either form.
func containsDomain(ctx context.Context, set dataset.Set, domain string) (bool, error) {
	if set == nil || len(domain) > dataset.MaxHostBytes {
		return false, nil
	}
	found, err := contains(ctx, set, domain)
	if found || err != nil {
		return found, err
	}
	if other, ok := otherForm(domain); ok {
		return contains(ctx, set, other)
	}
	return false, nil
}

// containsAddress reports whether a set has an address, its domain in either
// form.
func containsAddress(ctx context.Context, set dataset.Set, address string) (bool, error) {
	if set == nil || len(address) > dataset.MaxUserBytes+1+dataset.MaxHostBytes {
		return false, nil
	}
	found, err := contains(ctx, set, address)
	if found || err != nil {
		return found, err
	}
	user, host, _ := strings.Cut(address, "@")
	if other, ok := otherForm(host); ok {
		return contains(ctx, set, user+"@"+other)
	}
	return false, nil
}

// signingLookup is dataset.SigningLookup for both forms of the host. Of what
// matches, the row that stands first in a table of patterns, and otherwise the
// one that is asked for first, comes first.
func signingLookup(ctx context.Context, set dataset.Set, user, host string, columns int, all bool) ([]dataset.Entry, error) {
	other, twofold := otherForm(host)
	rows, err := signingRows(ctx, set, user, host, columns, all)
	if !twofold || err != nil {
		return rows, err
	}
	more, err := signingRows(ctx, set, user, other, columns, all)
	if err != nil {
		return nil, err
	}
	rank := func(e dataset.Entry) int { return e.Line }
	if _, patterns := set.(dataset.PatternSet); !patterns {
		first, second := dataset.SigningKeys(user, host), dataset.SigningKeys(user, other)
		rank = func(e dataset.Entry) int { return max(slices.Index(first, e.Key), slices.Index(second, e.Key)) }
	}
	for _, row := range more {
		if !slices.ContainsFunc(rows, func(r dataset.Entry) bool { return r.Key == row.Key && r.Line == row.Line }) {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b dataset.Entry) int { return cmp.Compare(rank(a), rank(b)) })
	if !all && len(rows) > 1 {
		rows = rows[:1]
	}
	return rows, nil
}

// signingRows are the rows that match; none is no error.
func signingRows(ctx context.Context, set dataset.Set, user, host string, columns int, all bool) (rows []dataset.Entry, err error) {
	err = dataset.SigningLookup(ctx, set, user, host, columns, all, func(e dataset.Entry) bool {
		rows = append(rows, e)
		return true
	})
	if errors.Is(err, dataset.ErrNotFound) {
		return nil, nil
	}
	return rows, err
}

// suitable is a name from a table in the form in which it may stand in a
// signature: RFC 8616 §4 lets UTF-8 stand only where the message has it too.
func suitable(name string, author Author) string {
	if isASCII(name) || !isASCII(author.Domain) || !isASCII(author.User) {
		return name
	}
	if ascii, ok := dkim.ToASCII(name); ok {
		return ascii
	}
	return name
}

// suitableIdentity is suitable for i=; "" when its local part cannot be written.
func suitableIdentity(identity string, author Author) string {
	at := strings.LastIndexByte(identity, '@')
	if at < 0 || suitable(identity[at+1:], author) == identity[at+1:] && isASCII(identity) {
		return identity
	}
	if !isASCII(author.Domain) || !isASCII(author.User) {
		return identity
	}
	if !isASCII(identity[:at]) {
		return ""
	}
	return identity[:at+1] + suitable(identity[at+1:], author)
}
