package policy

import (
	"context"
	"net/netip"

	"dojang/internal/dataset"
)

// HostMatcher answers whether a client is in a host set (PeerList,
// InternalHosts, ExternalIgnoreList).
type HostMatcher interface {
	Match(ctx context.Context, name string, addr netip.Addr) (bool, error)
}

// Rules are the options and tables that Plan and Outcome obey, each under the
// name of its option in opendkim.conf(5). They do not change.
type Rules struct {
	Sign, Verify bool // Mode

	Authors
	Origin
	Keys
	Malformed
	ExemptDomains      dataset.Set
	DontSignMailTo     dataset.Set
	RequireSenderMatch SenderMatch
	Resign             Resign

	// ConditionalSignatures are recipients' domains whose own signature makes a
	// weak one of ours count.
	ConditionalSignatures dataset.Set

	Signing  Signing // how it is signed
	Verdicts Verdicts
	Results  AuthResults
	Scripts  *Scripts // nil when there are none
	Reports  Reports
	ATPS     ATPS
	VBR      VBR
	Limits   []Limiter // RateLimits, Reputation*; each message asks them in this order
}

// Malformed are the options about mail that breaks the rules of RFC 5322.
type Malformed struct {
	RequiredHeaders     bool
	StrictHeaders       bool
	IgnoreMalformedMail bool
	WeakSyntaxChecks    bool
}
