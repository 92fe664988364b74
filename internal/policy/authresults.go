package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"dojang/authres"
	"dojang/dkim"
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
	RemoveARFrom        []string // host names, or ".domain", besides our own name
	RemoveARMethods     []string // go too, besides those that we write

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

// maxResultFields bounds the fields that we write for one message.
const maxResultFields = 4

// add inserts our fields, mostly one: a method for each signature, in the message's
// order, then the further ones that are not nil.
func (a *AuthResults) add(o *Outcome, f *Facts, judged []judgement, further ...*authres.Method) {
	var methods []authres.Method
	for i := range judged {
		methods = append(methods, a.method(&judged[i]))
	}
	for _, m := range further {
		if m != nil {
			methods = append(methods, *m)
		}
	}
	for _, field := range slices.Backward(authres.Divide(methods, maxResultFields)) {
		o.insertResults(a.authservID(f, true), field...)
	}
}

// badFormat is the comment on what is no message or signature.
const badFormat = "bad message/signature format"

func (o *Outcome) insertResults(id string, methods ...authres.Method) {
	o.insert(fieldName, " "+authres.Results{AuthservID: id, Methods: methods}.Format())
}

func (a *AuthResults) method(j *judgement) authres.Method {
	s := j.Signature
	m := authres.Method{Name: "dkim", Result: j.Told.String(), Reason: j.Detail, Comment: keyComment(j)}
	property := func(name, value string) {
		if value != "" {
			m.Props = append(m.Props, authres.Property{Type: "header", Name: name, Value: value})
		}
	}
	if s.Domain == "" {
		m.Comment = badFormat
		return m
	}
	property("d", j.writtenName(s.Domain))
	if s.Identity != "@" {
		property("i", s.Identity)
	}
	if s.Algorithm != 0 {
		property("a", s.Algorithm.String())
	}
	property("s", j.writtenName(s.Selector))
	if !a.NoHeaderB {
		property("b", strings.TrimRight(j.Short, "="))
	}
	return m
}

// writtenName is a domain as it stands in a result: as the message has it, but in ASCII
// when that is longer than other filters read. It is "" when that is no name, or of a
// signature that was not looked at.
func (j *judgement) writtenName(domain string) string {
	const maxBytes = 253
	if len(domain) <= maxBytes {
		return domain
	}
	if j.Reason == dkim.ReasonTooManySignatures {
		return ""
	}
	domain, _ = dkim.ToASCII(domain)
	return domain
}

// keyComment is what is known of the key: its size, and how DNSSEC protects it.
func keyComment(j *judgement) string {
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
	case dkim.SecurityUnknown:
	}
	return comment
}

// claimed are the Authentication-Results fields of a message that claim to be ours, and
// those that are none.
type claimed struct {
	forged     []int // counted from 1 among the fields of their name
	unparsable int
}

// ownMethods are those whose results we write.
var ownMethods = []string{"dkim", "dkim-atps", "vbr"}

// examine reads each field once. Our own name is always one whose fields go, with or
// without a job behind a slash.
func (a *AuthResults) examine(f *Facts) *claimed {
	c := &claimed{}
	if f.Fields.Count(fieldName) == 0 {
		return c
	}
	var methods []string
	if !a.RemoveARAll {
		methods = slices.Concat(ownMethods, a.RemoveARMethods)
	}
	guard := authres.NewGuard(append([]string{a.authservID(f, false)}, a.RemoveARFrom...), methods)
	index := 0
	for i := range f.Fields.Len() {
		field := f.Fields.At(i)
		if !field.Is(fieldName) {
			continue
		}
		index++
		forged, err := guard.Forged(field.Value())
		if forged {
			c.forged = append(c.forged, index)
		}
		if err != nil && len(bytes.TrimSpace(field.Value())) > 0 {
			c.unparsable++
		}
	}
	return c
}

// removeForged deletes every field that claims to be ours (RFC 8601 §5), from
// the back to the front: each deletion shifts the fields behind it.
func (a *AuthResults) removeForged(o *Outcome, f *Facts, c *claimed) {
	if a.KeepAuthResults {
		return
	}
	if c == nil {
		c = a.examine(f)
	}
	if c.unparsable > 0 {
		o.why(event.UnparsableResults(c.unparsable))
	}
	if len(c.forged) > 0 {
		o.why(event.RemovedResults(len(c.forged)))
	}
	for _, index := range slices.Backward(c.forged) {
		o.Edits = append(o.Edits, Edit{Op: DeleteField, Index: index, Name: fieldName})
	}
}

// softwareHeader obeys SoftwareHeader.
func (a *AuthResults) softwareHeader(o *Outcome, f *Facts) {
	if a.SoftwareHeader != "" {
		o.insert("DKIM-Filter", fmt.Sprintf(" %s %s %s", a.SoftwareHeader, a.hostName(f), f.JobID))
	}
}
