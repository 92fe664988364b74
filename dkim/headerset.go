package dkim

import "strings"

// HeaderSet is a compiled set of header field names, in which "*" in a name
// stands for any text. A nil HeaderSet is empty. It is immutable and safe for
// concurrent use.
type HeaderSet struct {
	names    []string // as given, in order
	exact    map[string]struct{}
	patterns []string // lower case, with "*"
}

// DefaultSignHeaders returns the names OpenDKIM signs (RFC 6376 §5.4.1).
func DefaultSignHeaders() []string {
	return []string{
		"From", "Reply-To", "Subject", "Date", "To", "Cc",
		"Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc",
		"In-Reply-To", "References",
		"List-Id", "List-Help", "List-Unsubscribe", "List-Subscribe", "List-Post", "List-Owner", "List-Archive",
	}
}

// DefaultOmitHeaders returns the names OpenDKIM never signs unless told to.
func DefaultOmitHeaders() []string {
	return []string{"Return-Path", "Received", "Comments", "Keywords", "Bcc", "Resent-Bcc", "DKIM-Signature"}
}

// NewHeaderSet returns the set of those names, each once.
func NewHeaderSet(names ...string) *HeaderSet {
	s := &HeaderSet{exact: make(map[string]struct{}, len(names))}
	for _, n := range names {
		folded := strings.ToLower(n)
		if n == "" {
			continue
		}
		if strings.Contains(n, "*") {
			s.patterns = append(s.patterns, folded)
		} else if _, twice := s.exact[folded]; twice {
			continue
		}
		s.exact[folded] = struct{}{}
		s.names = append(s.names, n)
	}
	return s
}

// Names returns the names and patterns in the order given. The slice is the set's
// own.
func (s *HeaderSet) Names() []string {
	if s == nil {
		return nil
	}
	return s.names
}

// Contains reports whether the set has the name, in any case of ASCII letters.
func (s *HeaderSet) Contains(name []byte) bool {
	if s == nil {
		return false
	}
	var stack [64]byte
	folded := stack[:0]
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		folded = append(folded, c)
	}
	if _, ok := s.exact[string(folded)]; ok {
		return true
	}
	for _, p := range s.patterns {
		if matchPattern(p, folded) {
			return true
		}
	}
	return false
}

// matchPattern matches "*" as any text. It goes back to the last "*" only, so
// its work is at most the product of the two lengths.
func matchPattern(pattern string, name []byte) bool {
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
