package policy

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/internal/copied"
	"dojang/internal/event"
	"dojang/internal/plain"
)

// Reports say what is told beside the result: to signers who ask for it (RFC
// 6651), to those who look for the cause of a failure, and to a filter behind
// us.
type Reports struct {
	Send                 bool // SendReports
	Diagnose             bool // DiagnosticDirectory is set
	AddCanonicalizedData bool
	Count                bool // Statistics is set
}

// MaxKeptBodyBytes bounds what is kept of a canonical body for a report. A
// report about a longer body goes without it.
const MaxKeptBodyBytes = 64 << 10

// FailureReport is all that a report about a failed signature says (RFC 6591).
type FailureReport struct {
	JobID     string
	Host      string // of the MTA
	Sender    string // of the envelope
	Client    string // its address
	MessageID string // value of that field, as received
	Arrived   time.Time

	Domain, Selector, Identity string // d=, s=, i=

	Failure string // Auth-Failure: bodyhash, revoked or signature
	Reason  string // in words
	// Condition is the token of rr= under which the failure falls (RFC 6651
	// §5.1).
	Condition string

	CanonicalHeader []byte
	CanonicalBody   []byte // nil when it was too long to be kept, or not checked
	Header          []byte // as received, each field with its line end
}

// Diagnosis is the content of a file in DiagnosticDirectory.
type Diagnosis struct {
	JobID string
	Text  []byte
}

// KeepsBody reports whether what is told of a signature needs the canonical
// body.
func (r *Reports) KeepsBody(s *dkim.Signature) bool {
	return r.AddCanonicalizedData || r.Send && wantsReport(s)
}

// wantsReport reports whether a signer asks for reports (RFC 6651 §3.1).
func wantsReport(s *dkim.Signature) bool { return string(s.Tags.Value("r")) == "y" }

// report asks for a report about the deciding signature; host is the MTA. Compat(opendkim 2.11):
// when another one passes, nobody is told.
func (r *Reports) report(o *Outcome, f *Facts, v *Verdict, j *judgement, host string) {
	if !r.Send || !wantsReport(j.Signature) {
		return
	}
	condition := reportCondition(j)
	if condition == "" {
		return
	}
	s := j.Signature
	report := &FailureReport{
		JobID: f.JobID, Host: host, Sender: f.Sender, Client: f.ClientAddr.String(), Arrived: v.Now,
		Domain: s.Domain, Selector: s.Selector, Identity: s.Identity,
		Failure: "signature", Reason: classicText(j.Reason), Condition: condition,
		Header: receivedHeader(f),
	}
	switch j.Reason {
	case dkim.ReasonBodyHash:
		report.Failure = "bodyhash"
	case dkim.ReasonKeyRevoked:
		report.Failure = "revoked"
	}
	if id, _, ok := f.Fields.First("Message-ID"); ok {
		report.MessageID = string(id.Value())
	}
	if s.Headers != nil && len(s.Value) > 0 {
		report.CanonicalHeader = s.CanonicalHeader(f.Fields, j.FieldIndex)
	}
	report.CanonicalBody = keptBody(v, j)
	o.Report = report
}

// keptBody is the canonical body of a signature, nil when not all of it was
// kept.
func keptBody(v *Verdict, j *judgement) []byte {
	if v.Kept == nil {
		return nil
	}
	length := j.CanonicalBodyLength
	if l := j.Signature.Length; l >= 0 {
		length = min(length, l)
	}
	kept := v.Kept(j.Signature.BodyCanonicalization)
	if kept == nil || int64(len(kept)) < length {
		return nil
	}
	return kept[:length:length]
}

// receivedHeader is the header as it came, for a text: its lines end with LF.
func receivedHeader(f *Facts) []byte {
	out := make([]byte, 0, f.Fields.Size()+2*f.Fields.Len())
	for i := range f.Fields.Len() {
		out = append(append(out, bytes.ReplaceAll(f.Fields.At(i).Raw, []byte("\r"), nil)...), '\n')
	}
	return out
}

// reportCondition is the token of RFC 6651 §5.1 for a failure, "" for what is
// none: only a look-up that failed for now may yet come out well.
func reportCondition(j *judgement) string {
	switch j.Reason {
	case dkim.ReasonNone, dkim.ReasonTooManySignatures, dkim.ReasonKeyQuery, dkim.ReasonInternal:
		return ""
	case dkim.ReasonBadSignature, dkim.ReasonBodyHash, dkim.ReasonLengthTooLarge:
		return "v"
	case dkim.ReasonExpired:
		return "x"
	case dkim.ReasonKeyNotFound, dkim.ReasonKeyReply, dkim.ReasonMultipleKeys:
		return "d"
	case dkim.ReasonKeyRevoked, dkim.ReasonSubdomain, dkim.ReasonKeyHashMismatch, dkim.ReasonKeyTypeMismatch,
		dkim.ReasonNotEmailKey, dkim.ReasonFuture:
		return "o"
	}
	if j.Status == dkim.StatusPolicy {
		return "p"
	}
	return "s" // whatever else is wrong is wrong with a signature or key as written
}

// maxDifferences bounds how many differing fields are named.
const maxDifferences = 20

// diagnose compares the header with the copy in the deciding signature (z=).
func (r *Reports) diagnose(o *Outcome, f *Facts, j *judgement) {
	s := j.Signature
	if !isBadSignature(j.Reason) || s.CopiedHeaders == "" {
		return
	}
	then, err := s.CopiedHeaderFields()
	if err != nil {
		return // Compat(opendkim 2.11)
	}
	differences, _ := copied.Compare(s, f.Fields)
	for i, d := range differences {
		if i == maxDifferences {
			break
		}
		o.why(event.FieldDiffers(d.Kind.String(), d.Name, d.Then, d.Now))
	}
	if r.Diagnose {
		o.Diagnosis = &Diagnosis{JobID: f.JobID, Text: diagnosis(f, then, differences)}
	}
}

// diagnosis is OpenDKIM's text, with the differences behind it.
func diagnosis(f *Facts, then []dkim.CopiedField, differences []copied.Difference) []byte {
	const rule = "--------------------\n\n"
	var b bytes.Buffer
	b.WriteString("z tag headers:\n\n")
	for _, c := range then {
		b.Write(bytes.ReplaceAll(c.Raw(), []byte("\r"), nil))
		b.WriteByte('\n')
	}
	b.WriteString(rule + "Received headers:\n\n")
	b.Write(receivedHeader(f))
	b.WriteString(rule + "Differences:\n\n")
	if len(differences) == 0 {
		b.WriteString("none in the fields that the signature covers\n")
	}
	for i, d := range differences {
		if i == maxDifferences {
			fmt.Fprintf(&b, "and %d more\n", len(differences)-i)
			break
		}
		fmt.Fprintf(&b, "%s was %s after it was signed\n", plain.Line(d.Name), d.Kind)
		if d.Kind != copied.Added {
			fmt.Fprintf(&b, "\tthen: %s\n", plain.Line(strings.TrimSpace(d.Then)))
		}
		if d.Kind != copied.Removed {
			fmt.Fprintf(&b, "\tnow:  %s\n", plain.Line(strings.TrimSpace(d.Now)))
		}
	}
	return b.Bytes()
}

// Names of the fields that AddCanonicalizedData adds.
const (
	canonicalizedHeader = "X-DKIM-Canonicalized-Header"
	canonicalizedBody   = "X-DKIM-Canonicalized-Body"
)

// addCanonicalized obeys AddCanonicalizedData (RFC 9991): the very octets that
// each signature was checked against, for a DMARC filter behind us. Those that
// came with the message are somebody else's and go.
func (r *Reports) addCanonicalized(o *Outcome, f *Facts, v *Verdict, judged []judgement) {
	for i := range judged {
		j := &judged[i]
		s := j.Signature
		if s.Headers == nil || len(s.Value) == 0 || j.Reason == dkim.ReasonTooManySignatures {
			continue
		}
		if body := keptBody(v, j); body != nil {
			o.insert(canonicalizedBody, canonicalizedValue(s, body))
		}
		o.insert(canonicalizedHeader, canonicalizedValue(s, s.CanonicalHeader(f.Fields, j.FieldIndex)))
	}
}

func canonicalizedValue(s *dkim.Signature, text []byte) string {
	prefix := fmt.Sprintf("d=%s; s=%s; b=", s.Domain, s.Selector)
	return " " + prefix + FoldBase64(text, len(prefix), "\r\n        ")
}
