// Package resolver looks up DNS records: keys for verification and whatever the
// tools and policies ask. It speaks to recursive name servers itself, caches what
// they answer, and with a trust anchor validates it (RFC 4033 to 4035, RFC 5155).
//
// Limits are fixed for every look-up: the number of aliases followed, the size of
// an answer, the queries and signatures one validation may cost, the sockets open at
// once. Nothing a name server sends can make a look-up outlive its context.
package resolver

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"dojang/dkim"
	"dojang/internal/problem"
)

// Security says what DNSSEC tells about an answer, in the words that verifying has for it.
type Security = dkim.Security

const (
	// SecurityUnknown: nobody that can be trusted said anything.
	SecurityUnknown = dkim.SecurityUnknown
	// Insecure: the zone is provably not signed, or the validating name server
	// did not set the AD bit.
	Insecure = dkim.Insecure
	// Secure: validated here, or by a name server whose AD bit may be trusted.
	Secure = dkim.Secure
	// Bogus: the zone is signed and the answer does not validate.
	Bogus = dkim.Bogus
)

// Answer is what a TXT look-up found.
type Answer struct {
	// Texts holds one element a record, the record's strings joined with nothing
	// between (RFC 6376 §3.6.2.2). It is shared with the cache: do not modify it.
	Texts []string
	// Security is the weakest of all records on the way, aliases included.
	Security Security
	// TTL is how long the answer may still be kept.
	TTL time.Duration
	// CNAMEs counts the aliases followed.
	CNAMEs int
	// FromCache tells that no name server was asked.
	FromCache bool
}

// Resolver finds what a message's verdict depends on. Every error is an *Error.
//
// It is one interface with all that is ever asked, none of it optional: whatever wraps
// a Resolver must pass everything on.
type Resolver interface {
	// LookupTXT finds the TXT records of a name. Texts may be present beside an error
	// of KindBogus, for those whose policy is to look at them nevertheless.
	LookupTXT(ctx context.Context, name string) (Answer, error)
	// Cached returns what LookupTXT would return without asking anybody; ok reports
	// whether there is such an answer.
	Cached(name string) (a Answer, ok bool, err error)
	// LookupA finds the IPv4 addresses of a host.
	LookupA(ctx context.Context, name string) ([]netip.Addr, error)
}

// Kind is the class of a look-up's failure.
type Kind uint8

const (
	KindNotFound  Kind = iota + 1 // the name does not exist (NXDOMAIN)
	KindNoData                    // the name exists without such a record
	KindTimeout                   // no answer in time
	KindServFail                  // the name server failed (SERVFAIL)
	KindRefused                   // the name server will not answer (REFUSED, NOTAUTH, a mere referral)
	KindMalformed                 // the answer cannot be parsed or is for another question
	KindLoop                      // aliases form a loop or a chain too long
	KindTooLarge                  // the answer exceeds Options.MaxAnswerBytes
	KindNetwork                   // the name server cannot be reached
	KindBogus                     // DNSSEC validation failed
	KindBadName                   // not a domain name
	KindCanceled                  // the caller gave up
	KindLocal                     // a file of this machine cannot be read
)

// String describes the kind in plain words.
func (k Kind) String() string {
	switch k {
	case KindNotFound:
		return "no such name"
	case KindNoData:
		return "no such record"
	case KindTimeout:
		return "no answer in time"
	case KindServFail:
		return "name server failure"
	case KindRefused:
		return "name server refused"
	case KindMalformed:
		return "malformed answer"
	case KindLoop:
		return "alias loop"
	case KindTooLarge:
		return "answer too large"
	case KindNetwork:
		return "name server unreachable"
	case KindBogus:
		return "DNSSEC validation failed"
	case KindBadName:
		return "not a domain name"
	case KindCanceled:
		return "look-up canceled"
	case KindLocal:
		return "local data unreadable"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Error is a look-up's failure.
type Error struct {
	Name   string // as it was asked for
	Kind   Kind
	Server string // the last name server asked, "" when none was
	Err    error  // more detail, may be nil
	// Security of a denial (KindNotFound, KindNoData): Secure when the
	// absence itself is proved.
	Security Security
}

// maxDetailBytes bounds what a cause says, for it may repeat what a server said.
const maxDetailBytes = 256

func (e *Error) Error() string {
	text := problem.Quote(e.Name) + ": " + e.Kind.String()
	if e.Err != nil {
		detail := e.Err.Error()
		text += ": " + detail[:min(len(detail), maxDetailBytes)]
	}
	if e.Server != "" {
		text += " (name server " + e.Server + ")"
	}
	return text
}

// Unwrap gives the cause, for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same look-up may succeed later. An alias loop, an
// oversized answer and a malformed name stay what they are.
func (e *Error) Temporary() bool {
	switch e.Kind {
	case KindNotFound, KindNoData, KindLoop, KindTooLarge, KindBadName:
		return false
	case KindTimeout, KindServFail, KindRefused, KindMalformed, KindNetwork, KindBogus, KindCanceled, KindLocal:
		return true
	}
	return true
}

// Timeout reports whether time was what lacked.
func (e *Error) Timeout() bool { return e.Kind == KindTimeout }

// NotFound reports whether the record is known not to exist.
func (e *Error) NotFound() bool { return e.Kind == KindNotFound || e.Kind == KindNoData }
