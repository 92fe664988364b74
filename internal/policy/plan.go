package policy

import (
	"context"

	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/keystore"
)

// Plan is what will be done with a message, decided when its header is complete. What
// its parts come to together, Mode says.
type Plan struct {
	// Reply other than Continue ends the message here.
	Reply Reply
	// Sign lists the signatures to make; Verify says to check those it carries. By
	// default one excludes the other; a re-signed message has both.
	Sign   []SignRequest
	Verify bool
	// Internal: the message comes from where our mail comes from.
	Internal bool
	// BodyLength asks for l=.
	BodyLength bool
	// resigned: signed anew, for ResignMailTo. SignOnlyIfVerified: that waits for a
	// passed signature.
	resigned, SignOnlyIfVerified bool
	// ATPS is the author's domain when our signatures claim its consent.
	ATPS string
	// Trusted tells which signing domains, as written and with A-labels, are in
	// TrustSignaturesFrom; nil when that is not set.
	Trusted map[string]bool
	Author  Author
	// Fields are signed and verified in place of the message's own; nil for those.
	Fields *header.List
	// ExtraTags stand in each signature.
	ExtraTags [][2]string
	// Scripted is the message as scripts know it; nil when there are none.
	Scripted *Scripted
	Notes    []Note

	malformed bool     // neither is possible; the result is permerror, unless IgnoreMalformedMail
	exempt    bool     // nothing is done but to remove the results that it claims to have from us
	results   *claimed // of an exempt message
	authors   *authors // that shown found; nil before it was asked
}

// SignRequest is one signature to make.
type SignRequest struct {
	Key      *keystore.SigningKey
	Domain   string // d=
	Identity string // i=, "" for none
	// BodyLength bounds l=; negative is the whole body, nil what the plan says.
	BodyLength *int64
	// Condition makes it a weak signature that counts only together with one of
	// this domain; "" for none.
	Condition string
}

func (p *Plan) tell(e event.Event) { p.Notes = append(p.Notes, Note{Event: e}) }
func (p *Plan) why(e event.Event)  { p.Notes = append(p.Notes, Note{Event: e, Why: true}) }

// end closes the plan with a reply.
func (p *Plan) end(r Reply) *Plan {
	p.Reply, p.Sign, p.Verify = r, nil, false
	return p
}

// Plan decides what to do with a message. It asks tables; ctx bounds that time.
//
// The order is OpenDKIM's and a part of its interface: the author, exempted
// domains, where the message came from, whose it is, whom it is for, the mode,
// the number of its fields.
func (r *Rules) Plan(ctx context.Context, f *Facts) *Plan {
	p := &Plan{}
	if f.HeaderOverflow != "" {
		p.tell(event.TooMuchHeader(f.HeaderOverflow, f.HeaderLimit))
		return p.end(r.Verdicts.reply(Security))
	}
	author, problem := r.author(f, &r.Signing)
	if problem != nil {
		goesOn := r.withoutAuthor(p, *problem)
		if !goesOn {
			return p
		}
	}
	p.Author = author

	if r.exempts(ctx, p, f) {
		return p
	}
	ours, option, err := r.maySign(ctx, p, f)
	if err != nil {
		return p.tableFailed(option, err)
	}
	p.Internal = ours
	if !f.VerifyOnly && !p.malformed && !r.chooseKeys(ctx, p, f, ours) {
		return p
	}
	if !r.setup(ctx, p, f) {
		return p
	}
	if len(p.Sign) > 0 && !r.recipientsAllow(ctx, p, f) {
		return p
	}
	if !r.complete(ctx, p, f) || p.malformed {
		return p
	}
	p.Verify = p.Verify || len(p.Sign) == 0
	if !r.modeAllows(p, f) {
		return p.end(Reply{Action: Accept})
	}
	if err := r.Verdicts.findTrusted(ctx, p, f); err != nil {
		return p.tableFailed("TrustSignaturesFrom", err)
	}
	if r.RequiredHeaders {
		r.requireHeaders(p, f)
	}
	return p
}

// exempts obeys ExemptDomains and reports whether nothing more is to be decided.
func (r *Rules) exempts(ctx context.Context, p *Plan, f *Facts) bool {
	domain := p.Author.domain()
	exempt, err := containsDomain(ctx, r.ExemptDomains, domain)
	if err != nil {
		p.tableFailed("ExemptDomains", err)
		return true
	}
	if !exempt {
		return false
	}
	p.why(event.Exempted(domain))
	// Anybody can write an exempted domain into From.
	if r.verifies(f) && !r.Results.KeepAuthResults {
		p.results = r.Results.examine(f)
		if p.exempt = len(p.results.forged) > 0; p.exempt {
			return true
		}
	}
	p.end(Reply{Action: Accept})
	return true
}

// complete adds to the signatures what goes with them, and those of mail that is
// signed anew. It returns false when the plan has ended.
func (r *Rules) complete(ctx context.Context, p *Plan, f *Facts) bool {
	for _, step := range [...]struct {
		option string
		do     func() error
	}{
		{"ConditionalSignatures", func() error { return addConditional(ctx, r.ConditionalSignatures, p, f) }},
		{"ATPSDomains", func() error { return r.ATPS.claim(ctx, p) }},
		{"ResignMailTo", func() error { return r.resign(ctx, p, f) }},
	} {
		if err := step.do(); err != nil {
			p.tableFailed(step.option, err)
			return false
		}
	}
	return true
}

// requireHeaders obeys RequiredHeaders.
func (r *Rules) requireHeaders(p *Plan, f *Facts) {
	fault := headerFault(f.Fields)
	if fault == "" {
		return
	}
	p.tell(event.RequiredHeaders(fault))
	if r.IgnoreMalformedMail {
		p.malformed, p.Sign, p.Verify = true, nil, false
		return
	}
	p.end(Reply{Action: Reject, Code: 550, Status: "5.0.0", Text: fault})
}

// withoutAuthor handles a message without a usable author, and reports whether
// the decision goes on: WeakSyntaxChecks lets it be verified all the same.
// Compat(opendkim 2.11): a filter that does not sign goes through the motions, with
// no author, and does not complain of the field.
func (r *Rules) withoutAuthor(p *Plan, problem event.Event) bool {
	unparsable := problem.Name != event.NoSender().Name
	if r.WeakSyntaxChecks {
		p.tell(problem)
		return true
	}
	p.malformed = true
	if unparsable && !r.Sign {
		return true
	}
	p.tell(problem)
	return false
}

// modeAllows drops what Mode leaves out and reports whether anything is left.
func (r *Rules) modeAllows(p *Plan, f *Facts) bool {
	if !r.signs(f) {
		p.Sign = nil
	}
	p.Verify = p.Verify && r.verifies(f)
	return len(p.Sign) > 0 || p.Verify
}

// signs and verifies are what Mode and the message's socket leave.
func (r *Rules) signs(f *Facts) bool    { return r.Sign && !f.VerifyOnly }
func (r *Rules) verifies(f *Facts) bool { return r.Verify && !f.SignOnly }

// recipientsAllow obeys DontSignMailTo and finds BodyLengthDB matches.
func (r *Rules) recipientsAllow(ctx context.Context, p *Plan, f *Facts) bool {
	for _, recipient := range f.Recipients {
		skip, err := containsAddress(ctx, r.DontSignMailTo, recipient)
		if err != nil {
			p.tableFailed("DontSignMailTo", err)
			return false
		}
		if skip {
			p.tell(event.SkippingRecipient(recipient))
			p.end(Reply{Action: Accept})
			return false
		}
	}
	return r.Signing.wantBodyLength(ctx, p, f)
}

// tableFailed ends the plan when a table could not be asked: nothing is known,
// so nothing is decided, and the sender's server tries again later.
func (p *Plan) tableFailed(option string, err error) *Plan {
	p.tell(event.DatasetError(option, err))
	return p.end(Reply{Action: TempFail})
}
