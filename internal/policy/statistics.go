package policy

import (
	"time"

	"dojang/authres"
	"dojang/dkim"
)

// Statistics is what the Statistics file says of a message that was verified.
type Statistics struct {
	JobID      string
	Domain     string // the author's, as written
	Client     string // its address
	Received   time.Time
	BodyBytes  int64 // of the canonical body that were hashed
	Signatures int   // all that the message has
	ATPS       int   // 1 consent, 0 none, -1 not checked
	Spam       int   // 1 by a script's word, -1 not checked
	Each       []SignatureStatistics
	Extra      []Statistic // what the StatisticsPolicyScript adds
}

// SignatureStatistics is one signature that was looked at.
type SignatureStatistics struct {
	Domain      string
	Passed      bool // the header is as signed
	BodyChanged bool
	Length      int64 // l=; -1 without
	Error       int   // OpenDKIM's number
	DNSSEC      int   // 0 bogus, 1 insecure, 2 secure, -1 unknown
}

// statistics is the record of a message.
func statistics(f *Facts, p *Plan, v *Verdict, judged []Judged, atps *authres.Method) *Statistics {
	s := &Statistics{JobID: f.JobID, Domain: p.Author.Domain, Client: f.ClientAddr.String(), Received: v.Now, Signatures: len(judged), ATPS: -1, Spam: -1}
	if p.Scripted != nil && p.Scripted.Spam {
		s.Spam = 1
	}
	if atps != nil {
		switch atps.Result {
		case "pass":
			s.ATPS = 1
		case "fail":
			s.ATPS = 0
		}
	}
	if p.Scripted != nil {
		s.Extra = p.Scripted.Statistics
	}
	for i := range judged {
		j := &judged[i]
		if j.Reason == dkim.ReasonTooManySignatures {
			continue
		}
		one := SignatureStatistics{Domain: j.Signature.Domain, Error: errorNumber(j.Reason), DNSSEC: -1}
		if hashed, ok := hashedLength(j); ok {
			one.Passed, one.Length = j.HeaderOK, j.Signature.Length
			one.BodyChanged = j.HeaderOK && !j.BodyOK
			if len(s.Each) == 0 {
				s.BodyBytes = hashed
			}
		}
		switch j.Security {
		case dkim.Bogus:
			one.DNSSEC = 0
		case dkim.Insecure:
			one.DNSSEC = 1
		case dkim.Secure:
			one.DNSSEC = 2
		}
		s.Each = append(s.Each, one)
	}
	return s
}

// hashedLength is how much of the canonical body a signature covers; ok is false
// for one that was not compared with it.
func hashedLength(j *Judged) (n int64, ok bool) {
	if j.Signature.BodyHash == nil || j.Reason == dkim.ReasonExpired || j.Reason == dkim.ReasonFuture {
		return 0, false
	}
	n = j.CanonicalBodyLength
	if l := j.Signature.Length; l >= 0 {
		n = min(n, l)
	}
	return n, true
}

// errorNumber is libopendkim's number for a reason (DKIM_SIGERROR_* in its
// public header).
func errorNumber(reason dkim.Reason) int {
	if n, ok := errorNumbers[reason]; ok {
		return n
	}
	return -1 // unknown
}

// errorNumbers is never written to.
var errorNumbers = map[dkim.Reason]int{
	dkim.ReasonNone: 0, dkim.ReasonVersion: 1, dkim.ReasonDomain: 2, dkim.ReasonExpired: 3, dkim.ReasonFuture: 4, dkim.ReasonTimestampOrder: 5,
	dkim.ReasonHeaderCanonicalization: 7, dkim.ReasonBodyCanonicalization: 8, dkim.ReasonAlgorithmMissing: 9, dkim.ReasonAlgorithm: 10,
	dkim.ReasonHeadersMissing: 11, dkim.ReasonLength: 12, dkim.ReasonQueryMethod: 13, dkim.ReasonQueryOption: 14, dkim.ReasonDomainMissing: 15,
	dkim.ReasonDomainEmpty: 16, dkim.ReasonSelectorMissing: 17, dkim.ReasonSelectorEmpty: 18, dkim.ReasonSignatureMissing: 19,
	dkim.ReasonSignatureEmpty: 20, dkim.ReasonSignatureCorrupt: 21, dkim.ReasonKeyNotFound: 22, dkim.ReasonKeyReply: 23, dkim.ReasonKeyQuery: 24,
	dkim.ReasonBodyHashMissing: 25, dkim.ReasonBodyHashEmpty: 26, dkim.ReasonBodyHashCorrupt: 27, dkim.ReasonBadSignature: 28, dkim.ReasonBodyHash: 28,
	dkim.ReasonSubdomain: 29, dkim.ReasonMultipleKeys: 30, dkim.ReasonHeadersEmpty: 31, dkim.ReasonHeadersRequired: 32, dkim.ReasonLengthTooLarge: 33,
	dkim.ReasonUnprotectedHeader: 34, dkim.ReasonKeyVersion: 35, dkim.ReasonKeyHashUnknown: 36, dkim.ReasonKeyHashMismatch: 37,
	dkim.ReasonNotEmailKey: 38, dkim.ReasonKeyTypeUnknown: 41, dkim.ReasonKeyRevoked: 42, dkim.ReasonKeyUnusable: 43,
	dkim.ReasonVersionMissing: 44, dkim.ReasonVersionEmpty: 45, dkim.ReasonKeyTooSmall: 46,
}
