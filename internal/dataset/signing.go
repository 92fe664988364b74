package dataset

import (
	"context"
	"errors"
	"strings"
)

// Bounds of what is asked for. A domain name has 253 octets in ASCII, and each of
// its characters up to four in UTF-8.
const (
	MaxUserBytes = 256 // RFC 5321 §4.5.3.1.1 says 64
	MaxHostBytes = 4 * 253

	maxHostLabels = 127
)

// SigningLookup looks a sender up the way opendkim.conf(5) tells for
// SigningTable and calls f for each match until f returns false; without all,
// only for the first. Entry.Key is the row's key or pattern. It returns
// ErrNotFound when nothing matches.
//
// A PatternSet is asked for user@host in file order. Any other set is asked for
// SigningKeys(user, host), in one question where it can. A user above MaxUserBytes
// matches rows for domains alone, a host that is longer than a name may be nothing.
func SigningLookup(ctx context.Context, set Set, user, host string, columns int, all bool, f func(Entry) bool) error {
	if len(host) > MaxHostBytes || strings.Count(host, ".") >= maxHostLabels {
		return ErrNotFound
	}
	if len(user) > MaxUserBytes {
		user = ""
	}
	if p, ok := set.(PatternSet); ok {
		found := false
		err := p.LookupAll(ctx, user+"@"+host, columns, func(e Entry) bool {
			found = true
			return f(e) && all
		})
		if err == nil && !found {
			return ErrNotFound
		}
		return err
	}
	keys := SigningKeys(user, host)
	return eachOf(ctx, set, keys, columns, func(i int, values []string) bool {
		return f(Entry{Key: keys[i], Values: values, Line: lineOf(set, keys[i])}) && all
	})
}

// eachOf calls f with the place and the values of each key that a set has, in order, until f
// returns false: asked for in one question where the set can, else one after the other. It
// returns ErrNotFound when the set has none of them.
func eachOf(ctx context.Context, set Set, keys []string, columns int, f func(i int, values []string) bool) error {
	lookup := func(i int) ([]string, error) { return set.Lookup(ctx, keys[i], columns) }
	if b, ok := set.(BatchSet); ok && len(keys) > 0 {
		rows, err := b.LookupBatch(ctx, keys, columns)
		if err != nil {
			return err
		}
		lookup = func(i int) ([]string, error) {
			if rows[i] == nil {
				return nil, ErrNotFound
			}
			return rows[i], nil
		}
	}
	none := ErrNotFound
	for i := range keys {
		values, err := lookup(i)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if none = nil; err != nil || !f(i, values) {
			return err
		}
	}
	return none
}

// SigningKeys are the keys a SigningTable that is not of patterns is asked for,
// in order: user@host, host, then user@.domain and .domain for each superdomain
// from the longest, user@* and *.
//
// Compat(opendkim 2.11): the man page reads as if every user@.domain came before
// the first .domain; the filter asks for them in turns.
//
// Without a user only the host's are asked for.
func SigningKeys(user, host string) []string {
	var keys []string
	add := func(host string) {
		if user != "" {
			keys = append(keys, user+"@"+host)
		}
		keys = append(keys, host)
	}
	add(host)
	for d := parent(host); d != ""; d = parent(d[1:]) {
		add(d)
	}
	add("*")
	return keys
}

// LookupFirst looks keys up and returns the place of the first that the set has,
// and its values as Lookup does: in one question where the set can, else one after
// the other. ErrNotFound when it has none of them.
func LookupFirst(ctx context.Context, set Set, keys []string, columns int) (first int, values []string, err error) {
	err = eachOf(ctx, set, keys, columns, func(i int, found []string) bool { first, values = i, found; return false })
	return first, values, err
}

// parent returns the superdomain of a host with its leading dot, "" at the end.
func parent(host string) string {
	i := strings.IndexByte(host, '.')
	if i < 0 || i == len(host)-1 {
		return ""
	}
	return host[i:]
}

func lineOf(set Set, key string) int {
	if l, ok := set.(interface{ line(string) int }); ok {
		return l.line(key)
	}
	return 0
}
