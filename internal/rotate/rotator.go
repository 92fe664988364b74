package rotate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/keycheck"
	"dojang/internal/keystore"
	"dojang/internal/publish"
	"dojang/internal/rotate/settings"
	"dojang/internal/status"
)

// Checker asks name servers: keycheck.Checker.
type Checker interface {
	Check(ctx context.Context, c keycheck.Check) *keycheck.Report
}

// Table is a KeyTable or SigningTable.
type Table struct {
	Spec string // as opendkim.conf names it
	Set  dataset.Set
	// Swap changes its rows; nil where that is for a person to do.
	Swap dataset.Swapper
}

// Filter is the filter that signs with the keys.
type Filter interface {
	// Reload has it read its tables and keys again; an error says why it does not.
	// Temporary ones may pass.
	Reload(ctx context.Context) error
	// Signs sends a message of an author through it and returns the names of the
	// records of the signatures that it gets.
	Signs(ctx context.Context, author string) ([]string, error)
}

// ErrReload is the error of a filter that refuses the tables: the old ones stay in
// force there.
var ErrReload = errors.New("the filter refuses the tables")

// Host is the StatusSocket of a filter that signs with these keys.
type Host interface {
	Address() string
	Server(ctx context.Context) (status.Server, error)
	Keys(ctx context.Context, domain, after string, n int) ([]status.Key, error)
}

// Options are what a Rotator works with.
type Options struct {
	Settings *settings.Settings
	Store    *Store
	Checker  Checker
	Witness  []Checker // resolvers elsewhere
	// Publisher opens a publisher of the settings; "" is by hand.
	Publisher func(name string) (publish.Publisher, error)
	KeyTable  Table
	Signing   Table
	Keys      *keystore.Store
	KeyOf     keystore.Options
	// Identities are age recipients for keys that are wrapped.
	Recipients []string
	Filter     Filter
	Hosts      []Host
	// SignatureTTL, when it is set, bounds how long an old key may be needed.
	SignatureTTL time.Duration
	// CacheTTL is how long filters may use a row of a table on a server.
	CacheTTL time.Duration
	Now      func() time.Time
	Out      io.Writer // what is done is told there
	DryRun   bool
	// Durable is called after each thing that must outlive a crash was written, for
	// tests that kill there.
	Durable func(what string)
}

// Rotator does what is due.
type Rotator struct {
	Options
	limits   limits
	deadline time.Time
}

// New returns a Rotator.
func New(o Options) *Rotator {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Durable == nil {
		o.Durable = func(string) {}
	}
	r := &Rotator{Options: o}
	r.limits.load(o.Store, o.Now())
	return r
}

// Outcome is how a run ended, for its exit status: the worst of its units.
type Outcome struct {
	Units   int
	Acted   int // units of which something was done
	Waiting int // units whose clocks run
	Retry   int // a due step could not be done
	Blocked int
	Broken  []Broken
}

// pass is one run over the units.
type pass struct {
	*Rotator
	ctx    context.Context
	now    time.Time
	units  []*Unit
	tables *tables
	hosts  map[string]*hostKeys
	out    Outcome
	retry  map[*Unit]bool // a due step could not be done
	acted  map[*Unit]bool
}

// Run does all that is due, of the units named, or of all.
func (r *Rotator) Run(ctx context.Context, names ...string) (Outcome, error) {
	units, broken, err := r.Store.Load()
	if err != nil {
		return Outcome{}, err
	}
	if len(names) > 0 {
		units = slices.DeleteFunc(units, func(u *Unit) bool { return !slices.Contains(names, u.Name) })
	}
	p := r.pass(ctx, units)
	p.out.Broken = broken
	err = p.run()
	p.count()
	return p.out, err
}

func (r *Rotator) pass(ctx context.Context, units []*Unit) *pass {
	r.deadline = r.Now().Add(r.Settings.MaxRun)
	return &pass{Rotator: r, ctx: ctx, now: r.Now(), units: units, hosts: map[string]*hostKeys{}, retry: map[*Unit]bool{}, acted: map[*Unit]bool{}}
}

// maxRounds bounds how often a run looks whether one more step is due.
const maxRounds = 8

func (p *pass) run() error {
	due := slices.Clone(p.units)
	due = slices.DeleteFunc(due, func(u *Unit) bool { return u.idle() && p.now.Before(p.dueAt(u)) })
	if len(due) == 0 {
		return p.summary()
	}
	for _, u := range due {
		p.credit(u)
	}
	work := slices.DeleteFunc(slices.Clone(due), func(u *Unit) bool { return u.Stopped })
	if p.DryRun {
		p.dryRun(work)
		return nil
	}
	if len(work) > 0 {
		var err error
		if p.tables, err = p.readTables(p.ctx); err != nil {
			return err
		}
	}
	for round := 0; round < maxRounds && len(work) > 0 && p.Now().Before(p.deadline) && p.ctx.Err() == nil; round++ {
		before := p.marks(work)
		p.prepare(work)
		p.publishAll(work)
		p.proveAll(work)
		p.switchAll(work)
		p.restAll(work)
		p.saveChanged(due)
		if p.marks(work) == before {
			break
		}
	}
	p.saveChanged(due)
	return p.summary()
}

// marks is where units stand, to see whether a round did anything.
func (p *pass) marks(units []*Unit) string {
	var b strings.Builder
	for _, u := range units {
		fmt.Fprintf(&b, "%s", u.Name)
		for _, g := range u.Generations {
			fmt.Fprintf(&b, " %s", g.State)
		}
	}
	return b.String()
}

// save writes a unit, now.
func (p *pass) save(u *Unit, what string) error {
	if err := p.Store.Save(u); err != nil {
		p.retry[u] = true
		return err
	}
	p.Durable(what)
	return nil
}

func (p *pass) saveChanged(units []*Unit) {
	for _, u := range units {
		if u.changed {
			_ = p.save(u, "unit") // the unit is tried again
		}
	}
}

// move brings a generation into its next state, and leaves it on the disk.
func (p *pass) move(u *Unit, g *Generation, to State, detail string) error {
	from, since := g.State, g.Since
	g.State, g.Since = to, p.Now()
	if err := p.save(u, string(to)); err != nil {
		g.State, g.Since = from, since
		return err
	}
	p.acted[u] = true
	p.tell(u, g, from, detail)
	return nil
}

// tell writes into the journal and to whoever looks on.
func (p *pass) tell(u *Unit, g *Generation, from State, detail string) {
	var names []string
	for _, k := range g.Keys {
		names = append(names, k.Selector+"._domainkey."+k.Domain)
	}
	_ = p.Store.Journal(Entry{Time: p.Now(), Unit: u.Name, Act: "state", From: from, To: g.State, Keys: names, Detail: detail})
	text := ""
	if detail != "" {
		text = ": " + detail
	}
	fmt.Fprintf(p.Out, "%s: %s is %s%s\n", u.Name, strings.Join(names, " and "), g.State, text)
}

// credit gives every wait of a unit the time that was seen to pass.
func (p *pass) credit(u *Unit) {
	for _, g := range u.Generations {
		switch g.State {
		case Proven, Revoked:
			g.Wait.credit(p.now, p.Settings.MaxCredit)
			u.changed = true
		case Resting, Made, Asked, Ready, Switching, Signing, Revoking, Removing, Gone, Aborted, BlockedState, Unmanaged:
			// Resting is credited when all hosts have been asked.
		}
	}
	for selector, w := range u.Slots {
		w.credit(p.now, p.Settings.MaxCredit)
		if u.changed = true; w.over() {
			delete(u.Slots, selector)
		}
	}
}

// count adds up how the units ended.
func (p *pass) count() {
	p.out.Units = len(p.units)
	for _, u := range p.units {
		switch {
		case u.Blocked != nil:
			p.out.Blocked++
		case p.retry[u]:
			p.out.Retry++
		case !u.idle():
			p.out.Waiting++
		}
		if p.acted[u] {
			p.out.Acted++
		}
	}
	p.out.Blocked += len(p.out.Broken)
}
