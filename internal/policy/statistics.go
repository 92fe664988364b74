package policy

import (
	"dojang/authres"
	"dojang/dkim"
	"dojang/internal/statistics"
)

// statisticsOf is the record of a message.
func statisticsOf(f *Facts, p *Plan, v *Verdict, judged []judgement, atps *authres.Method) *statistics.Message {
	s := &statistics.Message{JobID: f.JobID, Domain: p.Author.Domain, Client: f.ClientAddr.String(),
		Received: v.Now, Signatures: len(judged), ATPS: -1, Spam: -1}
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
		one := statistics.Signature{Domain: j.Signature.Domain, Error: statistics.ErrorNumber(j.Reason), DNSSEC: -1}
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
		case dkim.SecurityUnknown:
		}
		s.Each = append(s.Each, one)
	}
	return s
}

// hashedLength is how much of the canonical body a signature covers; ok is false
// for one that was not compared with it.
func hashedLength(j *judgement) (n int64, ok bool) {
	if j.Signature.BodyHash == nil || j.Reason == dkim.ReasonExpired || j.Reason == dkim.ReasonFuture {
		return 0, false
	}
	n = j.CanonicalBodyLength
	if l := j.Signature.Length; l >= 0 {
		n = min(n, l)
	}
	return n, true
}
