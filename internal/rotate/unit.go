// Package rotate gives keys a life: made, published, proven at every name server,
// signing, resting, revoked, gone. It decides from what is (DNS, tables, files) and
// remembers only what was begun and when; whatever fails, mail goes on being signed
// by the old key.
package rotate

import (
	"slices"
	"time"

	"dojang/internal/keycheck"
)

// State is where a key is in its life.
type State string

// The states, in their order.
const (
	Made      State = "made"      // the key file is there
	Asked     State = "asked"     // the publisher was asked, or is about to be
	Proven    State = "proven"    // every name server has the record; caches may not
	Ready     State = "ready"     // no cache can have another answer
	Switching State = "switching" // the row is being written, or the filters read it
	Signing   State = "signing"
	Resting   State = "resting"  // a successor signs; mail signed by this one is on its way
	Revoking  State = "revoking" // the record is about to say p=
	Revoked   State = "revoked"
	Removing  State = "removing" // the record is about to go
	Gone      State = "gone"
	Aborted   State = "aborted" // never signed; its record is about to go
	// BlockedState is told in place of the others where a unit is Blocked.
	BlockedState State = "blocked"
	// Unmanaged is told of rows that nobody adopted.
	Unmanaged State = "unmanaged"
)

// States are those that `dojang keys` tells.
func States() []State {
	return []State{Unmanaged, Made, Asked, Proven, Ready, Switching, Signing, Resting, Revoking, Revoked, Removing, Aborted, BlockedState}
}

// Reason says why a unit does not go on.
type Reason string

// The reasons. Those about records are keycheck's words.
const (
	NotPublished     = Reason(keycheck.NotPublished)
	ServerDiffers    = Reason(keycheck.ServerDiffers)
	ServerSilent     = Reason(keycheck.ServerSilent)
	ServerUnsigned   = Reason(keycheck.ServerUnsigned)
	Conflict         = Reason(keycheck.Conflict)
	AliasMissing     = Reason(keycheck.AliasMissing)
	EditedByHand     = Reason("edited-by-hand")
	ReloadRefused    = Reason("reload-refused")
	HostSilent       = Reason("host-silent")
	HostLags         = Reason("host-lags")
	Refused          = Reason("refused")
	RateLimited      = Reason("rate-limited")
	SharedRow        = Reason("shared-row")
	CannotWriteTable = Reason("cannot-write-table")
	WaitsForHand     = Reason("manual") // a person was told what to do
)

// Blocked is why a unit does not go on, and since when.
type Blocked struct {
	Reason Reason    `json:"reason"`
	Detail string    `json:"detail"`
	Since  time.Time `json:"since"`
	Told   time.Time `json:"told,omitzero"` // last, to whoever reads what runs print
}

// reminder is how often people are told of what still waits for them.
const reminder = 7 * 24 * time.Hour

// tell reports whether it is to be told now: at first, and once a week.
func (b *Blocked) tell(now time.Time) bool {
	if !b.Told.IsZero() && now.Sub(b.Told) < reminder && !now.Before(b.Told) {
		return false
	}
	b.Told = now
	return true
}

// Record is a published record, or one that shall be.
type Record struct {
	Domain    string `json:"domain"`          // whose mail it verifies
	Name      string `json:"name"`            // SELECTOR._domainkey.DOMAIN
	At        string `json:"at,omitempty"`    // where it stands, when Name is an alias of that
	Zone      string `json:"zone,omitempty"`  // that it stands in, by its SOA
	Publisher string `json:"publisher"`       // "" is by hand
	Text      string `json:"text"`            // what stands there, or shall
	Done      bool   `json:"done"`            // the publisher says so
	PriorTTL  int64  `json:"prior,omitempty"` // seconds that caches may keep what was there before
	TTL       int64  `json:"ttl,omitempty"`   // seconds, the greatest that a server had for it
	Told      string `json:"told,omitempty"`  // to a person: which change
	// ToldAt is when; after a week the person is reminded.
	ToldAt  time.Time `json:"told_at,omitzero"`
	Strings []string  `json:"strings,omitempty"`

	said string // by its publisher in this run, when that was neither yes nor no
}

// place is where the record itself stands.
func (r *Record) place() string {
	if r.At != "" {
		return r.At
	}
	return r.Name
}

// Key is one key of a generation: it takes the place of one row.
type Key struct {
	Row      string   `json:"row"`      // in the KeyTable; "" is opendkim.conf's
	Domain   string   `json:"domain"`   // as the row has it
	Selector string   `json:"selector"` // s=
	Type     string   `json:"type"`     // rsa or ed25519
	Bits     int      `json:"bits"`
	Path     string   `json:"path"`             // "" for a key that stands in its row
	Pending  string   `json:"pending"`          // where such a key waits for its row
	OldHash  string   `json:"old_hash"`         // of the row that it replaces; see rowHash
	Old      []string `json:"old,omitempty"`    // the values of that row, unless a key stands in it
	Records  []Record `json:"records"`          // one for each domain
	Public   string   `json:"public,omitempty"` // p= of the record
}

// Generation is the keys that sign together, and then no more.
type Generation struct {
	State   State     `json:"state"`
	Since   time.Time `json:"since"`
	Created time.Time `json:"created"`
	Keys    []Key     `json:"keys"`
	Proofs  int       `json:"proofs"` // in a row
	// Pause is the time from one proof to the next.
	Pause wait `json:"pause,omitzero"`
	Wait  wait `json:"wait"`
	// Uses is what each host said last of its use of these keys.
	Uses    map[string]Use `json:"uses,omitempty"`
	KeyGone bool           `json:"key_gone,omitempty"` // the private key was deleted
	// Emergency: proven once, no wait; KeepOld is for its predecessor then. Of a
	// predecessor it says that it goes without regard to its last use.
	Emergency bool          `json:"emergency,omitempty"`
	KeepOld   time.Duration `json:"keep_old,omitempty"`
	// Fresh has no predecessor: rows are added.
	Fresh   bool     `json:"fresh,omitempty"`
	Blocked *Blocked `json:"blocked,omitempty"`

	begun     bool // in this run
	provenNow bool // in this run, since rows may have to be written
	refused   bool // by the filter, in this run
}

// recordNames are the names of a generation's records; of keys that have none yet, of those
// that they will have.
func (g *Generation) recordNames() (names []string) {
	for _, k := range g.Keys {
		if len(k.Records) == 0 {
			names = append(names, recordName(k.Selector, k.Domain))
		}
		for _, r := range k.Records {
			names = append(names, r.Name)
		}
	}
	return names
}

// Use is a host's use of the keys of a generation.
type Use struct {
	Last  time.Time `json:"last,omitzero"`
	Total uint64    `json:"total"` // signatures
}

// Unit is what changes as one: the keys of one domain, or a row that signs for
// several. One without generations is of a domain that left: it keeps its selectors
// from being used again.
type Unit struct {
	Name        string        `json:"name"` // the domain, or the Group's row
	Domains     []string      `json:"domains"`
	Generations []*Generation `json:"generations"` // the oldest first
	Stopped     bool          `json:"stopped,omitempty"`
	Leaving     bool          `json:"leaving,omitempty"` // its rows are being taken out
	Used        []string      `json:"used,omitempty"`    // selectors that must not come again
	// Slots are ring selectors that were in use, and the wait until they may be again.
	Slots   map[string]*wait `json:"slots,omitempty"`
	Adopted time.Time        `json:"adopted"`
	// NotBefore is when keys are made by themselves again, after some were given up.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Checked is when the records of the keys that sign were looked at last, Missing
	// what was wrong with them then.
	Checked time.Time `json:"checked,omitzero"`
	Missing *Blocked  `json:"missing,omitempty"`

	changed bool // since it was read
	retry   bool // a due step could not be done
	acted   bool // something was done
	begun   bool // its emergency
}

// find returns the generation in one of the states, the newest first; nil for none.
func (u *Unit) find(states ...State) *Generation {
	for _, g := range slices.Backward(u.Generations) {
		if slices.Contains(states, g.State) {
			return g
		}
	}
	return nil
}

// signing is the generation that signs.
func (u *Unit) signing() *Generation { return u.find(Signing) }

// next is the generation that shall sign.
func (u *Unit) next() *Generation { return u.find(Made, Asked, Proven, Ready, Switching) }

// idle reports whether nothing of the unit waits for anything but its next key.
func (u *Unit) idle() bool {
	if len(u.Slots) > 0 || len(u.Generations) > 1 {
		return false
	}
	return len(u.Generations) == 0 || u.Generations[0].State == Signing && u.Generations[0].Blocked == nil && !u.Leaving
}

// blocked is why the unit does not go on, nil when it does.
func (u *Unit) blocked() *Blocked {
	for _, g := range slices.Backward(u.Generations) {
		if g.Blocked != nil {
			return g.Blocked
		}
	}
	return nil
}

// block sets why a generation does not go on; the same reason keeps its time.
func (u *Unit) block(g *Generation, now time.Time, reason Reason, detail string) {
	if b := g.Blocked; b != nil && b.Reason == reason {
		u.changed = u.changed || b.Detail != detail
		b.Detail = detail
		return
	}
	g.Blocked, u.changed = &Blocked{Reason: reason, Detail: detail, Since: now}, true
}

// goOn forgets a reason that is no more; without reasons, any.
func (u *Unit) goOn(g *Generation, reasons ...Reason) {
	if g.Blocked != nil && (len(reasons) == 0 || slices.Contains(reasons, g.Blocked.Reason)) {
		g.Blocked, u.changed = nil, true
	}
}

// remove takes a generation out.
func (u *Unit) remove(g *Generation) {
	u.Generations = slices.DeleteFunc(u.Generations, func(other *Generation) bool { return other == g })
	u.changed = true
}
