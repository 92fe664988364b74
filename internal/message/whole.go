package message

import (
	"context"
	"errors"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/policy"
	"dojang/internal/resolver"
)

// Envelope is what is known of a whole message beside its text.
type Envelope struct {
	Origin
	Sender     string   // without angle brackets
	Recipients []string // likewise
}

// Run is everything that was decided about a message.
type Run struct {
	Plan    *policy.Plan
	Verdict policy.Verdict
	// Outcome is what is done with the message; nil when Plan.Reply ended its way at the
	// end of the header.
	Outcome *policy.Outcome
}

// Whole takes a message that is all there its way. body has CRLF line ends.
func (s *Services) Whole(ctx context.Context, snapshot *Snapshot, effects Effects, e Envelope, fields *header.List, body []byte) *Run {
	m := new(Message)
	m.begin(ctx, s, snapshot, effects, e.Sender)
	defer m.stop()
	for _, r := range e.Recipients {
		m.AddRecipient(r)
	}
	for i := range fields.Len() {
		if f := fields.At(i); m.fits(f.Name(), len(f.Name())+len(f.Value())) {
			m.fields.AddRaw(f.Raw)
		}
	}
	if m.Decide(e.Origin).Action != policy.Continue {
		return &Run{Plan: m.plan}
	}
	m.bodies.NeedTotal = true // to be told, beside what l= covers
	m.Write(body)
	outcome := m.Finish()
	m.Leave(outcome)
	return &Run{Plan: m.plan, Verdict: m.verdict, Outcome: outcome}
}

// Verify checks the signatures of a message that is all there by o alone: no policy is
// asked, and nothing is left behind. The results' KeyErr is a *resolver.Error where the
// key could not be had. body has CRLF line ends.
func (s *Services) Verify(ctx context.Context, snapshot *Snapshot, o dkim.VerifyOptions, fields *header.List, body []byte) []dkim.Result {
	m := new(Message)
	m.begin(ctx, s, snapshot, Effects{}, "")
	m.ctx, m.cancel = m.snapshot.Budget(m.parent)
	defer m.stop()
	m.plan = &policy.Plan{}
	m.verifier = dkim.NewVerifier(o, fields, &m.bodies)
	m.startLookups()
	m.bodies.NeedTotal = true
	m.Write(body)
	m.bodies.Close()
	m.joinLookups()
	results := m.verifier.Finish()
	for i := range results {
		var cause *resolver.Error
		if errors.As(results[i].KeyErr, &cause) {
			results[i].KeyErr = cause // in its own words
		}
	}
	return results
}
