package policy

import (
	"slices"

	"dojang/dkim"
	"dojang/internal/plain"
)

// fate is what follows from a signature that fails for some reason.
type fate struct {
	condition Condition
	words     wording
	redirects bool // RedirectFailuresTo counts
}

// wording is what is said in a reply.
type wording uint8

const (
	ownWords     wording = iota
	signersWords         // what the signer wants to be said first
	syntaxWord           // that it is no signature
	mtaWords             // the MTA's own
)

// fates are the reasons that have an option. Compat(opendkim 2.11): only a wrong
// signature, what is none at all, a revoked or absent key and, as in its later
// versions, a failed look-up have one; whatever else is wrong is told in the result,
// and the message goes on.
var fates = map[dkim.Reason]fate{
	dkim.ReasonBadSignature:     {BadSignature, signersWords, true},
	dkim.ReasonBodyHash:         {BadSignature, signersWords, true},
	dkim.ReasonSyntax:           {BadSignature, syntaxWord, false},
	dkim.ReasonDuplicateTag:     {BadSignature, syntaxWord, false},
	dkim.ReasonTimestamp:        {BadSignature, syntaxWord, false},
	dkim.ReasonVersionMissing:   {BadSignature, syntaxWord, false},
	dkim.ReasonAlgorithmMissing: {BadSignature, syntaxWord, false},
	dkim.ReasonHeadersMissing:   {BadSignature, syntaxWord, false},
	dkim.ReasonDomainMissing:    {BadSignature, syntaxWord, false},
	dkim.ReasonSelectorMissing:  {BadSignature, syntaxWord, false},
	dkim.ReasonSignatureMissing: {BadSignature, syntaxWord, false},
	dkim.ReasonKeyRevoked:       {BadSignature, mtaWords, true},
	dkim.ReasonKeyNotFound:      {KeyNotFound, ownWords, false},
	dkim.ReasonKeyQuery:         {DNSError, ownWords, false},
	dkim.ReasonInternal:         {InternalError, ownWords, false},
}

// follow turns the deciding signature into an answer.
func (d *Verdicts) follow(o *Outcome, f *Facts, v *Verdict, j *judgement) {
	if j.Status == dkim.StatusPass {
		if j.Treatment == TreatFail {
			o.answer(d.reply(BadSignature))
		}
		return
	}
	x, follows := fates[j.Reason]
	if !follows || isBadSignature(j.Reason) && j.Result.Testing {
		return // RFC 6376 §3.6.1 t=y: treated as if unsigned
	}
	o.answer(x.words.of(d.reply(x.condition), v, j))
	if x.redirects {
		d.redirect(o, f)
	}
	held := isBadSignature(j.Reason) && d.Quarantine && o.Reply.Action == Accept ||
		x.condition == InternalError && d.CaptureUnknownErrors
	if held && o.Quarantine == "" {
		o.Quarantine = quarantineReason
	}
}

// of is a reply in these words.
func (w wording) of(reply Reply, v *Verdict, j *judgement) Reply {
	switch w {
	case signersWords:
		return v.asRequested(reply, j.Signature)
	case syntaxWord:
		if reply.Code != 0 {
			reply.Text = "DKIM signature syntax error"
		}
	case mtaWords:
		if reply.Action != Quarantine {
			return Reply{Action: reply.Action} // Compat(opendkim 2.11)
		}
	case ownWords:
	}
	return reply
}

// isBadSignature reports whether the message or its signature was changed.
func isBadSignature(reason dkim.Reason) bool { return fates[reason].words == signersWords }

// isSyntaxError reports whether a signature is not one at all: it follows
// On-BadSignature under another text. Compat(opendkim 2.11).
func isSyntaxError(reason dkim.Reason) bool { return fates[reason].words == syntaxWord }

// redirect obeys RedirectFailuresTo: the first recipients are recorded in the
// header and replaced. Compat(opendkim 2.11): the last one first.
func (d *Verdicts) redirect(o *Outcome, f *Facts) {
	if d.RedirectFailuresTo == "" || o.Reply.Action != Accept {
		return
	}
	for _, recipient := range slices.Backward(f.Recipients) {
		o.Edits = append(o.Edits,
			Edit{Op: DeleteRecipient, Value: recipient},
			Edit{Op: AppendField, Name: "Original-Recipient", Value: " rfc822;" + plain.Line(recipient)})
	}
	o.Edits = append(o.Edits, Edit{Op: AddRecipient, Value: d.RedirectFailuresTo})
}
