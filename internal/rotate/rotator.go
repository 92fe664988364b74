package rotate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dojang/internal/atomicfile"
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

// String is the table as it may be shown: without its secrets.
func (t Table) String() string { return dataset.Shown(t.Spec) }

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
	// Recipients are whom keys that are wrapped are wrapped for.
	Recipients []string
	Filter     Filter
	Hosts      []Host
	// SignatureTTL, when it is set, bounds how long an old key may be needed.
	SignatureTTL time.Duration
	// CacheTTL is how long filters may use a row of a table on a server.
	CacheTTL time.Duration
	// MultipleSignatures: a row of the SigningTable may name several keys.
	MultipleSignatures bool
	// KeyOwner is whose key files are of a table that has none yet.
	KeyOwner *atomicfile.Owner
	Now      func() time.Time // default time.Now
	// Uptime is the clock that nobody sets, default uptime where Now is the default too.
	Uptime func() (boot string, up time.Duration)
	// Sleep waits for Rate and between looks of an emergency, default time.Sleep.
	Sleep  func(time.Duration)
	Out    io.Writer // what is done is told there
	DryRun bool
	// Durable is called after each thing that must outlive a crash was written, for
	// tests that kill there.
	Durable func(what string)
}

// Rotator does what is due.
type Rotator struct {
	Options
	limits   limits
	deadline time.Time
	atOnce   int // units; tests whose order matters have one
	told     complaints
	keyRows  textRows
	authors  textRows
}

// New returns a Rotator.
func New(o Options) *Rotator {
	if o.Uptime == nil {
		if o.Uptime = uptime; o.Now != nil {
			o.Uptime = func() (string, time.Duration) { return "", 0 }
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = time.Sleep
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Durable == nil {
		o.Durable = func(string) {}
	}
	o.Out = &oneByOne{w: o.Out}
	r := &Rotator{Options: o, atOnce: parallel}
	r.limits.load(o.Store)
	return r
}

// Outcome is how a run ended, for its exit status: the worst of its units.
type Outcome struct {
	Units   int
	Acted   int // units of which something was done
	Waiting int // units whose clocks run
	Retry   int // a due step could not be done
	Blocked int // and broken ones, and those whose present record is missing
	Broken  []Broken
}

// pass is one run over the units.
type pass struct {
	*Rotator
	ctx    context.Context
	now    time.Time
	units  []*Unit // that are worked on
	tables *tables
	inUse  keyFiles
	hosts  map[string]*hostKeys
	out    Outcome
	sum    *Summary // of units that are not worked on
}

// Run does all that is due, of the units named, or of all.
func (r *Rotator) Run(ctx context.Context, names ...string) (Outcome, error) {
	p := r.pass(ctx, nil)
	p.sum = p.newSummary()
	var look []lookAt
	units, broken, err := r.Store.load(func(u *Unit) bool {
		if len(names) > 0 && !slices.Contains(names, u.Name) {
			p.sum.add(p, u)
			return false
		}
		p.out.Units++
		look = append(look, lookAt{u.Name, u.lastLook()})
		if due := !u.idle() || p.setBack(u) || !p.now.Before(p.dueAt(u)) || !p.asGrouped(u); due {
			return true
		}
		if u.Missing != nil {
			return true // as long as it is, it is looked at
		}
		p.sum.add(p, u)
		return false
	})
	if err != nil {
		return Outcome{}, err
	}
	p.units, p.out.Broken = units, broken
	if len(names) == 0 && p.sum.Units+len(units)+len(broken) == 0 {
		p.nothingAdopted()
	}
	if err := p.run(); err != nil {
		return p.out, err
	}
	if !p.DryRun {
		p.lookAtRecords(look)
	}
	p.count()
	return p.out, p.summary()
}

// nothingAdopted tells of a folder State that has no unit beside a table that has rows: it
// was lost, or the timer runs for nothing.
func (p *pass) nothingAdopted() {
	t, err := p.readTables(p.ctx)
	if err != nil || len(t.rows) == 0 {
		return
	}
	p.out.Blocked++
	fmt.Fprintf(p.Out, "no key is in rotation: %s has none of the %d rows of %s: dojang keys adopt --all\n",
		p.Settings.State, len(t.rows), p.KeyTable)
}

func (r *Rotator) pass(ctx context.Context, units []*Unit) *pass {
	r.deadline = r.Now().Add(r.Settings.MaxRun)
	return &pass{Rotator: r, ctx: ctx, now: r.Now(), units: units, hosts: map[string]*hostKeys{}}
}

// inTime reports whether a run may begin something new.
func (p *pass) inTime() bool { return p.ctx.Err() == nil && p.Now().Before(p.deadline) }

// maxRounds bounds how often a run looks whether one more step is due.
const maxRounds = 8

// run does what is due of the units, in rounds, until a round changes nothing.
func (p *pass) run() error {
	if p.DryRun {
		p.dryRun(p.units)
		return nil
	}
	for _, u := range p.units {
		p.credit(u)
	}
	work := slices.DeleteFunc(slices.Clone(p.units), p.halted)
	p.wrote()
	for round := 0; round < maxRounds && len(work) > 0 && p.inTime(); round++ {
		before := marks(work)
		if err := p.lookAtTables(); err != nil {
			return err
		}
		p.prepare(work)
		p.publishAll(work)
		p.proveAll(work)
		p.switchAll(work)
		p.restAll(p.units)
		p.saveChanged(p.units)
		if marks(work) == before {
			break
		}
	}
	p.restAll(p.units)
	p.tellBlocked()
	p.saveChanged(p.units)
	return nil
}

// lookAtTables reads the tables, unless nothing was written since they were read.
func (p *pass) lookAtTables() (err error) {
	if p.tables != nil {
		return nil
	}
	if p.tables, err = p.readTables(p.ctx); err != nil {
		return fmt.Errorf("%s: %w", p.KeyTable, err)
	}
	return nil
}

// wrote forgets what was read of tables that have been written.
func (p *pass) wrote() { p.tables, p.inUse.files = nil, nil }

// tellBlocked tells what keeps units, once and then once a week: what a timer prints is
// mailed or kept every hour.
func (p *pass) tellBlocked() {
	for _, u := range p.units {
		for _, g := range u.Generations {
			if b := g.Blocked; b != nil && b.Reason != RateLimited && b.tell(p.now) {
				u.changed = true
				name := g.recordNames()[0]
				fmt.Fprintf(p.Out, "%s: %s: %s: %s\n", u.Name, name, b.Reason, strings.TrimPrefix(b.Detail, name+": "))
			}
		}
	}
}

// marks is where units stand, to see whether a round did anything.
func marks(units []*Unit) string {
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
		u.retry = true
		p.complain("%s: %s", u.Name, err)
		return err
	}
	p.Durable(what)
	return nil
}

func (p *pass) saveChanged(units []*Unit) {
	p.inParallel(units, func(_ int, u *Unit) {
		if u.changed {
			_ = p.save(u, "unit") // the unit is tried again
		}
	})
}

// move brings a generation into its next state, and leaves it on the disk.
func (p *pass) move(u *Unit, g *Generation, to State, detail string) error {
	from, since := g.State, g.Since
	g.State, g.Since = to, p.Now()
	if err := p.save(u, string(to)); err != nil {
		g.State, g.Since = from, since
		return err
	}
	u.acted = true
	p.tell(u, g, from, detail)
	return nil
}

// tell writes into the journal and to whoever looks on.
func (p *pass) tell(u *Unit, g *Generation, from State, detail string) {
	names := g.recordNames()
	p.journal(Entry{Unit: u.Name, Act: "state", From: from, To: g.State, Keys: names, Detail: detail})
	is, text := "is", ""
	if len(names) > 1 {
		is = "are"
	}
	if n := len(names) - maxTold; n > 0 {
		names = append(names[:maxTold], fmt.Sprintf("%d more", n))
	}
	if detail != "" {
		text = ": " + detail
	}
	fmt.Fprintf(p.Out, "%s: %s %s %s%s\n", u.Name, strings.Join(names, " and "), is, g.State, text)
}

// maxTold is how many records of a Group are told of by name.
const maxTold = 4

// journal adds a line to the journal. What cannot be written there is no reason not to
// go on.
func (r *Rotator) journal(e Entry) {
	e.Time = r.Now()
	if err := r.Store.journal(e); err != nil {
		r.complain("the journal: %s", err)
	}
}

// credit gives every wait of a unit the time that was seen to pass.
func (p *pass) credit(u *Unit) {
	now := p.instant()
	for _, g := range u.Generations {
		switch g.State {
		case Asked, Proven, Ready, Switching:
			g.Pause.credit(now, p.Settings.MaxCredit)
			if g.Proofs > 0 {
				g.Wait.credit(now, p.Settings.MaxCredit)
				u.changed = true
			}
		case Revoked:
			g.Wait.credit(now, p.Settings.MaxCredit)
			u.changed = true
		case Resting, Made, Signing, Revoking, Removing, Gone, Aborted, BlockedState, Unmanaged:
			// Resting is credited when all hosts have been asked.
		}
	}
	for selector, w := range u.Slots {
		w.credit(now, p.Settings.MaxCredit)
		if u.changed = true; w.over() {
			delete(u.Slots, selector)
		}
	}
}

// count adds up how the units ended.
func (p *pass) count() {
	for _, u := range p.units {
		b := u.blocked()
		switch {
		case b != nil && b.Reason != RateLimited && b.Reason != WaitsForHand, u.Missing != nil:
			p.out.Blocked++
		case b != nil, u.retry:
			p.out.Retry++
		case !u.idle():
			p.out.Waiting++
		}
		if u.acted {
			p.out.Acted++
		}
	}
	p.out.Blocked += len(p.out.Broken)
}
