package policy

import (
	"fmt"
	"log/slog"
	"strings"

	"dojang/dkim"
	"dojang/internal/event"
)

// Judged is a signature's result with the words that OpenDKIM has for it.
type Judged struct {
	dkim.Result
	Word   string // in Authentication-Results: pass, fail, policy, neutral, temperror, permerror
	Detail string // reason= there; "" for none
}

// judge gives each result its words and applies the local rules about keys.
func (r *Rules) judge(results []dkim.Result) []Judged {
	judged := make([]Judged, len(results))
	for i := range results {
		j := Judged{Result: results[i]}
		r.applyKeyRules(&j)
		j.Word, j.Detail = words(j.Result)
		judged[i] = j
	}
	return judged
}

// applyKeyRules obeys BogusKey and UnprotectedKey for signatures that pass.
func (r *Rules) applyKeyRules(j *Judged) {
	if j.Status != dkim.StatusPass {
		return
	}
	treatment, reason := TreatNone, dkim.ReasonNone
	switch j.Security {
	case dkim.Bogus:
		treatment, reason = r.Verdicts.BogusKey, dkim.ReasonKeyBogus
	case dkim.Insecure, dkim.SecurityUnknown:
		treatment, reason = r.Verdicts.UnprotectedKey, dkim.ReasonKeyUnprotected
	}
	switch treatment {
	case TreatFail:
		// Compat(opendkim 2.11): its word for this failure is policy.
		j.Status, j.Reason = dkim.StatusPolicy, reason
	case TreatNeutral:
		j.Status, j.Reason = dkim.StatusNeutral, reason
	}
}

// words gives the result's word and its reason=. Compat(opendkim 2.11): which
// failure is called what is its choice; a reason is told for fail and policy.
func words(result dkim.Result) (word, detail string) {
	switch result.Reason {
	case dkim.ReasonBadSignature, dkim.ReasonBodyHash:
		return "fail", classicText(result.Reason)
	case dkim.ReasonKeyRevoked, dkim.ReasonKeyNotFound, dkim.ReasonKeyHashMismatch, dkim.ReasonKeyHashUnknown, dkim.ReasonNotEmailKey,
		dkim.ReasonKeyVersion, dkim.ReasonKeyTypeUnknown, dkim.ReasonSubdomain, dkim.ReasonLengthTooLarge:
		return "fail", result.Reason.String()
	case dkim.ReasonExpired, dkim.ReasonFuture:
		return "permerror", ""
	case dkim.ReasonKeyBogus, dkim.ReasonKeyUnprotected:
		return result.Status.String(), ""
	}
	switch result.Status {
	case dkim.StatusFail, dkim.StatusPolicy:
		return result.Status.String(), result.Reason.String()
	}
	return result.Status.String(), ""
}

// classicText is OpenDKIM's text for a reason. Compat(opendkim 2.11): it has
// one for a changed header and a changed body.
func classicText(reason dkim.Reason) string {
	if reason == dkim.ReasonBodyHash {
		reason = dkim.ReasonBadSignature
	}
	return reason.String()
}

// tellSignatures notes what was found before it is judged.
func (r *Rules) tellSignatures(o *Outcome, judged []Judged) {
	ignored := 0
	var domains, results []string
	for i := range judged {
		j := &judged[i]
		domains = append(domains, orInvalid(j.Signature.Domain))
		if j.Reason == dkim.ReasonTooManySignatures {
			ignored++
			continue
		}
		if j.Signature.Domain != "" && j.Signature.Selector != "" {
			results = append(results, fmt.Sprintf("signature=%.8s domain=%s selector=%s result=\"%s\"", j.Signature.Encoded, j.Signature.Domain, j.Signature.Selector, classicText(j.Reason)))
		}
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
	for i := range judged {
		if judged[i].MultipleKeys {
			o.tell(event.SeveralKeys(judged[i].Signature.Selector, judged[i].Signature.Domain))
		}
	}
}

func orInvalid(domain string) string {
	if domain == "" {
		return "(invalid)"
	}
	return domain
}

// tellDecision notes the deciding signature as OpenDKIM does.
func (r *Rules) tellDecision(o *Outcome, j *Judged) {
	s := j.Signature
	fields := []slog.Attr{slog.String("domain", s.Domain), slog.String("selector", s.Selector), slog.String("algorithm", s.Algorithm.String()),
		slog.String("result", j.Word), slog.String("reason", j.Reason.String()), slog.Int("bits", j.KeyBits)}
	if j.Status == dkim.StatusPass {
		o.success(event.Verified(fields...))
	}
	if j.Key != nil && j.Key.Key != nil {
		o.tell(event.Signature(s.Selector, s.Domain, s.Algorithm.String(), cryptoError(j)))
	}
	switch {
	case isSyntaxError(j.Reason):
		o.tell(event.SyntaxError(j.Reason.String()))
	case isBadSignature(j.Reason):
		o.tell(event.BadSignature(fields...))
	case j.Reason == dkim.ReasonKeyRevoked:
		o.tell(event.KeyRevoked(s.Selector, s.Domain, s.Algorithm.String()))
	case j.Reason == dkim.ReasonKeyNotFound:
		o.tell(event.KeyNotFound(s.Selector, s.Domain, queryName(s)))
	case j.Reason == dkim.ReasonKeyQuery:
		o.tell(event.KeyQueryFailed(s.Selector, s.Domain, j.KeyErr))
	}
}

func queryName(s *dkim.Signature) string {
	name, _ := s.QueryName()
	return name
}

// cryptoError is the crypto library's word that OpenDKIM would print.
func cryptoError(j *Judged) string {
	if j.Reason == dkim.ReasonBadSignature && j.Signature.Algorithm != dkim.Ed25519SHA256 {
		return "error:02000068:rsa routines::bad signature"
	}
	return ""
}
