package keystore

import (
	"errors"
	"fmt"
	"net/netip"
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
	var space [columns]string
	if len(values) == 1 {
		values = cutColumns(space[:0], values[0])
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
	r.Domain, _ = withoutDot(r.Domain)
	return r, r.check()
}

// cutColumns cuts a row at its first colons, without making anything: a table has
// many.
func cutColumns(to []string, value string) []string {
	for len(to) < columns-1 {
		column, rest, more := strings.Cut(value, ":")
		to = append(to, column)
		if !more {
			return to
		}
		value = rest
	}
	return append(to, value)
}

// withoutDot takes the dot off that ends an absolute name in a zone file, and
// reports whether there was one. A dot alone stays.
func withoutDot(domain string) (string, bool) {
	short, found := strings.CutSuffix(domain, ".")
	if short == "" {
		return domain, false
	}
	return short, found
}

// rowError is what is wrong with a row, and what to type.
type rowError struct{ text, hint string }

func (e *rowError) Error() string { return e.text }

// check asks what the signer will ask when a message needs the row.
func (r Row) check() error {
	switch {
	case r.Domain == "":
		return errors.New("row has no domain")
	case r.Selector == "":
		return errors.New("row has no selector")
	case r.Key == "":
		return errors.New("row has no key")
	case r.Domain != "%" && !dkim.ValidDomain(r.Domain):
		return &rowError{"domain " + problem.Quote(r.Domain) + " is not a domain name",
			hintForName(r.Domain, "a domain such as example.com, or % for the sender's")}
	case !dkim.ValidDomain(r.Selector):
		return &rowError{"selector " + problem.Quote(r.Selector) + " is not a domain name",
			hintForName(r.Selector, "a selector such as mail2026: letters, digits, hyphens and dots between")}
	}
	return nil
}

// odd tells of names that can stand in a signature, and where no verifier will find the key
// that was meant, and what to write; "" where nothing is odd.
func (r Row) odd() (text, hint string) {
	const below = "._domainkey"
	selector, _, doubled := strings.Cut(strings.ToLower(r.Selector)+".", below+".")
	_, parent, within := strings.Cut(strings.ToLower("."+r.Domain), below+".")
	_, notAddress := netip.ParseAddr(r.Domain)
	switch {
	case doubled:
		return "selector " + problem.Quote(r.Selector) + ": verifiers put " + below + " behind it once more",
			"write " + r.Selector[:len(selector)]
	case within:
		return "domain " + problem.Quote(r.Domain) + ": verifiers put the selector and " + below + " before it once more",
			"write " + r.Domain[len(r.Domain)-len(parent):]
	case notAddress == nil:
		return "domain " + problem.Quote(r.Domain) + " is an address: nobody can publish a key below it", "write the domain of the authors"
	case r.Domain != "%" && !strings.Contains(r.Domain, ".") && strings.Contains(r.Selector, "."):
		return "domain " + problem.Quote(r.Domain) + " and selector " + problem.Quote(r.Selector) +
				" look as if they stood in each other's place",
			"write " + r.Selector + ":" + r.Domain + " before the key"
	case r.Algorithm == dkim.RSASHA1:
		return "RFC 8301 §3.1 forbids signing with SHA-1: verifiers do not accept it", "leave the fourth column out: the key decides"
	}
	return "", ""
}

// JudgeSelector says what is wrong with a selector that no row names, "" where nothing is,
// and what to write; unusable is set when nothing can be signed with it.
func JudgeSelector(selector string) (text, hint string, unusable bool) {
	r := Row{Domain: "%", Selector: selector, Key: "/"}
	var wrong *rowError
	if errors.As(r.check(), &wrong) {
		return wrong.text, wrong.hint, true
	}
	text, hint = r.odd()
	return text, hint, false
}

// hintForName is a name without what makes it none, or else what to write.
func hintForName(name, otherwise string) string {
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		name = name[i+1:]
	}
	if name = strings.Trim(name, ".*@<>\"'"); dkim.ValidDomain(name) {
		return "write " + name
	}
	return "write " + otherwise
}

// ErrSender is wrapped by the error about a sender in whose name nothing can be
// signed: at an address literal, for one.
var ErrSender = errors.New("the sender's domain is not a domain name")

// ForSender returns the row with its percent signs replaced by a sender's domain,
// which never leads a path elsewhere. The error wraps ErrSender when the sender is
// to blame and not the row.
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
		r.Domain, _ = withoutDot(domain)
		if !dkim.ValidDomain(r.Domain) {
			return r, fmt.Errorf("%w: %s", ErrSender, problem.Quote(domain))
		}
	}
	return r, nil
}
