package reputation

import (
	"bytes"
	"context"
	"regexp"

	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/policy"
)

// Limits are ReputationLimits and ReputationRatios: what signing domains may send, our
// own mail left out. The options are upstream's experimental ones, each under its name
// without "Reputation".
type Limits struct {
	Checker   *Checker
	SpamCheck *regexp.Regexp // matched against "Name: value" of each field; nil: no mail is spam
	Test      bool           // tell, but let the message go on
	Verbose   bool           // tell of messages within the limits too
}

// Counts leaves out our own mail.
func (l *Limits) Counts(internal bool) bool { return !internal }

// Judge defers a message that is more than its domain may send.
func (l *Limits) Judge(ctx context.Context, m policy.Sent, counts bool) policy.Limit {
	sent := message(m)
	sent.Spam = l.isSpam(m.Fields)
	return l.limit(l.Checker.counting(counts).examine(ctx, m.Time, sent))
}

func (l *Limits) limit(a answer) (found policy.Limit) {
	tell := func(e event.Event) { found.Events = append(found.Events, e) }
	switch {
	case a.Err != nil:
		tell(event.ReputationFailed(a.Domain, a.Err))
		found.Failed = true
	case a.Over:
		tell(event.OverLimits(a.Domain, l.Test, traffic(a)))
		if !l.Test {
			found.Why = "over the limits of " + a.Domain
			found.Reply = policy.Reply{
				Action: policy.TempFail, Code: 450, Status: "4.7.1",
				Text: "too much mail from this signing domain, try again later",
			}
		}
	case !l.Verbose:
	case a.Known:
		tell(event.WithinLimits(a.Domain, traffic(a)))
	default:
		tell(event.NoLimits(a.Domain))
	}
	return found
}

func (l *Limits) isSpam(fields *header.List) bool {
	if l.SpamCheck == nil {
		return false
	}
	for i := range fields.Len() {
		if l.SpamCheck.Match(bytes.ReplaceAll(fields.At(i).Raw, []byte("\r\n"), nil)) {
			return true
		}
	}
	return false
}

func traffic(a answer) event.Traffic {
	return event.Traffic{Messages: a.Tally.Messages, Spam: a.Tally.Spam, Limit: a.Rule.Limit, Ratio: a.Rule.Ratio}
}

// Rates are RateLimits, which count all mail that is verified, for themselves.
type Rates struct{ Checker *Checker }

// Counts reports true: our own mail counts too.
func (r *Rates) Counts(bool) bool { return true }

// Judge defers a message that is more than RateLimits allow its domain, in the MTA's
// own words.
func (r *Rates) Judge(ctx context.Context, m policy.Sent, counts bool) policy.Limit {
	return rateLimit(r.Checker.counting(counts).examine(ctx, m.Time, message(m)))
}

// rateLimit is what an answer comes to. Compat(opendkim 2.11): a limit that cannot be
// had is none.
func rateLimit(a answer) policy.Limit {
	switch {
	case a.Err != nil:
		return policy.Limit{Events: []event.Event{event.DatasetError("RateLimits", a.Err)}}
	case a.Over:
		whose := "unsigned mail"
		if a.Domain != nullDomain {
			whose = "'" + a.Domain + "'"
		}
		return policy.Limit{
			Events: []event.Event{event.RateExceeded(whose, a.Rule.Limit)},
			Reply:  policy.Reply{Action: policy.TempFail},
			Why:    "over the rate limit for " + whose,
		}
	}
	return policy.Limit{}
}

func message(m policy.Sent) mail {
	sent := mail{Domains: m.Domains}
	copy(sent.Body[:], m.Body)
	return sent
}
