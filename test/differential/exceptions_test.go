package differential

import (
	"errors"
	"regexp"
	"strings"

	"dojang/dkim"
)

// The classes of differences that are meant. docs/differences.md names the same.
const (
	openEnd     = "relaxed body without a line end at its end (RFC 6376 3.4.4)"
	noTagList   = "signature that is no tag list or lacks a tag (RFC 6376 6.1.1)"
	wrongSyntax = "signature with a syntax error that its hash shows too (RFC 6376 3.2, 6.1.1)"
	badRecord   = "key record with a syntax error: permanent (RFC 6376 6.1.2)"
	laxRecord   = "key record with a tag twice, v= not first, or a name that is none (RFC 6376 3.2, 3.6.1)"
	otherKind   = "key of another kind than k= or a= says (RFC 6376 6.1.2, RFC 8463 4)"
	splitWord   = "blank within a word of a key record (RFC 6376 3.2)"
	whichFault  = "two faults: another is told (RFC 6376 6.1)"
)

// exception names the class of a difference that is meant, "" for one that is
// not. Where we pass what opendkim does not, one class alone will do.
func exception(s *specimen, theirs, ours string) string {
	if s.isOpenEnded() && (theirs == "none" || theirs == "fail") {
		return openEnd
	}
	if ours == "pass" || theirs == "dead" {
		return ""
	}
	signature, sigErr := dkim.ParseSignature([]byte(s.signature))
	record, recordErr := dkim.ParseKeyRecord(s.record)
	kindDiffers := recordErr == nil && sigErr == nil && record.Type != signature.Algorithm.KeyType()
	switch {
	case theirs == "none":
		if sigErr != nil || s.wasDone(`^signature with [xt]="\d{20,}"`) {
			return noTagList
		}
	case theirs == "pass":
		switch {
		case errors.Is(recordErr, dkim.ReasonKeySyntax):
			return laxRecord
		case s.wasDone(`^record: "[ \\t]+" before|^record: octet .* becomes ' '|^record: octet .* becomes '\\t'`):
			return splitWord
		case errors.Is(recordErr, dkim.ReasonKeyVersion) && strings.Contains(s.record, "v=DKIM1"):
			return laxRecord
		case kindDiffers, errors.Is(recordErr, dkim.ReasonKeyUnusable):
			return otherKind
		}
	case theirs == "temperror" && ours == "permerror":
		if recordErr != nil {
			return badRecord
		}
	case sigErr != nil && ours == "permerror":
		return wrongSyntax
	case recordErr != nil && ours == "permerror":
		return badRecord
	case kindDiffers && ours == "permerror":
		return otherKind
	case len(s.done) > 0 && sound(theirs) && sound(ours):
		return whichFault
	}
	return ""
}

// sound is a word that says a signature is not right.
func sound(word string) bool {
	return word == "fail" || word == "permerror" || word == "policy" || word == "neutral" || word == "temperror"
}

var relaxedBody = regexp.MustCompile(`(?i)(^|[;\s])c\s*=\s*[a-z]+\s*/\s*relaxed`)

// isOpenEnded reports whether the last line of a body that is canonicalized
// relaxed has no end.
func (s *specimen) isOpenEnded() bool {
	return s.body != "" && !strings.HasSuffix(s.body, "\r\n") && relaxedBody.MatchString(s.signature)
}

func (s *specimen) wasDone(pattern string) bool {
	for _, d := range s.done {
		if regexp.MustCompile(pattern).MatchString(d) {
			return true
		}
	}
	return false
}
