package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrUnknown says that nobody adopted a unit.
var ErrUnknown = errors.New("is not in rotation: dojang keys adopt")

// unit finds the unit of a domain: by its name, or the group that has it.
func (r *Rotator) unit(domain string) (*Unit, error) {
	u, err := r.Store.Unit(domain)
	if u != nil || err != nil {
		return u, err
	}
	for _, g := range r.Settings.Groups {
		if slices.Contains(g.Domains, domain) {
			if u, err = r.Store.Unit(g.Name); u != nil || err != nil {
				return u, err
			}
		}
	}
	return nil, fmt.Errorf("%s %w %s", domain, ErrUnknown, domain)
}

// Start begins with the next keys of a unit now, or lets a stopped one go on, and
// does what can be done at once.
func (r *Rotator) Start(ctx context.Context, domain string) (Outcome, error) {
	u, err := r.unit(domain)
	if err != nil {
		return Outcome{}, err
	}
	p := r.pass(ctx, []*Unit{u})
	if u.Stopped {
		u.Stopped, u.changed = false, true
		_ = r.Store.Journal(Entry{Time: p.now, Unit: u.Name, Act: "started"})
	} else if u.next() == nil {
		if u.signing() == nil {
			return Outcome{}, fmt.Errorf("%s has no key that signs", u.Name)
		}
		if p.tables, err = p.readTables(ctx); err != nil {
			return Outcome{}, err
		}
		if p.DryRun {
			p.dryRun([]*Unit{u})
			return p.out, nil
		}
		p.begin(u, false, 0)
	}
	err = p.run()
	p.count()
	return p.out, err
}

// Stop halts every act of a unit; its waits go on.
func (r *Rotator) Stop(domain string) error {
	u, err := r.unit(domain)
	if err != nil {
		return err
	}
	u.Stopped = true
	_ = r.Store.Journal(Entry{Time: r.Now(), Unit: u.Name, Act: "stopped"})
	return r.Store.Save(u)
}

// Abort gives up the keys of a unit that have never signed: their records are
// withdrawn and the keys deleted.
func (r *Rotator) Abort(ctx context.Context, domain string) (Outcome, error) {
	u, err := r.unit(domain)
	if err != nil {
		return Outcome{}, err
	}
	g := u.find(Made, Asked, Proven, Ready)
	if g == nil {
		if u.find(Aborted) == nil {
			return Outcome{}, fmt.Errorf("%s has no key that never signed", u.Name)
		}
	} else {
		p := r.pass(ctx, nil)
		p.undone(g)
		u.goOn()
		if err := p.move(u, g, Aborted, ""); err != nil {
			return Outcome{}, err
		}
	}
	return r.Run(ctx, u.Name)
}

// Emergency changes keys at once: made, published, proven once at every name server,
// signed with; the old record is revoked at once, or after keepOld. A unit that nobody
// adopted is, by what its rows say. It returns when all is done or ctx ends.
func (r *Rotator) Emergency(ctx context.Context, keepOld time.Duration, domains ...string) (Outcome, error) {
	units, err := r.emergencyUnits(ctx, domains)
	if err != nil {
		return Outcome{}, err
	}
	p := r.pass(ctx, units)
	if p.tables, err = p.readTables(ctx); err != nil {
		return Outcome{}, err
	}
	for _, u := range units {
		u.Stopped = false
		if g := u.next(); g != nil && g.State != Switching {
			p.undone(g)
			_ = p.move(u, g, Aborted, "an emergency came between")
		}
		if u.next() == nil {
			p.begin(u, true, keepOld)
		}
	}
	for {
		err := p.run()
		done := !slices.ContainsFunc(units, func(u *Unit) bool { return !p.emergencyDone(u) })
		if err != nil || done || p.ctx.Err() != nil || !p.Now().Before(p.deadline) {
			p.count()
			return p.out, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(emergencyPause):
		}
		p.now, p.hosts, p.retry = p.Now(), map[string]*hostKeys{}, map[*Unit]bool{}
	}
}

// emergencyPause is how long an emergency waits before it asks the name servers again.
const emergencyPause = 500 * time.Millisecond

// emergencyDone reports whether new keys sign and the old ones are revoked, or wait
// for --keep-old.
func (p *pass) emergencyDone(u *Unit) bool {
	if u.next() != nil || u.find(Aborted) != nil {
		return false
	}
	for _, g := range u.Generations {
		if g.Emergency && (g.State == Resting && g.Wait.NeedSeconds == 0 || g.State == Revoking) {
			return false
		}
	}
	return true
}

// emergencyUnits finds the units, and makes those that nobody adopted.
func (r *Rotator) emergencyUnits(ctx context.Context, domains []string) (units []*Unit, err error) {
	tables, err := r.readTables(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range r.candidates(tables, domains) {
		if c.reason != "" {
			return nil, fmt.Errorf("%s: %s", c.name, c.detail)
		}
		u, err := r.Store.Unit(c.name)
		if err != nil {
			return nil, err
		}
		if u == nil {
			u = r.unproven(ctx, tables, c)
		}
		units = append(units, u)
	}
	return units, nil
}

// unproven is a unit whose records nobody looked at: what stands in DNS is changed
// only where it has the key of the row.
func (r *Rotator) unproven(ctx context.Context, t *tables, c candidate) *Unit {
	now := r.Now()
	g := &Generation{State: Signing, Since: now, Created: now}
	for _, name := range c.rows {
		row := t.rows[name]
		k, _, reason, _ := r.adoptKey(ctx, row, c.domains)
		if reason != "" {
			k = Key{Row: row.Name, Domain: row.Domain, Selector: row.Selector, Type: "rsa", Bits: 2048}
			if of, err := row.ForSender(c.domains[0]); err == nil {
				k.Path = r.KeyOf.Locate(of.Key).Path
			}
		}
		g.Keys = append(g.Keys, k)
	}
	return &Unit{Name: c.name, Domains: c.domains, Generations: []*Generation{g}, Adopted: now}
}
