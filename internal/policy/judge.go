package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dojang/dkim"
	"dojang/internal/event"
	"dojang/taglist"
)

// judgement is a signature's result with the words that OpenDKIM has for it.
type judgement struct {
	dkim.Result
	Told   dkim.Status // in Authentication-Results
	Detail string      // reason= there; "" for none
	Short  string      // the beginning of b= that tells it from the others: header.b
	// Treatment is what BogusKey or UnprotectedKey make of it.
	Treatment KeyTreatment
}

// judge gives each result its words and applies the local rules about keys, once a
// verdict.
func (r *Verdicts) judge(v *Verdict) []judgement {
	if v.judged != nil || len(v.Results) == 0 {
		return v.judged
	}
	const maxBytes = 64 // where the beginnings of signatures are the same for longer, nobody means well
	v.judged = make([]judgement, len(v.Results))
	short := shortB(v.Results)
	for i := range v.judged {
		j := &v.judged[i]
		j.Result, j.Short = v.Results[i], short[i][:min(len(short[i]), maxBytes)]
		j.Told, j.Detail = statusTold(j.Result)
		r.applyKeyRules(j)
	}
	return v.judged
}

// applyKeyRules obeys BogusKey and UnprotectedKey for signatures that pass.
// Compat(opendkim 2.11): the word for a failure by them is policy.
func (r *Verdicts) applyKeyRules(j *judgement) {
	if j.Status != dkim.StatusPass {
		return
	}
	switch j.Security {
	case dkim.Bogus:
		j.Treatment = r.BogusKey
	case dkim.Insecure, dkim.SecurityUnknown:
		j.Treatment = r.UnprotectedKey
	case dkim.Secure:
	}
	switch j.Treatment {
	case TreatFail:
		j.Told = dkim.StatusPolicy
	case TreatNeutral:
		j.Told = dkim.StatusNeutral
	case TreatNone:
	}
}

// statusTold is what Authentication-Results say of a result, and its reason=.
// Compat(opendkim 2.11): which failure is called what is its choice; a reason is told for
// fail and policy.
func statusTold(result dkim.Result) (status dkim.Status, detail string) {
	switch result.Reason {
	case dkim.ReasonBadSignature, dkim.ReasonBodyHash:
		return dkim.StatusFail, classicText(result.Reason)
	case dkim.ReasonKeyRevoked, dkim.ReasonKeyNotFound, dkim.ReasonKeyHashMismatch, dkim.ReasonKeyHashUnknown, dkim.ReasonNotEmailKey,
		dkim.ReasonKeyVersion, dkim.ReasonKeyTypeUnknown, dkim.ReasonSubdomain, dkim.ReasonLengthTooLarge,
		dkim.ReasonUnprotectedHeader:
		return dkim.StatusFail, result.Reason.String()
	case dkim.ReasonExpired, dkim.ReasonFuture:
		return dkim.StatusPermError, ""
	}
	if result.Status == dkim.StatusFail || result.Status == dkim.StatusPolicy {
		return result.Status, result.Reason.String()
	}
	return result.Status, ""
}

// classicText is OpenDKIM's text for a reason. Compat(opendkim 2.11): it has
// one for a changed header and a changed body.
func classicText(reason dkim.Reason) string {
	if reason == dkim.ReasonBodyHash {
		reason = dkim.ReasonBadSignature
	}
	return reason.String()
}

// tellSignatures notes what was found before it is judged; unseen is how many more
// signatures the message has.
func (o *Outcome) tellSignatures(judged []judgement, unseen int) {
	ignored, more := unseen, 0
	var domains, results []string
	for i := range judged {
		j := &judged[i]
		if len(domains) < maxTold {
			domains = append(domains, orInvalid(j.Signature.Domain))
		}
		if j.Reason == dkim.ReasonTooManySignatures {
			ignored++
			continue
		}
		switch {
		case j.Signature.Domain == "" || j.Signature.Selector == "":
		case len(results) == maxTold:
			more++
		default:
			results = append(results, fmt.Sprintf("signature=%s domain=%s selector=%s result=\"%s\"",
				event.Cut(j.Short), event.Cut(j.Signature.Domain), event.Cut(j.Signature.Selector), classicText(j.Reason)))
		}
	}
	if more > 0 {
		results = append(results, fmt.Sprintf("and %d more", more))
	}
	if ignored > 0 {
		o.tell(event.Ignoring(ignored))
	}
	if len(judged) > 1 {
		o.tell(event.SignaturesFrom(domains))
	}
	if len(results) > 0 {
		o.Notes = append(o.Notes, Note{Event: event.Results(strings.Join(results, "; ")), Results: true})
	}
	told := 0
	for i := range judged {
		if judged[i].MultipleKeys && told < maxTold {
			o.tell(event.SeveralKeys(judged[i].Signature.Selector, judged[i].Signature.Domain))
			told++
		}
	}
}

// maxTold bounds the signatures of one message that the log tells something of.
const maxTold = 32

func orInvalid(domain string) string {
	if domain == "" {
		return "(invalid)"
	}
	return domain
}

// tellDecision notes the deciding signature as OpenDKIM does. Compat(opendkim 2.11):
// where a script has decided what becomes of the message, that it is good and no more.
func (o *Outcome) tellDecision(j *judgement, scripted bool) {
	s := j.Signature
	found := event.Judgement{Domain: s.Domain, Selector: s.Selector, Algorithm: s.Algorithm.String(),
		Result: j.Told.String(), Reason: j.Reason.String(), Bits: j.KeyBits}
	if j.Status == dkim.StatusPass {
		o.success(event.Verified(found))
	}
	if scripted {
		return
	}
	if keyUsed(j) {
		o.tell(event.Signature(s.Selector, s.Domain, s.Algorithm.String(), cryptoError(j)))
	}
	switch {
	case isSyntaxError(j.Reason):
		o.tell(event.SyntaxError(syntaxWords(j)))
	case isBadSignature(j.Reason) && j.Treatment != TreatNeutral, j.Treatment == TreatFail:
		o.tell(event.BadSignature(found))
	case j.Reason == dkim.ReasonKeyRevoked:
		o.tell(event.KeyRevoked(s.Selector, s.Domain, s.Algorithm.String()))
	case j.Reason == dkim.ReasonKeyNotFound:
		o.tell(event.KeyNotFound(s.Selector, s.Domain, queryName(s)))
	case j.Reason == dkim.ReasonKeyQuery:
		o.tell(event.KeyQueryFailed(s.Selector, s.Domain, j.KeyErr))
	}
}

// keyUsed reports whether the judgement came as far as the key.
// Compat(opendkim 2.11): only then are its size and the SSL line told.
func keyUsed(j *judgement) bool {
	if j.Key == nil || j.Key.Key == nil {
		return false
	}
	switch j.Reason {
	case dkim.ReasonNone, dkim.ReasonBadSignature, dkim.ReasonBodyHash, dkim.ReasonKeyTooSmall,
		dkim.ReasonKeyTooLarge, dkim.ReasonKeyWeak, dkim.ReasonLengthTooLarge,
		dkim.ReasonSubdomain, dkim.ReasonKeyUnusable, dkim.ReasonUnprotectedHeader, dkim.ReasonBodyCoverage, dkim.ReasonRepeatedField:
		return true
	}
	return false
}

// syntaxWords says what is wrong with a signature, in OpenDKIM's words where it has
// some.
func syntaxWords(j *judgement) string {
	switch j.Reason {
	case dkim.ReasonSyntax:
		var syntax *taglist.SyntaxError
		switch {
		case !errors.As(j.Signature.SyntaxError, &syntax):
			return fmt.Sprintf("%v in signature data", j.Signature.SyntaxError)
		case syntax.AtEnd:
			return "tag without value at end of signature data"
		}
		return fmt.Sprintf("syntax error in signature data (ASCII 0x%02x at offset %d)", syntax.Byte, syntax.Offset)
	case dkim.ReasonDuplicateTag:
		return fmt.Sprintf("%v in signature data", j.Signature.SyntaxError)
	case dkim.ReasonTimestamp:
		if t, ok := j.Signature.Tags.Get("t"); ok {
			if _, err := strconv.ParseUint(string(t.Value), 10, 64); err != nil {
				return `invalid "t" value in signature data`
			}
		}
		return `invalid "x" value in signature data`
	}
	return "missing parameter(s) in signature data"
}

func queryName(s *dkim.Signature) string {
	name, _ := s.QueryName()
	return name
}

// cryptoError is the crypto library's word that OpenDKIM would print.
func cryptoError(j *judgement) string {
	if j.Reason == dkim.ReasonBadSignature && j.Signature.Algorithm != dkim.Ed25519SHA256 {
		return "error:02000068:rsa routines::bad signature"
	}
	return ""
}
