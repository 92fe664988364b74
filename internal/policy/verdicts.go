package policy

import (
	"fmt"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/internal/dataset"
)

// Condition is what an On-* option is about.
type Condition uint8

// The conditions, each named as its option.
const (
	BadSignature Condition = iota
	DNSError
	InternalError
	KeyNotFound
	NoSignature
	ReputationError
	Security
	SignatureError
	conditions
)

func (c Condition) String() string {
	return [...]string{"BadSignature", "DNSError", "InternalError", "KeyNotFound", "NoSignature",
		"ReputationError", "Security", "SignatureError"}[c]
}

// replies holds the texts that go with reject and tempfail.
// Compat(opendkim 2.11): a condition without a text gets the MTA's own words.
var replies = [conditions]struct{ text, rejectStatus, tempStatus string }{
	Security:       {"message header too large", "5.3.4", "4.3.4"}, // RFC 3463 §3.4
	BadSignature:   {"bad DKIM signature data", "5.7.0", "4.7.0"},
	DNSError:       {"DKIM key retrieval failed", "5.7.0", "4.7.5"},
	InternalError:  {"resource unavailable", "5.7.0", "4.7.0"},
	KeyNotFound:    {"DKIM key retrieval failed", "5.7.0", "4.7.5"},
	NoSignature:    {"no DKIM signature data", "5.7.0", "4.7.0"},
	SignatureError: {"DKIM signing error", "5.7.0", "4.7.0"},
}

// Verdicts say how signatures are judged and what follows.
type Verdicts struct {
	Actions [conditions]Action // On-*; Continue stands for accept

	Quarantine           bool // failed messages go to the MTA's quarantine
	CaptureUnknownErrors bool // internal errors too
	RedirectFailuresTo   string

	ClockDrift          time.Duration
	MinimumKeyBits      int
	MaximumKeyBits      int
	AllowSHA1           bool
	MaximumSignatures   int
	Minimum             Minimum
	MustBeSigned        []string
	TrustSignaturesFrom dataset.Set // nil: every signature counts
	Conditional         bool        // ConditionalSignatures is set: those of others count too
	SingletonsSigned    bool        // VerifyPreset strict
	RequireBaseFields   bool        // VerifyPreset strict: From, Subject and Date signed
	BogusKey            KeyTreatment
	UnprotectedKey      KeyTreatment
}

// KeyTreatment is what BogusKey and UnprotectedKey make of a signature that
// passes with such a key.
type KeyTreatment uint8

// The treatments.
const (
	TreatNone KeyTreatment = iota
	TreatNeutral
	TreatFail
)

// ParseKeyTreatment reads "none", "neutral" or "fail".
func ParseKeyTreatment(text string) (KeyTreatment, error) {
	switch strings.ToLower(text) {
	case "none":
		return TreatNone, nil
	case "neutral":
		return TreatNeutral, nil
	case "fail":
		return TreatFail, nil
	}
	return 0, fmt.Errorf("%.64q is none of none, neutral and fail", text)
}

// Set gives a condition its action.
func (v *Verdicts) Set(c Condition, a Action) { v.Actions[c] = a }

// reply is what a condition leads to.
func (v *Verdicts) reply(c Condition) Reply {
	words := replies[c]
	r := Reply{Action: v.Actions[c]}
	switch r.Action {
	case Continue:
		r.Action = Accept
	case Reject:
		if words.text != "" {
			r.Code, r.Status, r.Text = 550, words.rejectStatus, words.text
		}
		if c == Security {
			r.Code = 552 // RFC 5321 §4.2.3: exceeded storage allocation
		}
	case TempFail:
		if words.text != "" {
			r.Code, r.Status, r.Text = 451, words.tempStatus, words.text
		}
		if c == Security {
			r.Code = 452
		}
	case Quarantine:
		r.Text = quarantineReason
	case Accept, Discard:
	}
	return r
}

// quarantineReason is what the MTA shows beside a held message.
// Compat(opendkim 2.11).
const quarantineReason = "opendkim"

// InternalError is the answer when we could not do our work.
func (v *Verdicts) InternalError() Reply { return v.reply(InternalError) }

// Quarantines reports whether a message may be quarantined, for the
// negotiation with the MTA.
func (v *Verdicts) Quarantines() bool {
	if v.Quarantine || v.CaptureUnknownErrors {
		return true
	}
	for _, a := range v.Actions {
		if a == Quarantine {
			return true
		}
	}
	return false
}

// VerifyOptions are the rules of judging, for one message.
func (v *Verdicts) VerifyOptions(p *Plan, now time.Time) dkim.VerifyOptions {
	o := dkim.VerifyOptions{
		Now:               now,
		ClockDrift:        v.ClockDrift,
		MinimumKeyBits:    v.MinimumKeyBits,
		MaximumKeyBits:    v.MaximumKeyBits,
		AllowSHA1:         v.AllowSHA1,
		MaximumSignatures: v.MaximumSignatures,
		Covered:           v.Minimum.covered(),
		MustBeSigned:      v.MustBeSigned,
		SingletonsSigned:  v.SingletonsSigned,
		Conditional:       v.Conditional,
	}
	if p.Trusted != nil {
		o.TrustFirst = p.trusts
	}
	if v.RequireBaseFields {
		o.MustBeSigned = append([]string{"From", "Subject", "Date"}, o.MustBeSigned...)
	}
	return o
}
