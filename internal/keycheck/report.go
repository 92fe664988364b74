package keycheck

import (
	"time"

	"dojang/dkim"
	"dojang/internal/keyrecord"
)

// Publication is the one word for what the authoritative servers say of the record.
type Publication string

// The words of Report.Publication.
const (
	Published      Publication = "published"      // every server has it
	NotPublished   Publication = "not-published"  // no server that answers has a record
	Conflict       Publication = "conflict"       // they all have another record than the one expected
	ServerDiffers  Publication = "server-differs" // some servers have it and others have not, or have another
	ServerSilent   Publication = "server-silent"  // a server gives no answer of its own
	ServerUnsigned Publication = "server-unsigned"
	AliasMissing   Publication = "alias-missing" // the alias expected at the name is not there
	Unknown        Publication = "unknown"       // nobody could be asked
)

// Lookup is how the look-up of the record ended, whoever answered it.
type Lookup string

// The words of Report.Lookup.
const (
	Found    Lookup = "found"
	Absent   Lookup = "absent"   // the name or its TXT record does not exist
	TimedOut Lookup = "timeout"  // nobody answers
	Failed   Lookup = "failed"   // an answer that is none
	Looped   Lookup = "loop"     // CNAMEs go in circles or too far
	Forged   Lookup = "bogus"    // DNSSEC validation fails
	BadName  Lookup = "bad-name" // selector or domain cannot stand in DNS
)

// Report is what came of one check. Names are without the final dot, in A-labels.
type Report struct {
	Domain   string `json:"domain"` // as it was given
	Selector string `json:"selector"`
	Record   string `json:"record"` // the name of the TXT record
	// OK: verifiers can use the record, and every server that answers has the one
	// expected. Publication says whether all of them do.
	OK          bool        `json:"ok"`
	Publication Publication `json:"publication"`
	Lookup      Lookup      `json:"lookup"`

	// Texts are the TXT records found: of all servers where they agree, else those
	// of the servers that have what is expected, else of most.
	Texts      []Text `json:"texts"`
	TTLSeconds int64  `json:"ttl_seconds,omitempty"`
	Tags       []Tag  `json:"tags,omitempty"` // of the record, when there is one alone
	KeyType    string `json:"key_type,omitempty"`
	Bits       int    `json:"bits,omitempty"`

	Aliases []Alias  `json:"aliases,omitempty"` // the way to the record, in order
	Zone    Zone     `json:"zone"`              // where the record itself lies
	Servers []Server `json:"servers,omitempty"` // of that zone, one for each address
	Cache   *Cache   `json:"cache,omitempty"`   // what the resolver says; nil when it was not asked
	DNSSEC  string   `json:"dnssec"`            // secure, insecure, bogus, unknown
	Link    *Link    `json:"dnssec_link,omitempty"`

	Faults []keyrecord.Fault `json:"faults,omitempty"`

	CheckedAt   time.Time `json:"checked_at"`
	TookSeconds float64   `json:"took_seconds"`
	Queries     int       `json:"queries"`

	Key    *dkim.KeyRecord `json:"-"` // what could be read of the record, nil without one
	Reason dkim.Reason     `json:"-"` // why Key cannot be used
	Err    error           `json:"-"` // the resolver's error, when it had the word
}

// Text is one TXT record.
type Text struct {
	Text    string   `json:"text"`              // its strings joined (RFC 6376 §3.6.2.2)
	Strings []string `json:"strings,omitempty"` // as they came; nil from a resolver that keeps them joined
	Cut     bool     `json:"cut,omitempty"`     // longer than what is kept of it
}

// Tag is one tag of a key record (RFC 6376 §3.6.1), of those that a record can have.
type Tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Set   bool   `json:"set"` // else the value is the default
}

// Zone is a zone on the way to the record.
type Zone struct {
	Name string `json:"name"` // by its SOA record
	// ParentNS are the servers that the parent zone delegates to, ChildNS those that
	// the zone names itself. Parent is the parent's zone, "" when it was not reached.
	Parent   string   `json:"parent,omitempty"`
	ParentNS []string `json:"parent_ns,omitempty"`
	ChildNS  []string `json:"child_ns,omitempty"`
	// Signed: the parent has a DS record; nil when it could not be asked.
	Signed *bool `json:"signed,omitempty"`
	// MinimumSeconds is the greatest SOA minimum of any server: absences are kept so long.
	MinimumSeconds int64 `json:"soa_minimum_seconds,omitempty"`
	// MinimumUntold: a server that answers for the zone does not tell its SOA record.
	MinimumUntold bool `json:"soa_minimum_untold,omitempty"`
}

// Alias is a CNAME (or DNAME) on the way.
type Alias struct {
	Name       string   `json:"name"`
	Target     string   `json:"target"`
	Type       string   `json:"type"` // CNAME or DNAME
	TTLSeconds int64    `json:"ttl_seconds"`
	Zone       Zone     `json:"zone"`
	Servers    []Server `json:"servers,omitempty"`
}

// State is how a server's answer stands to what is expected, or to that of the others.
type State string

// The words of Server.State.
const (
	Same     State = "same"
	Differs  State = "differs"
	Missing  State = "absent"
	NoAnswer State = "no-answer" // see Server.Error
)

// ErrorClass says why a server gave no answer of its own.
type ErrorClass string

// The words of Server.Error.
const (
	ErrSilent           ErrorClass = "silent"            // no answer in time
	ErrUnreachable      ErrorClass = "unreachable"       // the packet was refused on its way or there
	ErrNoRoute          ErrorClass = "no-route"          // this host has no way to such addresses (IPv6)
	ErrRefused          ErrorClass = "refused"           // REFUSED or NOTAUTH
	ErrFailure          ErrorClass = "failure"           // SERVFAIL or another code
	ErrNotAuthoritative ErrorClass = "not-authoritative" // without AA: from a cache, or a referral
	ErrMalformed        ErrorClass = "malformed"         // cannot be read
	ErrNoAddress        ErrorClass = "no-address"        // its name has no address
	ErrForbidden        ErrorClass = "forbidden"         // the guard does not let it be asked
	ErrLimit            ErrorClass = "limit"             // the check's queries or its time are used up
)

// Server is the answer of a name server at one address.
type Server struct {
	Name    string     `json:"name"`
	Address string     `json:"address,omitempty"`
	State   State      `json:"state"`
	Error   ErrorClass `json:"error,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	// Ignored is shown and not counted: by IgnoreServers, or at an address that this host
	// has no way to while it has one to another of the same server.
	Ignored bool `json:"ignored,omitempty"`

	Texts      []Text `json:"texts,omitempty"`
	Alias      string `json:"alias,omitempty"` // it has a CNAME to this name there
	TTLSeconds *int64 `json:"ttl_seconds,omitempty"`

	SOASerial         *uint32 `json:"soa_serial,omitempty"`
	SOAMinimumSeconds *int64  `json:"soa_minimum_seconds,omitempty"`

	Signature        Signature  `json:"signature,omitempty"`
	SignatureExpires *time.Time `json:"signature_expires,omitempty"`
	TookSeconds      float64    `json:"took_seconds"`

	aliasType string
}

// String names the server and its address.
func (s Server) String() string {
	if s.Address == "" {
		return s.Name
	}
	return s.Name + " (" + s.Address + ")"
}

// Signature is how the RRSIG of a server's answer stands, "" when the zone is not signed.
type Signature string

// The words of Server.Signature.
const (
	SignatureValid   Signature = "valid"
	SignatureMissing Signature = "missing"
	SignatureExpired Signature = "expired"
	SignatureEnding  Signature = "ending" // valid, but not for a day any more
	SignatureFuture  Signature = "not-yet-valid"
	SignatureWrong   Signature = "wrong" // fits no key of the zone
	// SignatureUntrusted: the zone's keys are not those that the parent names, or not signed.
	SignatureUntrusted Signature = "untrusted"
)

// Cache is what the resolver says of the record.
type Cache struct {
	Texts      []Text `json:"texts,omitempty"`
	TTLSeconds int64  `json:"ttl_seconds,omitempty"` // how long the answer is still kept
	Aliases    int    `json:"aliases,omitempty"`
	State      State  `json:"state"`
	Detail     string `json:"detail,omitempty"`
	DNSSEC     string `json:"dnssec"`
}

// Link is where the chain of trust breaks.
type Link struct {
	Zone   string `json:"zone,omitempty"`
	Type   string `json:"type"` // DS, DNSKEY, RRSIG; "" when only the resolver's word is known
	Detail string `json:"detail,omitempty"`
}
