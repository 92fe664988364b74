package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
)

// ErrUnknown says that nobody adopted a unit.
var ErrUnknown = errors.New("is not in rotation: dojang keys adopt")

// unit finds the unit of a domain: by its name, which is a row's in a Group, or the Group that
// has it.
func (r *Rotator) unit(domain string) (*Unit, error) {
	names := []string{domain, keyrecord.Canonical(domain)}
	for _, g := range r.Settings.Groups {
		if slices.ContainsFunc(g.Domains, func(d string) bool { return keycheck.SameDomain(d, domain) }) {
			names = append(names, g.Name)
		}
	}
	for _, name := range names {
		if u, err := r.Store.unit(name); u != nil || err != nil {
			return u, err
		}
	}
	return nil, fmt.Errorf("%s %w %s", domain, ErrUnknown, domain)
}

// Start begins with the next keys of a unit now, or lets a stopped one go on, and
// does what can be done at once. What was asked of publishers and people is asked again.
func (r *Rotator) Start(ctx context.Context, domain string) (Outcome, error) {
	u, err := r.unit(domain)
	if err != nil {
		return Outcome{}, err
	}
	p := r.pass(ctx, []*Unit{u})
	p.out.Units = 1
	switch {
	case u.Stopped:
		u.Stopped, u.changed = false, true
		r.journal(Entry{Unit: u.Name, Act: "started"})
	case !r.asGrouped(u):
		return Outcome{}, errors.New(u.regrouped())
	case u.next() != nil: // goes on
	case u.signing() == nil || u.Leaving:
		return Outcome{}, fmt.Errorf("%s has no key that signs and shall go on signing", u.Name)
	case p.DryRun:
		u.signing().Created, u.Adopted, u.NotBefore = time.Time{}, time.Time{}, time.Time{} // it is due
	default:
		if p.tables, err = p.readTables(ctx); err != nil {
			return Outcome{}, err
		}
		if p.begin(u, false, 0); u.next() == nil { // and why is told
			p.tellBlocked()
			p.saveChanged(p.units)
			p.count()
			return p.out, p.summary()
		}
	}
	for _, g := range u.Generations {
		switch g.State {
		case Asked, Revoking, Removing, Aborted:
			p.undone(g) // publishers and people are asked anew
		case Made, Proven, Ready, Switching, Signing, Resting, Revoked, Gone, BlockedState, Unmanaged:
		}
	}
	if err = p.run(); err != nil {
		return p.out, err
	}
	p.count()
	return p.out, p.summary()
}

// Stop halts every act of a unit; its waits go on.
func (r *Rotator) Stop(domain string) error {
	u, err := r.unit(domain)
	if err != nil {
		return err
	}
	u.Stopped = true
	if err := r.Store.Save(u); err != nil {
		return err
	}
	r.journal(Entry{Unit: u.Name, Act: "stopped"})
	return nil
}

// Abort gives up the keys of a unit that have never signed: their records are
// withdrawn and the keys deleted. New ones are made when Start is called, or by themselves
// after a tenth of Interval.
func (r *Rotator) Abort(ctx context.Context, domain string) (Outcome, error) {
	u, err := r.unit(domain)
	if err != nil {
		return Outcome{}, err
	}
	u.NotBefore, u.Stopped = r.Now().Add(r.Settings.Interval/10), false
	if given, err := r.pass(ctx, nil).giveUp(u, ""); err != nil {
		return Outcome{}, err
	} else if !given && u.find(Aborted) == nil {
		return Outcome{}, fmt.Errorf("%s has no key that never signed", u.Name)
	}
	return r.Run(ctx, u.Name)
}

// giveUp gives up the keys that shall sign next, if they do not by now. Those whose rows
// cannot be written rest: some of them may have been written.
func (p *pass) giveUp(u *Unit, why string) (given bool, err error) {
	g := u.next()
	switch {
	case g == nil:
		return false, nil
	case g.State != Switching:
		return true, p.abort(u, g, why)
	case g.Blocked == nil || p.maySignNoMore(g) != nil:
		return false, nil
	}
	p.rest(u, g, nil)
	return true, p.save(u, string(Resting))
}

// abort gives up keys that have never signed.
func (p *pass) abort(u *Unit, g *Generation, why string) error {
	p.undone(g)
	g.Blocked = nil
	return p.move(u, g, Aborted, why)
}
