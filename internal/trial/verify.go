package trial

import (
	"context"
	"fmt"
	"io"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/explain"
	"dojang/internal/message"
	"dojang/internal/policy"
)

// ClassicVerify verifies the message and is silent when a signature passes.
func ClassicVerify(ctx context.Context, in io.Reader, v Verifier, now time.Time) error {
	message, err := read(in)
	if err != nil {
		return exit.Errorf(exit.IOErr, "read(): %w", err)
	}
	fields, body, err := header.Parse(message)
	if err != nil || !wellFormed(fields) {
		return exit.Errorf(exit.Software, "dkim_chunk(): Syntax error")
	}
	results := v.ByRules(ctx, now, fields, explain.WithCRLF(body))
	i := new(policy.Plan).Deciding(results)
	if i < 0 {
		return exit.Errorf(exit.Software, "dkim_chunk(): No signature")
	}
	result := &results[i]
	if result.Status == dkim.StatusPass {
		return nil
	}
	where, what := libraryStatus(result.Reason)
	return exit.Errorf(exit.Software, "%s(): %s", where, what)
}

// Verifier verifies messages that are there whole, by the way that the filter's go.
type Verifier struct{ Snapshot *message.Snapshot }

// Verify judges signatures by o.
func (v Verifier) Verify(ctx context.Context, o dkim.VerifyOptions, fields *header.List, body []byte) []dkim.Result {
	return message.NewServices(nil, func() time.Time { return o.Now }).Verify(ctx, v.Snapshot, o, fields, body)
}

// ByRules judges signatures by the rules of the configuration.
func (v Verifier) ByRules(ctx context.Context, now time.Time, fields *header.List, body []byte) []dkim.Result {
	return v.Verify(ctx, v.Snapshot.Rules.Verdicts.VerifyOptions(new(policy.Plan), now), fields, body)
}

// NewVerifier verifies by a configuration, of which no table or key is read.
func NewVerifier(ctx context.Context, cfg *config.Config) (v Verifier, done func(), err error) {
	snapshot, done, problems := build.Verifying(ctx, cfg, build.ToolParts(""))
	if snapshot == nil {
		return Verifier{}, nil, exit.Problems(problems)
	}
	return Verifier{snapshot}, done, nil
}

// libraryStatus is the call of OpenDKIM's library that fails for a reason, and
// its words.
func libraryStatus(r dkim.Reason) (call, status string) {
	switch r {
	case dkim.ReasonBadSignature, dkim.ReasonBodyHash:
		return "dkim_eom", "Bad signature"
	case dkim.ReasonKeyRevoked:
		return "dkim_eom", "Revoked key"
	case dkim.ReasonKeyNotFound, dkim.ReasonKeyQuery, dkim.ReasonKeyReply:
		return "dkim_eom", "Key retrieval failed"
	case dkim.ReasonSyntax, dkim.ReasonDuplicateTag, dkim.ReasonDomainMissing, dkim.ReasonSelectorMissing, dkim.ReasonAlgorithmMissing,
		dkim.ReasonHeadersMissing, dkim.ReasonSignatureMissing, dkim.ReasonBodyHashMissing, dkim.ReasonVersionMissing, dkim.ReasonTimestamp:
		return "dkim_chunk", "Syntax error"
	}
	return "dkim_eom", "Unable to verify"
}

// Verified is the JSON form of one message's results.
type Verified struct {
	File       string              `json:"file"`
	Passed     bool                `json:"passed"`
	Signatures []verifiedSignature `json:"signatures"`
}

type verifiedSignature struct {
	Result    string `json:"result"` // RFC 8601's word
	Reason    string `json:"reason,omitempty"`
	Text      string `json:"text,omitempty"` // the reason in plain words
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	KeyBits   int    `json:"key_bits,omitempty"`
	DNSSEC    string `json:"dnssec"`
}

func verifiedOf(r *dkim.Result) verifiedSignature {
	v := verifiedSignature{
		Result: r.Status.String(), Domain: r.Signature.Domain, Selector: r.Signature.Selector,
		Algorithm: r.Signature.Algorithm.String(), KeyBits: r.KeyBits, DNSSEC: r.Security.String(),
	}
	if r.Status != dkim.StatusPass {
		v.Reason, v.Text = r.Reason.String(), r.Reason.Explain()
	}
	return v
}

// Print tells of each signature, one a line.
func (m *Verified) Print(w io.Writer) {
	if len(m.Signatures) == 0 {
		fmt.Fprintf(w, "%s: none: no signature\n", m.File)
	}
	for _, v := range m.Signatures {
		fmt.Fprintf(w, "%s: %s: s=%s d=%s %s", m.File, v.Result, v.Selector, v.Domain, v.Algorithm)
		if v.KeyBits > 0 {
			fmt.Fprintf(w, ", %d-bit key", v.KeyBits)
		}
		if v.Reason != "" {
			fmt.Fprintf(w, ": %s: %s", v.Reason, v.Text)
		}
		fmt.Fprintln(w)
	}
}

// Tell verifies a message by the rules of the configuration.
func (v Verifier) Tell(ctx context.Context, now time.Time, file string, fields *header.List, body []byte) Verified {
	m := Verified{File: file, Signatures: []verifiedSignature{}}
	results := v.ByRules(ctx, now, fields, body)
	for i := range results {
		m.Signatures = append(m.Signatures, verifiedOf(&results[i]))
		m.Passed = m.Passed || results[i].Status == dkim.StatusPass
	}
	return m
}
