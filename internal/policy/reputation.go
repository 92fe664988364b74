package policy

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"time"

	"dojang/dkim"
	"dojang/internal/event"
	"dojang/internal/reputation"
)

// Reputation limits what signing domains may send. The options are upstream's
// experimental ones, each under its name without "Reputation".
type Reputation struct {
	Checker   *reputation.Checker // nil: there are no limits
	SpamCheck *regexp.Regexp      // matched against "Name: value" of each field; nil: no mail is spam
	Test      bool                // tell, but let the message go on
	Verbose   bool                // tell of messages within the limits too
}

// AsksReputation reports whether a message counts for the limits: mail of others
// that is verified.
func (r *Rules) AsksReputation(p *Plan) bool {
	return r.Reputation.Checker != nil && p.Verify && !p.Internal
}

// AskReputation counts a message that AsksReputation is true for. Body is the
// hash of its body.
func (r *Rules) AskReputation(ctx context.Context, f *Facts, now time.Time, results []dkim.Result, body []byte) *reputation.Answer {
	m := reputation.Message{Domains: passing(results), Spam: r.Reputation.isSpam(f)}
	copy(m.Body[:], body)
	a := r.Reputation.Checker.Check(ctx, now, m)
	return &a
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

func (r *Reputation) isSpam(f *Facts) bool {
	if r.SpamCheck == nil {
		return false
	}
	for i := range f.Fields.Len() {
		if r.SpamCheck.Match(bytes.ReplaceAll(f.Fields.At(i).Raw, []byte("\r\n"), nil)) {
			return true
		}
	}
	return false
}

// limit defers a message that is more than its domain may send, unless something
// worse befalls it anyway.
func (r *Rules) limit(o *Outcome, a *reputation.Answer) {
	switch {
	case a == nil:
	case a.Err != nil:
		o.tell(event.ReputationFailed(a.Domain, a.Err))
		if o.Reply.Action == Accept && o.Quarantine == "" {
			r.answer(o, r.Verdicts.reply(ReputationError))
		}
	case a.Over:
		o.tell(event.OverLimits(a.Domain, r.Reputation.Test, traffic(a)))
		if !r.Reputation.Test && o.Reply.Action == Accept {
			o.summarize("over the limits of %s", a.Domain)
			o.Reply = Reply{Action: TempFail, Code: "450", Status: "4.7.1", Text: "too much mail from this signing domain, try again later"}
		}
	case !r.Reputation.Verbose:
	case a.Known:
		o.tell(event.WithinLimits(a.Domain, traffic(a)))
	default:
		o.tell(event.NoLimits(a.Domain))
	}
}

func traffic(a *reputation.Answer) event.Traffic {
	return event.Traffic{Messages: a.Tally.Messages, Spam: a.Tally.Spam, Limit: a.Rule.Limit, Ratio: a.Rule.Ratio}
}
