// Package explain finds out why a DKIM signature fails: which part of the
// message no longer fits, and which known edit on the way accounts for it. An
// edit is proved when undoing it reproduces the hash that was signed.
//
// It is pure: it is given a message and a verifier's result, and asks nobody.
package explain

import (
	"context"
	"fmt"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/keyrecord"
	"dojang/internal/words"
)

// Parts of a message that a Cause may be about.
const (
	PartHeader    = "header"
	PartBody      = "body"
	PartKey       = "key"
	PartSignature = "signature"
)

// Cause is something that makes a signature fail.
type Cause struct {
	Part   string `json:"part"`
	Code   string `json:"code"`            // a word for scripts: subject-tag, footer, ...
	Field  string `json:"field,omitempty"` // the header field it is about
	Text   string `json:"text"`            // in plain words
	Proved bool   `json:"proved"`          // undoing it reproduces what was signed
}

// Key is the public key a signature asks for.
type Key struct {
	Record string            `json:"record"` // DNS name
	Found  bool              `json:"found"`
	Type   string            `json:"type,omitempty"`
	Bits   int               `json:"bits,omitempty"`
	Flags  []string          `json:"flags,omitempty"` // t=
	DNSSEC string            `json:"dnssec"`
	Error  string            `json:"error,omitempty"`
	Faults []keyrecord.Fault `json:"faults,omitempty"`
}

// Signature is the story of one signature.
type Signature struct {
	Number           int      `json:"number"` // from 1, top down
	Domain           string   `json:"domain"`
	Selector         string   `json:"selector"`
	Identity         string   `json:"identity,omitempty"`
	Algorithm        string   `json:"algorithm"`
	Canonicalization string   `json:"canonicalization"` // header/body
	Signed           string   `json:"signed,omitempty"` // t=
	Expires          string   `json:"expires,omitempty"`
	Headers          []string `json:"headers"` // h=
	Result           string   `json:"result"`  // RFC 8601's word
	Reason           string   `json:"reason,omitempty"`
	Text             string   `json:"text"` // the reason in plain words
	HeaderOK         bool     `json:"header_ok"`
	BodyOK           bool     `json:"body_ok"`
	HeaderChecked    bool     `json:"header_checked"` // else nothing is known of the header
	BodyChecked      bool     `json:"body_checked"`
	Key              Key      `json:"key"`
	Causes           []Cause  `json:"causes,omitempty"`
	Notes            []string `json:"notes,omitempty"` // worth knowing, no fault
}

// maxEvidence is how many signatures of a message are looked at, however many there are.
const maxEvidence = 100

// Evidence is by what a verifier sees all there is to see of a message's signatures: every
// hash made and every key asked for, whatever the time, the algorithm or the local rules
// say against it. What a signature is worth is another's judgement: see Judged.
func Evidence(now time.Time) dkim.VerifyOptions {
	return dkim.VerifyOptions{Now: now, Thorough: true, AllowSHA1: true, MaximumSignatures: maxEvidence, MinimumKeyBits: -1, Conditional: true}
}

// Judged is the evidence with the judgement of another run over the same header.
func Judged(evidence, judged []dkim.Result) []dkim.Result {
	for i := range evidence {
		for _, j := range judged {
			if j.FieldIndex == evidence[i].FieldIndex {
				evidence[i].Status, evidence[i].Reason = j.Status, j.Reason
			}
		}
	}
	return evidence
}

// Signatures explains every result of a verifier. Body has CRLF line ends. The
// search for causes is bounded in work and ends early with ctx.
func Signatures(ctx context.Context, fields *header.List, body []byte, results []dkim.Result) []Signature {
	stories := make([]Signature, len(results))
	for i := range results {
		stories[i] = explain(ctx, fields, body, &results[i])
		stories[i].Number = i + 1
	}
	return stories
}

func explain(ctx context.Context, fields *header.List, body []byte, r *dkim.Result) Signature {
	s := r.Signature
	story := Signature{
		Domain: s.Domain, Selector: s.Selector, Identity: s.Identity, Algorithm: algorithm(s),
		Canonicalization: canonicalization(s),
		Headers:          s.Headers,
		Result:           r.Status.String(), Text: "the signature fits header, body and key",
		HeaderOK: r.HeaderOK, BodyOK: r.BodyOK, HeaderChecked: r.HeaderChecked, BodyChecked: r.BodyChecked,
		Key: explainKey(r),
	}
	if !s.Time.IsZero() {
		story.Signed = s.Time.UTC().Format(time.RFC3339)
	}
	if !s.Expire.IsZero() {
		story.Expires = s.Expire.UTC().Format(time.RFC3339)
	}
	story.Notes = notes(fields, r)
	if r.Status == dkim.StatusPass {
		return story
	}
	story.Reason, story.Text = r.Reason.String(), r.Reason.Explain()
	story.Causes = causes(ctx, fields, body, r, story.Key)
	return story
}

// algorithm names a signature's algorithm: where it is none that is known, as the
// signature has it.
func algorithm(s *dkim.Signature) string {
	if s.Algorithm != 0 {
		return s.Algorithm.String()
	}
	return written(s, "a")
}

// canonicalization does the same for both canonicalizations. Of a signature that could
// not be read to its end it is not known what was.
func canonicalization(s *dkim.Signature) string {
	if s.Algorithm != 0 && len(s.Value) > 0 {
		return s.HeaderCanonicalization.String() + "/" + s.BodyCanonicalization.String()
	}
	return written(s, "c")
}

// written is a tag's value as the signature has it, quoted and cut.
func written(s *dkim.Signature, tag string) string {
	t, ok := s.Tags.Get(tag)
	if !ok {
		return "no " + tag + "="
	}
	return fmt.Sprintf("%.64q", t.Value)
}

func explainKey(r *dkim.Result) Key {
	k := Key{DNSSEC: r.Security.String()}
	k.Record, _ = r.Signature.QueryName()
	if r.KeyErr != nil {
		k.Error = r.KeyErr.Error()
	}
	if r.Key == nil {
		return k
	}
	k.Found, k.Type, k.Bits, k.Flags = true, r.Key.Type, r.Key.Bits, r.Key.Flags
	k.Faults = keyrecord.Inspect([]string{r.Key.Text})
	words.Faults(k.Faults)
	return k
}

// causes collects what makes the signature fail, the part that was checked
// first: a key that is not there leaves the header unknown, not wrong.
func causes(ctx context.Context, fields *header.List, body []byte, r *dkim.Result, key Key) []Cause {
	var found []Cause
	if r.Key == nil || r.Key.Key == nil {
		found = append(found, keyCauses(r, key)...)
	}
	if broken(r) {
		return found
	}
	if r.HeaderChecked && !r.HeaderOK {
		found = append(found, headerCauses(ctx, fields, r)...)
	} else if !r.HeaderOK {
		found = append(found, copiedCauses(fields, r.Signature)...)
	}
	if r.BodyChecked && !r.BodyOK {
		found = append(found, bodyCauses(ctx, fields, body, r)...)
	}
	return found
}

// broken reports whether the signature itself cannot be read, so that there is
// nothing to compare.
func broken(r *dkim.Result) bool {
	s := r.Signature
	return len(s.BodyHash) == 0 || len(s.Value) == 0 || len(s.Headers) == 0 || s.Algorithm == 0
}

func keyCauses(r *dkim.Result, key Key) []Cause {
	var found []Cause
	for _, f := range key.Faults {
		if f.Fatal {
			found = append(found, Cause{Part: PartKey, Code: f.Code, Text: f.Text, Proved: true})
		}
	}
	if len(found) == 0 && r.Reason == dkim.ReasonKeyNotFound {
		found = append(found, Cause{Part: PartKey, Code: keyrecord.FaultAbsent, Proved: true,
			Text: fmt.Sprintf("there is no key record at %s: it was withdrawn, or never published", key.Record)})
	}
	return found
}

// notes tells what is worth knowing of any signature.
func notes(fields *header.List, r *dkim.Result) []string {
	s := r.Signature
	var out []string
	if s.Length >= 0 {
		out = append(out, fmt.Sprintf("l=%d: only that many octets of the body are signed, of %d; anything may have been added behind", s.Length, r.CanonicalBodyLength))
	}
	if r.Testing {
		out = append(out, "the key says t=y: the domain only tests DKIM")
	}
	if r.MultipleKeys {
		out = append(out, "several TXT records stand at the key's name; the first usable one was taken")
	}
	for _, name := range []string{"From", "Subject", "Date", "To"} {
		if fields.Count(name) > 0 && s.Covers(name) == 0 && len(s.Headers) > 0 {
			out = append(out, name+" is not signed: it may have been changed unseen")
		}
	}
	return out
}
