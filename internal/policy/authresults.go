package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"dojang/authres"
	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
)

const fieldName = "Authentication-Results"

// AuthResults say how Authentication-Results fields are written and which are
// removed (RFC 8601 §5).
type AuthResults struct {
	AuthservID          string // "" for the MTA's name, macro j
	AuthservIDWithJobID bool
	AlwaysAddARHeader   bool
	NoHeaderB           bool
	KeepAuthResults     bool
	RemoveARAll         bool
	RemoveARFrom        []string // host names, or ".domain"; none: our own name

	SoftwareHeader string // the value without host and job; "" for none
}

// unknownHost is our name when neither AuthservID nor the MTA gives one.
// Compat(opendkim 2.11).
const unknownHost = "unknown-host"

func (a *AuthResults) hostName(f *Facts) string {
	if name := f.macro("j"); name != "" {
		return name
	}
	return unknownHost
}

// authservID is the name our field bears.
func (a *AuthResults) authservID(f *Facts, withJob bool) string {
	id := a.AuthservID
	if id == "" {
		id = a.hostName(f)
	}
	if withJob && a.AuthservIDWithJobID {
		id += "/" + f.JobID
	}
	return id
}

// add inserts our field: one method for each signature, in the message's order,
// then the further ones that are not nil.
func (a *AuthResults) add(o *Outcome, f *Facts, judged []Judged, further ...*authres.Method) {
	var methods []authres.Method
	short := shortB(judged)
	for i := range judged {
		methods = append(methods, a.method(&judged[i], short[i]))
	}
	for _, m := range further {
		if m != nil {
			methods = append(methods, *m)
		}
	}
	o.insertResults(a.authservID(f, true), methods...)
}

// badFormat is the comment on what is no message or signature.
const badFormat = "bad message/signature format"

func (o *Outcome) insertResults(id string, methods ...authres.Method) {
	o.insert(fieldName, " "+authres.Results{AuthservID: id, Methods: methods}.Format())
}

func (a *AuthResults) method(j *Judged, shortB string) authres.Method {
	s := j.Signature
	m := authres.Method{Name: "dkim", Result: j.Word, Reason: j.Detail, Comment: keyComment(j)}
	property := func(name, value string) {
		if value != "" {
			m.Props = append(m.Props, authres.Property{Type: "header", Name: name, Value: value})
		}
	}
	if s.Domain == "" {
		m.Comment = badFormat
		return m
	}
	property("d", s.Domain)
	if s.Identity != "@" {
		property("i", s.Identity)
	}
	if s.Algorithm != 0 {
		property("a", s.Algorithm.String())
	}
	property("s", s.Selector)
	if !a.NoHeaderB {
		property("b", shortB)
	}
	return m
}

// keyComment is what is known of the key: its size, and how DNSSEC protects it.
func keyComment(j *Judged) string {
	if !keyUsed(j) {
		return ""
	}
	if j.KeyBits == 0 || j.Signature.Algorithm == dkim.Ed25519SHA256 {
		return "" // Compat(opendkim 2.11): a comment for RSA keys alone
	}
	comment := fmt.Sprintf("%d-bit key", j.KeyBits)
	switch j.Security {
	case dkim.Secure:
		comment += "; secure"
	case dkim.Insecure:
		comment += "; unprotected"
	case dkim.Bogus:
		comment += "; bogus"
	}
	return comment
}

// removeForged deletes every field that claims to be ours (RFC 8601 §5), from
// the back to the front: each deletion shifts the fields behind it. What cannot
// be parsed but bears our name goes too, since another program may read it with
// more goodwill.
func (a *AuthResults) removeForged(o *Outcome, f *Facts) {
	if a.KeepAuthResults {
		return
	}
	for i := range f.Fields.Len() {
		field := f.Fields.At(i)
		if !field.Is(fieldName) {
			continue
		}
		if _, err := authres.Parse(field.Value()); err != nil && len(bytes.TrimSpace(field.Value())) > 0 {
			o.tell(event.UnparsableResults())
		}
	}
	forged := a.forged(f)
	if len(forged) > 0 {
		o.why(event.RemovedResults(len(forged)))
	}
	for _, index := range slices.Backward(forged) {
		o.Edits = append(o.Edits, Edit{Op: DeleteField, Index: index, Name: fieldName})
	}
}

// forged are the fields that claim to be ours, counted from 1 among those of
// their name.
func (a *AuthResults) forged(f *Facts) []int {
	var forged []int
	index := 0
	for i := range f.Fields.Len() {
		field := f.Fields.At(i)
		if !field.Is(fieldName) {
			continue
		}
		if index++; a.isForged(f, field) {
			forged = append(forged, index)
		}
	}
	return forged
}

func (a *AuthResults) isForged(f *Facts, field header.Field) bool {
	id, ok := authres.AuthservIDOf(field.Value())
	if !ok || !a.claimed(f, id) {
		return false
	}
	results, err := authres.Parse(field.Value())
	if err != nil || a.RemoveARAll {
		return true
	}
	return slices.ContainsFunc(results.Methods, func(m authres.Method) bool {
		return m.Name == "dkim" || m.Name == "dkim-atps" || m.Name == "vbr" // what we are asked about
	})
}

// claimed reports whether id is one of the names whose fields are removed. Our
// own is always one, with or without a job behind a slash.
func (a *AuthResults) claimed(f *Facts, id string) bool {
	own := a.authservID(f, false)
	if authres.SameAuthservID(id, own) {
		return true
	}
	if host, _, ok := strings.Cut(id, "/"); ok && a.AuthservIDWithJobID && authres.SameAuthservID(host, own) {
		return true
	}
	for _, name := range a.RemoveARFrom {
		if authres.SameAuthservID(id, name) {
			return true
		}
		if strings.HasPrefix(name, ".") && len(id) > len(name) && strings.EqualFold(strings.TrimSuffix(id, ".")[max(0, len(strings.TrimSuffix(id, "."))-len(name)):], name) {
			return true
		}
	}
	return false
}

// softwareHeader obeys SoftwareHeader.
func (a *AuthResults) softwareHeader(o *Outcome, f *Facts) {
	if a.SoftwareHeader != "" {
		o.insert("DKIM-Filter", fmt.Sprintf(" %s %s %s", a.SoftwareHeader, a.hostName(f), f.JobID))
	}
}
