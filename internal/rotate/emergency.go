package rotate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
)

const (
	// emergencyPause is how long an emergency waits before it asks the name servers again.
	emergencyPause = 500 * time.Millisecond
	// emergencyPatience is after what time in which nothing was done it ends all the same;
	// the timer goes on with what is left.
	emergencyPatience = 2 * time.Minute
)

// Emergency changes keys at once: made, published, proven once at every name server,
// signed with; the old record is revoked at once, or after keepOld. A unit that nobody
// adopted is, by what its rows say. It returns when all is done, or when nothing has
// moved for a while.
func (r *Rotator) Emergency(ctx context.Context, keepOld time.Duration, domains ...string) (Outcome, error) {
	units, others, err := r.emergencyUnits(ctx, domains)
	if err != nil {
		return Outcome{}, err
	}
	p := r.pass(ctx, units)
	p.out.Units, p.out.Blocked = len(units)+others, others
	lastAct, before := r.Now(), ""
	for {
		p.now, p.deadline = r.Now(), r.Now().Add(r.Settings.MaxRun) // it runs to its end
		p.hosts = map[string]*hostKeys{}
		if p.tables, err = p.readTables(ctx); err != nil {
			return p.out, err
		}
		r.inParallel(units, func(_ int, u *Unit) {
			u.retry = false
			p.beginEmergency(u, keepOld)
		})
		if err := p.run(); err != nil {
			return p.out, err
		}
		if now := marks(units); now != before {
			before, lastAct = now, r.Now()
		}
		done := !slices.ContainsFunc(units, func(u *Unit) bool { return !u.begun || !u.emergencyDone() })
		if done || ctx.Err() != nil || r.Now().Sub(lastAct) > emergencyPatience {
			p.count()
			return p.out, p.summary()
		}
		p.Sleep(emergencyPause)
	}
}

// beginEmergency begins with a unit's new keys, once what is on its way has been given up
// or, where its row is being written, has come to its end.
func (p *pass) beginEmergency(u *Unit, keepOld time.Duration) {
	if u.begun {
		return
	}
	u.Stopped = false
	_, _ = p.giveUp(u, "an emergency came between")
	if u.next() != nil || u.signing() == nil {
		return
	}
	p.begin(u, true, keepOld)
	u.begun = u.next() != nil
}

// emergencyDone reports whether new keys sign and the old ones are revoked, or wait
// for --keep-old.
func (u *Unit) emergencyDone() bool {
	if u.next() != nil || u.find(Aborted) != nil {
		return false
	}
	return !slices.ContainsFunc(u.Generations, func(g *Generation) bool {
		return g.Emergency && (g.State == Resting && g.Wait.NeedSeconds == 0 || g.State == Revoking)
	})
}

// emergencyUnits finds the units, and makes those that nobody adopted. Of several, one
// that cannot be changed is told of and keeps no other; others counts them.
func (r *Rotator) emergencyUnits(ctx context.Context, domains []string) (units []*Unit, others int, err error) {
	tables, err := r.readTables(ctx)
	if err != nil {
		return nil, 0, err
	}
	candidates := r.candidates(tables, domains)
	found, errs := make([]*Unit, len(candidates)), make([]error, len(candidates))
	r.inParallel(found, func(i int, _ *Unit) { found[i], errs[i] = r.emergencyUnit(ctx, tables, candidates[i]) })
	for i, err := range errs {
		switch {
		case err == nil:
			units = append(units, found[i])
		case len(domains) > 0:
			return nil, 0, fmt.Errorf("%s: %w", candidates[i].name, err)
		default:
			fmt.Fprintf(r.Out, "%s: %s\n", candidates[i].name, err)
			others++
		}
	}
	return units, others, nil
}

// emergencyUnit is the unit of a candidate, as one whose domains are those that its Group
// names now.
func (r *Rotator) emergencyUnit(ctx context.Context, t *tables, c candidate) (*Unit, error) {
	u, err := r.Store.unit(c.name)
	switch {
	case err != nil:
		return nil, err
	case c.reason != "":
		return nil, fmt.Errorf("%s: %s", c.reason, c.detail)
	case u == nil:
		return r.unproven(ctx, t, c), nil
	case len(u.Generations) == 0:
		fresh := r.unproven(ctx, t, c)
		fresh.Used = u.Used
		return fresh, nil
	}
	u.Domains = c.domains
	return u, nil
}

// unproven is a unit whose records were not proven: what stands in DNS is ours only where
// it has the key of the row.
func (r *Rotator) unproven(ctx context.Context, t *tables, c candidate) *Unit {
	now := r.Now()
	g := &Generation{State: Signing, Since: now, Created: now}
	for _, name := range c.rows {
		row := t.rows[name]
		k := Key{Row: row.Name, Domain: row.Domain, Selector: row.Selector, Type: "rsa", Bits: 2048}
		for _, domain := range c.domains {
			of, err := row.ForSender(domain)
			if err != nil {
				continue
			}
			k.Path = r.KeyOf.Locate(of.Key).Path
			key, err := r.Keys.Load(ctx, row.Name, of)
			if err != nil {
				continue
			}
			k.Bits = key.Bits
			if k.Type, k.Public, err = keyrecord.PublicKey(key.Signer.Public()); err != nil {
				continue
			}
			report := r.Checker.Check(ctx, keycheck.Check{Domain: domain, Selector: row.Selector,
				Key: key.Signer.Public(), IgnoreServers: r.Settings.IgnoreServers})
			for _, s := range report.Servers {
				if s.State == keycheck.Same && len(s.Texts) == 1 {
					k.Records = append(k.Records, r.recordOf(domain, row.Selector, report, s.Texts[0]))
					break
				}
			}
		}
		g.Keys = append(g.Keys, k)
	}
	return &Unit{Name: c.name, Domains: c.domains, Generations: []*Generation{g}, Adopted: now}
}
