package dkim

import (
	"errors"
	"strings"
)

// Conditional signatures (draft-levine-dkim-conditional, experimental): a weak
// signature that counts only when the domain named in its !cd= has signed the
// message too, so that a mailing list may change what the author signed.
//
// A tag whose name begins with "!" must be understood by the verifier, and such
// tags make it version 2: those who know version 1 alone refuse it.

// readVersion2 reads what version 2 adds. Any other tag that must be understood
// makes the signature unusable.
func (s *Signature) readVersion2() Reason {
	for _, t := range s.Tags.Tags() {
		if strings.HasPrefix(t.Name, "!") && t.Name != "!cd" {
			return ReasonVersion
		}
	}
	s.Condition = string(s.Tags.Value("!cd"))
	if !ValidDomain(s.Condition) {
		return ReasonVersion
	}
	return ReasonNone
}

var errMandatoryTag = errors.New("a tag that must be understood, unknown to version 1,")

// hasMandatoryTags reports whether a tag must be understood, which is for version
// 2 alone.
func (s *Signature) hasMandatoryTags() bool {
	for _, t := range s.Tags.Tags() {
		if strings.HasPrefix(t.Name, "!") {
			return true
		}
	}
	return false
}

// applyConditions takes the pass from conditional signatures whose condition is
// not met. A conditional signature meets no other's condition.
func applyConditions(results []Result) {
	for i := range results {
		r := &results[i]
		if r.Signature.Condition == "" || r.Reason != ReasonNone {
			continue
		}
		met := false
		for j := range results {
			o := &results[j]
			met = met || o.Reason == ReasonNone && o.Signature.Condition == "" && sameName(o.Signature.Domain, r.Signature.Condition)
		}
		if !met {
			r.Reason, r.Status = ReasonCondition, ReasonCondition.Status()
		}
	}
}

func sameName(a, b string) bool {
	x, ok1 := ToASCII(a)
	y, ok2 := ToASCII(b)
	return ok1 && ok2 && x == y
}
