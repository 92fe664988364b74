package policy

import (
	"context"
	"slices"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
)

// Limiter limits what signing domains may send, by counts of its own.
type Limiter interface {
	// Counts reports whether a message that is to be verified counts; internal is one
	// from where our own mail comes from.
	Counts(internal bool) bool
	// Judge counts a message and tells what its limit makes of it. Unless it counts,
	// the message is judged as its domains' first, and forgotten.
	Judge(ctx context.Context, m Sent, counts bool) Limit
}

// Sent is what a Limiter wants to know of a message.
type Sent struct {
	Time    time.Time
	Domains []string // of the signatures that hold, in A-labels and small letters, each once
	Fields  *header.List
	Body    []byte // SHA-256 of its body under simple canonicalization
}

// Limit is what a limit makes of a message. The zero Limit makes nothing of it.
type Limit struct {
	Events []event.Event
	Failed bool   // nobody could tell: On-ReputationError follows
	Reply  Reply  // of a message that goes on otherwise; Continue for none
	Why    string // that reply in a few words
}

// Limited reports whether a message counts for any limit: one that is verified.
func (r *Rules) Limited(p *Plan) bool {
	for _, l := range r.Limits {
		if p.Mode().Verifies() && l.Counts(p.Internal) {
			return true
		}
	}
	return false
}

// AskLimits counts a message that Limited is true for, and puts the answers into its
// verdict. Body is the hash of its body.
func (r *Rules) AskLimits(ctx context.Context, f *Facts, p *Plan, v *Verdict, body []byte, counts bool) {
	m := Sent{Time: v.Now, Domains: passing(v.Results), Fields: f.Fields, Body: body}
	for _, l := range r.Limits {
		if p.Mode().Verifies() && l.Counts(p.Internal) {
			v.Limits = append(v.Limits, l.Judge(ctx, m, counts))
		}
	}
}

// passing lists the domains of signatures that hold. Compat(opendkim 2.11): those
// with a key under test do not count.
func passing(results []dkim.Result) []string {
	var domains []string
	for i := range results {
		if results[i].Status != dkim.StatusPass || results[i].Testing {
			continue
		}
		domain, ok := dkim.ToASCII(results[i].Signature.Domain)
		if ok && !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	return domains
}

// limit does what a limit makes of a message, unless it is refused or held anyway.
func (o *Outcome) limit(l Limit, failed Reply) {
	for _, e := range l.Events {
		o.tell(e)
	}
	switch {
	case o.Reply.Action != Accept:
	case l.Failed && o.Quarantine == "":
		o.answer(failed)
	case l.Reply.Action != Continue:
		o.summarize("%s", l.Why)
		o.Reply = l.Reply
	}
}
