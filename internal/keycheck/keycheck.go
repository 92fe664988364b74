// Package keycheck finds out whether DNS publishes what signs: the record of a DKIM
// key as every authoritative server of its zone has it, at every address, held against
// the key expected there. It returns values and no text.
//
// Caches are not asked for a name before every authoritative server has it: a check
// made too early would else plant the answer "there is none", and mail would fail on
// it after the record is there.
package keycheck

import (
	"context"
	"crypto"
	"net/netip"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
)

// Options configures a Checker. The zero value asks by the system's resolver.
type Options struct {
	// Resolver is how zones and addresses are found, and the cache that is asked last.
	// Its Dial opens the sockets to authoritative servers as well.
	Resolver resolver.Options
	// Texts, when not nil, is asked for TXT records instead of DNS: a file of test
	// records. No server is asked then.
	Texts resolver.Resolver
	// Guard, when not nil, says which addresses of authoritative servers may be asked:
	// Global for a service that strangers use. Of a refused one nothing is told.
	Guard func(netip.Addr) bool
	// AskAnyway asks the resolver also when servers do not answer, as in networks that
	// let nobody ask them, or have another record than the one expected: for people at a
	// terminal, who need an answer, and never for a proof. A server without any record
	// forbids it in any case.
	AskAnyway bool
	// MaxQueries bounds what one check may ask, default 250.
	MaxQueries int
	// Time bounds one check, default 10 s, and TryTime one try at one server, default 2 s.
	Time, TryTime time.Duration
	// Now is the clock, default time.Now.
	Now func() time.Time
}

const (
	defaultMaxQueries = 250
	defaultTime       = 10 * time.Second
	defaultTryTime    = 2 * time.Second
	serverTries       = 2
)

// Checker checks keys. It is safe for concurrent use.
type Checker struct {
	options Options
	cache   resolver.Resolver // asked last
	dns     *resolver.DNS     // nil: Texts alone
	direct  *resolver.DNS     // asks authoritative servers
	tops    *topZones
}

// New checks the options. Errors are about the resolver's: addresses of name servers,
// the file of trust anchors.
func New(o Options) (*Checker, error) {
	o.MaxQueries = orDefault(o.MaxQueries, defaultMaxQueries)
	o.Time = orDefault(o.Time, defaultTime)
	o.TryTime = orDefault(o.TryTime, defaultTryTime)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Texts != nil {
		return &Checker{options: o, cache: o.Texts}, nil
	}
	recursive, err := resolver.New(o.Resolver)
	if err != nil {
		return nil, err
	}
	direct := o.Resolver
	direct.TrustAnchorFile, direct.CacheSize, direct.UseTCP = "", -1, false
	direct.Timeout, direct.Attempts = o.TryTime, serverTries
	direct.Dial = guarded(direct.Dial, o.Guard)
	d, err := resolver.New(direct)
	if err != nil {
		return nil, err
	}
	return &Checker{options: o, cache: recursive, dns: recursive, direct: d, tops: newTopZones()}, nil
}

func orDefault[T int | time.Duration](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}

// Check is one key to check.
type Check struct {
	Domain   string // U-labels may stand in it
	Selector string
	// Key is the public key that must be published, nil when any will do.
	Key crypto.PublicKey
	// Text is the record that must be published, to the letter, "" when any will do.
	Text string
	// Alias is the name that the record's must be an alias of, "" when it need not be one.
	Alias string
	// IgnoreServers are names or addresses of servers whose answers do not count.
	IgnoreServers []string
	// ResolverOnly asks the resolver alone and no authoritative server.
	ResolverOnly bool
	// Diagnose looks for a record that was put at another name, and for the key that
	// belongs to a record which does not fit.
	Diagnose bool
	// Others are keys among which the one is looked for that fits instead.
	Others []Other
	// Selectors are those that the key may belong to besides: what its file is called.
	Selectors []string
}

// Other is a key that may have been mistaken for the one checked.
type Other struct {
	Name, Place, Domain, Selector string
	Key                           func() (crypto.PublicKey, error)
}

// run is one check on its way.
type run struct {
	*Checker
	check  Check
	name   string // of the record
	domain string // A-labels, no final dot, lower case
	budget *budget
	report *Report
	steps  []*step
}

// Resolver is the resolver that is asked last, nil when Options.Texts takes its place.
func (c *Checker) Resolver() *resolver.DNS { return c.dns }

// Check checks one key. What could not be found out is in the report; there is no
// error besides.
func (c *Checker) Check(ctx context.Context, check Check) *Report {
	start := c.options.Now()
	ctx, cancel := context.WithTimeout(ctx, c.options.Time)
	defer cancel()
	r := &run{Checker: c, check: check, budget: newBudget(c.options.MaxQueries)}
	r.domain = keyrecord.Canonical(check.Domain)
	r.name = keyrecord.Canonical(check.Selector) + "._domainkey." + r.domain
	r.report = &Report{Domain: check.Domain, Selector: check.Selector, Record: r.name, DNSSEC: "unknown",
		Publication: Unknown, CheckedAt: start, Texts: []Text{}}
	r.work(ctx)
	r.report.Queries = r.budget.used()
	r.report.TookSeconds = c.options.Now().Sub(start).Seconds()
	return r.report
}

func (r *run) work(ctx context.Context) {
	if err := checkNames(r.check.Selector, r.check.Domain, r.name); err != nil {
		r.report.Lookup, r.report.Err = BadName, err
		r.fault(keyrecord.FaultSyntax, true, "record", r.name)
		return
	}
	if r.dns == nil || r.check.ResolverOnly {
		r.askCache(ctx)
		r.judgeCacheAlone()
	} else {
		r.follow(ctx)
		r.judgeServers()
		if r.mayAskCache() {
			r.askCache(ctx)
		}
		r.judge()
		r.findWildcard(ctx)
	}
	if r.check.Diagnose && !r.report.OK {
		r.findCause(ctx)
	}
}

// fault adds a fault; args are names and values in turn.
func (r *run) fault(code string, fatal bool, args ...string) {
	r.report.Faults = append(r.report.Faults, keyrecord.NewFault(code, fatal, args...))
	if fatal {
		r.report.OK = false
	}
}
