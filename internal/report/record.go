package report

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/internal/resolver"
	"dojang/taglist"
)

// Record is a reporting record (RFC 6651 §3.2).
type Record struct {
	Local      string   // ra=, the local part of the address
	Percentage int      // rp=
	Conditions []string // rr=; nil for all

	domain string // of the address, in A-label form
}

// ParseRecord reads a reporting record. nil means that no reports are wanted, or
// not in a way that can be read: RFC 6651 §3.2 lets nothing follow from that.
//
// Compat(opendkim 2.11): what stands behind an "@" in ra= is passed over. The
// address is always one of the domain itself, so that nobody can have others
// flooded.
func ParseRecord(text string) *Record {
	tags, err := taglist.Parse([]byte(text))
	if err != nil {
		return nil
	}
	local, ok := decodeLocal(tags.Value("ra"))
	if !ok {
		return nil
	}
	r := &Record{Local: local, Percentage: 100}
	if v := tags.Value("rp"); v != nil {
		n, err := strconv.ParseUint(string(v), 10, 32)
		if err != nil || n > 100 {
			return nil
		}
		r.Percentage = int(n)
	}
	if v := tags.Value("rr"); len(v) > 0 {
		for c := range strings.SplitSeq(string(v), ":") {
			r.Conditions = append(r.Conditions, strings.Trim(c, " \t\r\n"))
		}
	}
	return r
}

// decodeLocal decodes ra= (dkim-quoted-printable). Only a dot-atom of RFC 5322
// is taken: it goes to a program's standard input and into SMTP commands.
func decodeLocal(v []byte) (string, bool) {
	local, ok := dkim.DecodeQuoted(v)
	if !ok {
		return "", false
	}
	local, _, _ = strings.Cut(local, "@")
	const maxLocalBytes = 64 // RFC 5321 §4.5.3.1.1
	if local == "" || len(local) > maxLocalBytes || strings.HasPrefix(local, ".") ||
		strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", false
	}
	for _, c := range []byte(local) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", rune(c)) {
			return "", false
		}
	}
	return local, !strings.HasPrefix(local, "-") // no option of a program
}

// wants reports whether failures of a kind are to be told.
func (r *Record) wants(condition string) bool {
	if r.Conditions == nil {
		return true // RFC 6651 §3.2: all
	}
	for _, c := range r.Conditions {
		if c == "all" || c == condition {
			return true
		}
	}
	return false
}

// lookUp asks for a domain's reporting record; nil when it has none.
func (q *Queue) lookUp(ctx context.Context, domain string) (*Record, error) {
	name, ok := dkim.ToASCII(domain)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	answer, err := q.o.Resolver.LookupTXT(ctx, "_report._domainkey."+name)
	var failure *resolver.Error
	if errors.As(err, &failure) && failure.NotFound() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, text := range answer.Texts {
		if r := ParseRecord(text); r != nil {
			r.domain = name
			return r, nil
		}
	}
	return nil, nil
}
