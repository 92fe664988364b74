package keystore

import (
	"errors"
	"fmt"
	"strings"

	"dojang/dkim"
	"dojang/internal/problem"
)

// columns of a KeyTable: domain, selector, key and, optional, algorithm.
const columns = 4

// Row is one KeyTable row: "domain:selector:keypath-or-key[:algorithm]".
type Row struct {
	Domain    string // "%" stands for the sender's domain
	Selector  string
	Key       string         // path or key data
	Algorithm dkim.Algorithm // 0: the key's own
}

// ParseRow reads a KeyTable row's values. The fourth column names an algorithm;
// another text there belongs to a path with a colon in it.
func ParseRow(values []string) (Row, error) {
	if len(values) == 1 {
		values = strings.SplitN(values[0], ":", columns)
	}
	if len(values) < 3 {
		return Row{}, fmt.Errorf("row has %d of the fields domain:selector:key", len(values))
	}
	r := Row{Domain: strings.TrimSpace(values[0]), Selector: strings.TrimSpace(values[1]), Key: strings.TrimSpace(values[2])}
	if r.Key == "age" && len(values) > 3 {
		// A wrapped key has a colon in its first characters.
		rest := strings.SplitN(strings.Join(values[3:], ":"), ":", 2)
		r.Key = "age:" + strings.TrimSpace(rest[0])
		values = append(values[:3:3], rest[1:]...)
	}
	if len(values) > 3 {
		if rest := strings.TrimSpace(strings.Join(values[3:], ":")); rest != "" {
			algorithm, err := dkim.ParseAlgorithm(rest)
			switch {
			case err == nil:
				r.Algorithm = algorithm
			case isPath(r.Key):
				r.Key += ":" + rest
			default:
				return Row{}, errors.New("unknown signature algorithm " + guarded(rest))
			}
		}
	}
	switch {
	case r.Domain == "":
		return Row{}, errors.New("row has no domain")
	case r.Selector == "":
		return Row{}, errors.New("row has no selector")
	case r.Key == "":
		return Row{}, errors.New("row has no key")
	}
	return r, nil
}

// ForSender returns the row with its percent signs replaced by a sender's domain,
// which never leads a path elsewhere.
func (r Row) ForSender(domain string) (Row, error) {
	whole := r.Domain == "%"
	inPath := strings.Contains(r.Key, "%")
	if !whole && !inPath {
		return r, nil
	}
	if domain == "" {
		return r, errors.New("row needs the sender's domain, which is not known")
	}
	if inPath {
		if strings.ContainsAny(domain, "/\x00") || strings.HasPrefix(domain, ".") || strings.Contains(domain, "..") {
			return r, fmt.Errorf("sender's domain %s cannot be part of a path", problem.Quote(domain))
		}
		r.Key = strings.ReplaceAll(r.Key, "%", domain)
	}
	if whole {
		r.Domain = domain
	}
	return r, nil
}
