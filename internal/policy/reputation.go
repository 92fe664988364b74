package policy

import (
	"bytes"
	"context"
	"regexp"
	"slices"

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
	Rates     *reputation.Checker // RateLimits, which counts for itself; nil: there are none
}

// AsksReputation reports whether a message counts for any limits: one that is
// verified.
func (r *Rules) AsksReputation(p *Plan) bool {
	return r.countsReputation(p) || r.countsRate(p)
}

// countsReputation leaves out our own mail.
func (r *Rules) countsReputation(p *Plan) bool {
	return r.Reputation.Checker != nil && p.Verify && !p.Internal
}

func (r *Rules) countsRate(p *Plan) bool { return r.Reputation.Rates != nil && p.Verify }

// AskReputation counts a message that AsksReputation is true for, and puts the
// answers into its verdict. Body is the hash of its body. Unless it counts, the message
// is judged as its domains' first, and forgotten.
func (r *Rules) AskReputation(ctx context.Context, f *Facts, p *Plan, v *Verdict, body []byte, counts bool) {
	m := reputation.Message{Domains: passing(v.Results), Spam: r.Reputation.isSpam(f)}
	copy(m.Body[:], body)
	if r.countsReputation(p) {
		a := r.Reputation.Checker.Counting(counts).Check(ctx, v.Now, m)
		v.Reputation = &a
	}
	if r.countsRate(p) {
		a := r.Reputation.Rates.Counting(counts).Check(ctx, v.Now, m)
		v.Rate = &a
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
			o.Reply = Reply{Action: TempFail, Code: 450, Status: "4.7.1", Text: "too much mail from this signing domain, try again later"}
		}
	case !r.Reputation.Verbose:
	case a.Known:
		o.tell(event.WithinLimits(a.Domain, traffic(a)))
	default:
		o.tell(event.NoLimits(a.Domain))
	}
}

// limitRate defers a message that is more than RateLimits lets its domain send,
// in the MTA's own words. Compat(opendkim 2.11): a limit that cannot be had is
// none.
func (r *Rules) limitRate(o *Outcome, a *reputation.Answer) {
	switch {
	case a == nil:
	case a.Err != nil:
		o.tell(event.DatasetError("RateLimits", a.Err))
	case a.Over:
		whose := "unsigned mail"
		if a.Domain != reputation.NullDomain {
			whose = "'" + a.Domain + "'"
		}
		o.tell(event.RateExceeded(whose, a.Rule.Limit))
		if o.Reply.Action == Accept {
			o.summarize("over the rate limit for %s", whose)
			o.Reply = Reply{Action: TempFail}
		}
	}
}

func traffic(a *reputation.Answer) event.Traffic {
	return event.Traffic{Messages: a.Tally.Messages, Spam: a.Tally.Spam, Limit: a.Rule.Limit, Ratio: a.Rule.Ratio}
}
