// Package explain finds out why a DKIM signature fails: which part of the
// message no longer fits, and which known edit on the way accounts for it. An
// edit is proved when undoing it reproduces the hash that was signed.
//
// It is pure: it is given a message and a verifier's result, and asks nobody.
package explain

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
	"dojang/internal/words"
)

// Key is the public key a signature asks for.
type Key struct {
	Record string            `json:"record"` // DNS name
	Found  bool              `json:"found"`
	Absent bool              `json:"absent"` // DNS says that there is none
	Type   string            `json:"type,omitempty"`
	Bits   int               `json:"bits,omitempty"`
	Flags  []string          `json:"flags,omitempty"` // t=
	DNSSEC string            `json:"dnssec"`
	Error  string            `json:"error,omitempty"`
	Faults []keyrecord.Fault `json:"faults,omitempty"`
}

// Signature is the story of one signature.
type Signature struct {
	Number           int       `json:"number"` // from 1, top down
	Domain           string    `json:"domain"`
	Selector         string    `json:"selector"`
	Identity         string    `json:"identity,omitempty"`
	Algorithm        string    `json:"algorithm"`
	Canonicalization string    `json:"canonicalization"` // header/body
	Signed           string    `json:"signed,omitempty"` // t=
	Expires          string    `json:"expires,omitempty"`
	Headers          []string  `json:"headers"` // h=
	Result           string    `json:"result"`  // RFC 8601's word
	Reason           string    `json:"reason,omitempty"`
	Text             string    `json:"text"` // the reason in plain words
	HeaderOK         bool      `json:"header_ok"`
	BodyOK           bool      `json:"body_ok"`
	HeaderChecked    bool      `json:"header_checked"` // else nothing is known of the header
	BodyChecked      bool      `json:"body_checked"`
	Key              Key       `json:"key"`
	Alignment        Alignment `json:"alignment"`
	Causes           []Cause   `json:"causes,omitempty"`
	Notes            []Note    `json:"notes,omitempty"` // worth knowing, no fault
}

// maxEvidence is how many signatures of a message are looked at, however many there are.
const maxEvidence = 100

// Evidence is by what a verifier sees all there is to see of a message's signatures: every
// hash made and every key asked for, whatever the time, the algorithm or the local rules
// say against it. What a signature is worth is another's judgement: see Judged.
func Evidence(now time.Time) dkim.VerifyOptions {
	return dkim.VerifyOptions{Now: now, Thorough: true, AllowSHA1: true, MaximumSignatures: maxEvidence, MinimumKeyBits: -1,
		Conditional: true}
}

// Arrival is when a message arrived, by the topmost Received field, which its own mail
// server wrote; now, when there is none or its time lies ahead.
func Arrival(fields *header.List, now time.Time) time.Time {
	f, _, ok := fields.First("Received")
	if !ok || len(f.Raw) > maxField {
		return now
	}
	value := unfold(string(f.Value()))
	at, err := mail.ParseDate(strings.TrimSpace(value[strings.LastIndexByte(value, ';')+1:]))
	if err != nil || at.After(now) {
		return now
	}
	return at
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

// Signatures explains every result of a verifier. Body has CRLF line ends. The search for
// causes is bounded in work and ends with ctx; a deadline's time is shared out among the
// signatures. now is for what has changed since the results' time.
func Signatures(ctx context.Context, fields *header.List, body []byte, results []dkim.Result, now time.Time) []Signature {
	stories := make([]Signature, len(results))
	for i := range results {
		share, cancel := shareOf(ctx, len(results)-i)
		stories[i] = explain(share, fields, body, &results[i], now)
		stories[i].Number = i + 1
		cancel()
	}
	return stories
}

// shareOf is one of n equal parts of what is left of ctx's time.
func shareOf(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
}

func explain(ctx context.Context, fields *header.List, body []byte, r *dkim.Result, now time.Time) Signature {
	s := r.Signature
	story := Signature{
		Domain: s.Domain, Selector: s.Selector, Identity: s.Identity, Algorithm: algorithm(s),
		Canonicalization: canonicalization(s),
		Headers:          s.Headers,
		Result:           r.Status.String(), Text: "the signature fits header, body and key",
		HeaderOK: r.HeaderOK, BodyOK: r.BodyOK, HeaderChecked: r.HeaderChecked, BodyChecked: r.BodyChecked,
		Key: explainKey(r), Alignment: alignment(fields, s.Domain), Notes: notes(fields, r, now),
	}
	if !s.Time.IsZero() {
		story.Signed = s.Time.UTC().Format(time.RFC3339)
	}
	if !s.Expire.IsZero() {
		story.Expires = s.Expire.UTC().Format(time.RFC3339)
	}
	if r.Status != dkim.StatusPass {
		story.Reason, story.Text = r.Reason.String(), r.Reason.Explain()
	}
	story.Causes = said(causes(ctx, fields, body, r, story.Key))
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
	var failure *resolver.Error
	k.Absent = r.Reason == dkim.ReasonKeyNotFound || errors.As(r.KeyErr, &failure) && failure.NotFound()
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
		found = append(found, keyCauses(key)...)
	}
	if broken(r) {
		return found
	}
	if cut, joined, rest := rejoined(fields, body, r); cut != nil {
		found = append(found, *cut)
		return append(found, headerCauses(ctx, joined, rest, r)...)
	}
	if r.HeaderChecked && !r.HeaderOK {
		share, cancel := shareOf(ctx, 2)
		found = append(found, headerCauses(share, fields, body, r)...)
		cancel()
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

// notes tells what is worth knowing of any signature.
func notes(fields *header.List, r *dkim.Result, now time.Time) []Note {
	s := r.Signature
	var out []Note
	if s.HasExpire && r.Reason != dkim.ReasonExpired && now.After(s.Expire) {
		out = append(out, note(NoteExpiredSince, "time", s.Expire.UTC().Format(time.RFC3339)))
	}
	if s.Length >= 0 {
		n := args("length", strconv.FormatInt(s.Length, 10))
		if r.BodyChecked {
			n["body"] = strconv.FormatInt(r.CanonicalBodyLength, 10)
		}
		out = append(out, Note{Code: NoteLength, Args: n, Text: words.Cause("note", NoteLength, n)})
	}
	if r.Testing {
		out = append(out, note(NoteTesting))
	}
	if r.MultipleKeys {
		out = append(out, note(NoteSeveralKeys))
	}
	for _, name := range []string{"From", "Subject", "Date", "To"} {
		if fields.Count(name) > 0 && s.Covers(name) == 0 && len(s.Headers) > 0 {
			out = append(out, note(NoteFieldUnsigned, "field", name))
		}
	}
	return out
}
