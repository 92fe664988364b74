package rotate

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
)

// Adopted is what came of the adoption of one unit.
type Adopted struct {
	Name   string
	OK     bool
	Before bool // it was adopted before
	Reason Reason
	Detail string
	Keys   []Key
	Since  time.Time // when the present keys were made
	Due    time.Time
}

// Adopt takes the keys of domains into rotation, or of all rows for none: those whose
// record every name server has, and equals the key in the table. It changes nothing
// but the state. created, when it is set, is when the keys were made; else the times
// of their files say so.
func (r *Rotator) Adopt(ctx context.Context, created time.Time, domains ...string) ([]Adopted, error) {
	tables, err := r.readTables(ctx)
	if err != nil {
		return nil, err
	}
	candidates := r.candidates(tables, domains)
	results := make([]Adopted, len(candidates))
	r.inParallel(make([]*Unit, len(candidates)), func(i int, _ *Unit) { results[i] = r.adopt(ctx, tables, candidates[i], created) })
	return results, nil
}

// candidate is what could become a unit.
type candidate struct {
	name    string
	domains []string
	rows    []string
	reason  Reason
	detail  string
}

// called reports whether somebody means the candidate by a name: its own, or a domain's
// however it is written.
func (c candidate) called(name string) bool {
	return strings.EqualFold(name, c.name) || slices.ContainsFunc(c.domains, func(o string) bool { return keycheck.SameDomain(name, o) })
}

// candidates are the domains of rows, and the groups of rows that several share.
func (r *Rotator) candidates(t *tables, only []string) (list []candidate) {
	wanted := func(c candidate) bool { return len(only) == 0 || slices.ContainsFunc(only, c.called) }
	for domain, rows := range t.byDomain {
		c := candidate{name: domain, domains: []string{domain}, rows: rows}
		if domain != "%" {
			if wanted(c) {
				list = append(list, c)
			}
			continue
		}
		for _, row := range rows {
			c := candidate{name: row, domains: only, rows: []string{row}}
			g, ok := r.Settings.Group(row)
			if ok {
				c.domains = g.Domains
			}
			switch _, taken := t.byDomain[keyrecord.Canonical(row)]; {
			case taken:
				c.reason = SharedRow
				c.detail = fmt.Sprintf("the row %q is called as a domain that has rows of its own: give it another name", row)
			case ok && strings.Contains(t.rows[row].Key, "%"):
				c.reason = SharedRow
				c.detail = fmt.Sprintf("the row %q names a key for each domain (%%): give each domain a row of its own", row)
			case !ok:
				c.reason = SharedRow
				c.detail = fmt.Sprintf("the row %q signs for every domain: name them: Group %s DOMAIN...", row, row)
			}
			if wanted(c) {
				list = append(list, c)
			}
		}
	}
	for _, domain := range only {
		if !slices.ContainsFunc(list, func(c candidate) bool { return c.called(domain) }) {
			domain = keyrecord.Canonical(domain)
			list = append(list, candidate{name: domain, domains: []string{domain}, reason: NotPublished,
				detail: "no row of the KeyTable signs for it"})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int { return strings.Compare(a.name, b.name) })
	return list
}

func (r *Rotator) adopt(ctx context.Context, t *tables, c candidate, created time.Time) Adopted {
	a := Adopted{Name: c.name, Reason: c.reason, Detail: c.detail}
	if a.Reason != "" {
		return a
	}
	before, err := r.Store.unit(c.name)
	if err != nil {
		a.Reason, a.Detail = EditedByHand, err.Error()
		return a
	}
	if before != nil && len(before.Generations) > 0 && !before.leftBehind(t, c) {
		a.OK, a.Before, a.Due = true, true, r.dueAt(before)
		if g := before.signing(); g != nil {
			a.Keys, a.Since = g.Keys, g.Created
		}
		return a
	}
	now := r.Now()
	g := &Generation{State: Signing, Since: now, Created: created}
	for _, name := range c.rows {
		k, made, reason, detail := r.adoptKey(ctx, t.rows[name], c.domains)
		if reason != "" {
			a.Reason, a.Detail = reason, detail
			return a
		}
		if created.IsZero() && (g.Created.IsZero() || made.Before(g.Created)) {
			g.Created = made
		}
		g.Keys = append(g.Keys, k)
	}
	u := &Unit{Name: c.name, Domains: c.domains, Generations: []*Generation{g}, Adopted: now}
	if before != nil {
		u.Used, u.Slots = before.Used, before.Slots
		u.Generations = append(r.leftOver(ctx, before, g, c.domains), g)
	}
	a.OK, a.Keys, a.Since, a.Due = true, g.Keys, g.Created, r.dueAt(u)
	if r.DryRun {
		return a
	}
	if err := r.Store.Save(u); err != nil {
		return Adopted{Name: c.name, Reason: CannotWriteTable, Detail: err.Error()}
	}
	r.Durable("adopted")
	r.journal(Entry{Unit: u.Name, Act: "adopted", To: Signing, Keys: g.recordNames()})
	return a
}

// leftBehind reports whether somebody has changed the domains of a Group, or rows: those of
// the keys that sign, while no new ones were on their way, or rows that were about to be
// written.
func (u *Unit) leftBehind(t *tables, c candidate) bool {
	g, next := u.signing(), u.next()
	switch {
	case u.Leaving:
		return false
	case next != nil && next.State == Switching:
		return slices.ContainsFunc(next.Keys, func(k Key) bool {
			row := t.rows[k.Row]
			return rowHash(row.Row) != k.OldHash && !strings.EqualFold(row.Selector, k.Selector)
		})
	case next != nil:
		return !sameDomains(u.Domains, c.domains)
	}
	return g != nil && (len(g.Keys) != len(c.rows) || !sameDomains(u.Domains, c.domains) || slices.ContainsFunc(g.Keys, func(k Key) bool {
		row, there := t.rows[k.Row]
		return !there || row.Err == nil && !strings.EqualFold(row.Selector, k.Selector)
	}))
}

// leftOver are the generations of a unit without the keys that were adopted anew. What
// signed, or may have, rests; what has not is given up. domains are those of the unit now.
func (r *Rotator) leftOver(ctx context.Context, u *Unit, adopted *Generation, domains []string) (left []*Generation) {
	p := r.pass(ctx, nil)
	for _, g := range u.Generations {
		g.Keys = slices.DeleteFunc(g.Keys, func(k Key) bool {
			return slices.ContainsFunc(adopted.Keys, func(o Key) bool {
				return strings.EqualFold(k.Selector, o.Selector) && keycheck.SameDomain(k.Domain, o.Domain)
			})
		})
		if len(g.Keys) == 0 {
			continue
		}
		if left = append(left, g); r.DryRun {
			continue
		}
		p.forget(u, g, domains)
		switch g.State {
		case Signing, Switching:
			p.rest(u, g, nil)
		case Made, Asked, Proven, Ready:
			from := g.State
			p.undone(g)
			g.State, g.Since, g.Blocked = Aborted, p.now, nil
			p.tell(u, g, from, "")
		case Resting, Revoking, Revoked, Removing, Gone, Aborted, BlockedState, Unmanaged:
		}
	}
	return left
}

// adoptKey proves the record of one row's key for each domain.
func (r *Rotator) adoptKey(ctx context.Context, row keystore.TableRow, domains []string) (k Key, made time.Time,
	reason Reason, detail string) {
	if row.Err != nil {
		return k, made, EditedByHand, fmt.Sprintf("the row %q: %s", row.Name, row.Err)
	}
	k = Key{Row: row.Name, Domain: row.Domain, Selector: row.Selector}
	made = r.Now()
	for _, domain := range domains {
		of, err := row.ForSender(domain)
		if err != nil {
			return k, made, EditedByHand, err.Error()
		}
		key, err := r.Keys.Load(ctx, row.Name, of)
		if err != nil {
			return k, made, EditedByHand, err.Error()
		}
		k.Type, k.Public, err = keyrecord.PublicKey(key.Signer.Public())
		if err != nil {
			return k, made, EditedByHand, err.Error()
		}
		k.Bits = key.Bits
		if path := r.KeyOf.Locate(of.Key).Path; path != "" {
			k.Path = path
			if info, err := os.Stat(path); err == nil && info.ModTime().Before(made) {
				made = info.ModTime()
			}
		}
		report := r.Checker.Check(ctx, keycheck.Check{Domain: domain, Selector: row.Selector, Key: key.Signer.Public(),
			IgnoreServers: r.Settings.IgnoreServers})
		if report.Publication != keycheck.Published || !usable(report) || len(report.Texts) != 1 {
			reason, why := Reason(report.Publication), faultsSay(report)
			switch {
			case report.Publication == keycheck.Published:
				reason = Conflict
			case report.Publication == keycheck.Unknown || !answers(report):
				reason, why = ServerSilent, noServers
			}
			return k, made, reason, recordName(row.Selector, domain) + ": " + why
		}
		k.Records = append(k.Records, r.recordOf(domain, row.Selector, report, report.Texts[0]))
	}
	return k, made, "", ""
}

// recordOf is a record that stands where a row's key has it.
func (r *Rotator) recordOf(domain, selector string, report *keycheck.Report, text keycheck.Text) Record {
	zone, _ := r.Settings.ZoneOf(domain)
	rec := Record{Domain: domain, Name: recordName(selector, domain), Zone: report.Zone.Name,
		Publisher: zone.Publisher, Text: text.Text, Strings: stringsOf(text), TTL: greatestTTL(report), Done: true}
	if n := len(report.Aliases); n > 0 {
		rec.At = report.Aliases[n-1].Target
	}
	return rec
}
