// Package statistics is the Statistics file of opendkim.conf(5): what it tells of a
// message, its writer and its reader, and libopendkim's numbers for what is wrong with a
// signature, which stand in it and which Lua scripts get.
package statistics

import (
	"time"

	"dojang/dkim"
)

// Message is what the Statistics file says of a message that was verified.
type Message struct {
	JobID      string
	Domain     string // the author's, as written
	Client     string // its address
	Received   time.Time
	BodyBytes  int64 // of the canonical body that were hashed
	Signatures int   // all that the message has
	ATPS       int   // 1 consent, 0 none, -1 not checked
	Spam       int   // 1 by a script's word, -1 not checked
	Each       []Signature
	Extra      []Figure // what the StatisticsPolicyScript adds
}

// Signature is one signature that was looked at.
type Signature struct {
	Domain      string
	Passed      bool // the header is as signed
	BodyChanged bool
	Length      int64 // l=; -1 without
	Error       int   // OpenDKIM's number
	DNSSEC      int   // 0 bogus, 1 insecure, 2 secure, -1 unknown
}

// Figure is a value of a script's.
type Figure struct{ Name, Value string }

// UnknownError is the number of what has none.
const UnknownError = -1

// ErrorNumber is libopendkim's number for a reason: DKIM_SIGERROR_* of its public header.
func ErrorNumber(reason dkim.Reason) int {
	if n, ok := errorNumbers[reason]; ok {
		return n
	}
	return UnknownError
}

// errorNumbers is never written to.
var errorNumbers = map[dkim.Reason]int{
	dkim.ReasonNone:                   0,
	dkim.ReasonVersion:                1,
	dkim.ReasonDomain:                 2,
	dkim.ReasonIdentityInvalid:        2,
	dkim.ReasonExpired:                3,
	dkim.ReasonFuture:                 4,
	dkim.ReasonTimestampOrder:         5,
	dkim.ReasonTimestamp:              5,
	dkim.ReasonHeaderCanonicalization: 7,
	dkim.ReasonBodyCanonicalization:   8,
	dkim.ReasonAlgorithmMissing:       9,
	dkim.ReasonAlgorithm:              10,
	dkim.ReasonSHA1:                   10,
	dkim.ReasonHeadersMissing:         11,
	dkim.ReasonLength:                 12,
	dkim.ReasonQueryMethod:            13,
	dkim.ReasonQueryOption:            14,
	dkim.ReasonDomainMissing:          15,
	dkim.ReasonDomainEmpty:            16,
	dkim.ReasonSelectorMissing:        17,
	dkim.ReasonSelectorEmpty:          18,
	dkim.ReasonSignatureMissing:       19,
	dkim.ReasonSignatureEmpty:         20,
	dkim.ReasonSignatureCorrupt:       21,
	dkim.ReasonKeyNotFound:            22,
	dkim.ReasonKeyReply:               23,
	dkim.ReasonKeySyntax:              23,
	dkim.ReasonKeyEmpty:               23,
	dkim.ReasonKeyMissing:             23,
	dkim.ReasonKeyQuery:               24,
	dkim.ReasonBodyHashMissing:        25,
	dkim.ReasonBodyHashEmpty:          26,
	dkim.ReasonBodyHashCorrupt:        27,
	dkim.ReasonBadSignature:           28,
	dkim.ReasonBodyHash:               28,
	dkim.ReasonSubdomain:              29,
	dkim.ReasonMultipleKeys:           30,
	dkim.ReasonHeadersEmpty:           31,
	dkim.ReasonHeadersRequired:        32,
	dkim.ReasonLengthTooLarge:         33,
	dkim.ReasonUnprotectedHeader:      34,
	dkim.ReasonKeyVersion:             35,
	dkim.ReasonKeyHashUnknown:         36,
	dkim.ReasonKeyHashMismatch:        37,
	dkim.ReasonNotEmailKey:            38,
	dkim.ReasonKeyTypeUnknown:         41,
	dkim.ReasonKeyTypeMismatch:        41,
	dkim.ReasonKeyRevoked:             42,
	dkim.ReasonKeyUnusable:            43,
	dkim.ReasonVersionMissing:         44,
	dkim.ReasonVersionEmpty:           45,
	dkim.ReasonKeyTooSmall:            46,
}
