package policy

import (
	"context"
	"net/netip"
	"time"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// HostMatcher answers whether a client is in a host set (PeerList,
// InternalHosts, ExternalIgnoreList).
type HostMatcher interface {
	Match(ctx context.Context, name string, addr netip.Addr) (bool, error)
}

// KeySource gives signing keys by their KeyTable name. senderDomain replaces
// "%" in the row.
type KeySource interface {
	Key(ctx context.Context, name, senderDomain string) (*keystore.SigningKey, error)
}

// Rules are the options and tables that Plan and Outcome obey, each under the
// name of its option in opendkim.conf(5). They do not change.
type Rules struct {
	Sign, Verify bool // Mode

	// Who the author is.
	SenderHeaders []string // default From
	SenderMacro   string   // as configured, with braces or without
	DefaultSender string   // address taken when none is found

	// Whose mail is signed.
	InternalHosts      HostMatcher
	ExternalIgnoreList HostMatcher
	MTA                dataset.Set
	MacroList          []MacroRule
	POPDBFile          dataset.Set
	ExemptDomains      dataset.Set
	DontSignMailTo     dataset.Set
	RequireSenderMatch SenderMatch

	// Which keys sign it: the tables, or else one key for Domain.
	KeyTable           KeySource
	SigningTable       dataset.Set
	MultipleSignatures bool
	Domain             dataset.Set
	SubDomains         bool
	DefaultKey         *keystore.SigningKey // of KeyFile; its Domain is replaced by the one found in Domain
	ResignMailTo       dataset.Set
	ResignAll          bool

	// ConditionalSignatures are recipients' domains whose own signature makes a
	// weak one of ours count.
	ConditionalSignatures dataset.Set

	// How it is signed.
	Signing Signing

	// Malformed mail.
	RequiredHeaders     bool
	StrictHeaders       bool
	IgnoreMalformedMail bool
	WeakSyntaxChecks    bool

	Verdicts Verdicts
	Results  AuthResults
	Scripts  *Scripts // nil when there are none
	Reports  Reports
	ATPS     ATPS
	VBR      VBR

	Reputation Reputation
}

// MacroRule is one row of MacroList: the macro must be set, and to one of
// Values when there are any.
type MacroRule struct {
	Name   string // without braces
	Values []string
}

// Signing holds the form of our signatures.
type Signing struct {
	HeaderCanonicalization       dkim.Canonicalization
	BodyCanonicalization         dkim.Canonicalization
	SelectCanonicalizationHeader string
	SignatureAlgorithm           dkim.Algorithm // 0: the key's; one that does not fit the key is ignored
	SignHeaders, OversignHeaders *dkim.HeaderSet
	OmitHeaders                  *dkim.HeaderSet
	SignatureTTL                 time.Duration
	MaximumSignedBytes           int64 // 0: no limit
	BodyLengthDB                 dataset.Set
	Diagnostics                  bool
	RequestReports               bool
	RemoveOldSignatures          bool
	IdentityHeader               string
	IdentityHeaderRemove         bool
	ReplaceRules                 []ReplaceRule
	ReplaceHeaders               []string // fields that ReplaceRules touch; none: all
}
