package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/rotate/settings"
)

// Add gives a domain its first keys: made, published, proven, and only then signed
// with. beside, when it is not "", is the folder for key files of a table that has
// none yet.
func (r *Rotator) Add(ctx context.Context, domain, beside string) (Outcome, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if u, err := r.Store.Unit(domain); err != nil || u != nil {
		if err == nil {
			return r.Run(ctx, domain) // begun before: go on
		}
		return Outcome{}, err
	}
	p := r.pass(ctx, nil)
	var err error
	if p.tables, err = p.readTables(ctx); err != nil && !errors.Is(err, dataset.ErrNoWalk) {
		return Outcome{}, err
	}
	if rows := p.tables.byDomain[domain]; len(rows) > 0 {
		return Outcome{}, fmt.Errorf("%s is signed for already, by the row %s of %s: dojang keys adopt %[1]s", domain, quoteAll(rows), r.KeyTable.Spec)
	}
	types := r.Settings.KeyTypes
	if len(types) == 0 {
		types = []settings.KeyType{{Type: "rsa", Bits: 2048}}
	}
	u := &Unit{Name: domain, Domains: []string{domain}, Adopted: p.now}
	g := &Generation{State: Made, Since: p.now, Created: p.now, Fresh: true}
	for _, t := range types {
		k := Key{Domain: domain, Type: t.Type, Bits: t.Bits}
		if err := p.reserve(u, g, &k, len(types) > 1); err != nil {
			return Outcome{}, err
		}
		k.Row = recordName(k.Selector, domain)
		folder := beside
		if folder == "" {
			folder = p.commonFolder()
		}
		path := p.keyPath(&k, k.Selector, folder)
		if folder == "" {
			k.Pending = path
		} else {
			k.Path = path
		}
		g.Keys = append(g.Keys, k)
	}
	u.Generations = []*Generation{g}
	if p.DryRun {
		for _, k := range g.Keys {
			fmt.Fprintf(p.Out, "%s: would make %s\n", domain, recordName(k.Selector, domain))
		}
		return Outcome{}, nil
	}
	if err := p.save(u, "reserved"); err != nil {
		return Outcome{}, err
	}
	_ = r.Store.Journal(Entry{Time: p.now, Unit: u.Name, Act: "added"})
	return r.Run(ctx, domain)
}

// commonFolder is the folder in which most of the table's key files lie, "" when keys
// stand in their rows.
func (p *pass) commonFolder() string {
	counts := map[string]int{}
	best := ""
	for path, n := range p.tables.paths {
		dir := path[:max(0, strings.LastIndexByte(path, '/'))]
		counts[dir] += n
		if counts[dir] > counts[best] || counts[dir] == counts[best] && dir < best {
			best = dir
		}
	}
	return best
}

// addAuthors writes the SigningTable's row for a domain that is new: last of all, for
// from then on its mail is signed.
func (p *pass) addAuthors(u *Unit, g *Generation) bool {
	if p.Signing.Set == nil {
		return true
	}
	key := p.authorsKey(u.Name)
	names := make([]string, len(g.Keys))
	for i, k := range g.Keys {
		names[i] = k.Row
	}
	values := []string{strings.Join(names, ",")}
	rows, err := p.authorRows(u.Name)
	switch {
	case err != nil:
		p.notWritten(u, err)
		return false
	case slices.ContainsFunc(rows, func(c dataset.Change) bool { return c.Key == key && c.Old[0] == values[0] }):
		return true // written before
	case p.Signing.Swap == nil:
		u.block(p.now, WaitsForHand, fmt.Sprintf("%s cannot be written from here: add the row %s %s", p.Signing.Spec, key, values[0]))
		return false
	}
	if err := p.Signing.Swap.Swap(p.ctx, []dataset.Change{{Key: key, New: values}}); err != nil {
		p.notWritten(u, err)
		return false
	}
	p.Durable("authors")
	if err := p.Filter.Reload(p.ctx); err != nil {
		p.retry[u] = true
		return false
	}
	return true
}

// authorsKey is the SigningTable's key for all authors of a domain.
func (p *pass) authorsKey(domain string) string {
	if t, ok := dataset.TextTableOf(p.Signing.Spec); ok && t.Patterns {
		return "*@" + domain
	}
	return domain
}

// authorRows are the rows of the SigningTable that name keys of a domain alone, as
// the changes that take them out.
func (p *pass) authorRows(domain string) (rows []dataset.Change, err error) {
	own := map[string]bool{}
	for _, name := range p.tables.byDomain[domain] {
		own[name] = true
	}
	u, err := p.Store.Unit(domain)
	if err == nil && u != nil {
		for _, g := range u.Generations {
			for _, k := range g.Keys {
				own[k.Row] = true
			}
		}
	}
	err = dataset.Walk(p.ctx, p.Signing.Set, func(e dataset.Entry) error {
		if len(e.Values) == 0 {
			return nil
		}
		for name := range strings.SplitSeq(e.Values[0], ",") {
			if !own[strings.TrimSpace(name)] {
				return nil
			}
		}
		rows = append(rows, dataset.Change{Key: e.Key, Old: e.Values})
		return nil
	})
	return rows, err
}

// Retire takes a domain's rows out, and lets its keys rest, be revoked and go.
func (r *Rotator) Retire(ctx context.Context, domain string) (Outcome, error) {
	u, err := r.unit(domain)
	if err != nil {
		return Outcome{}, err
	}
	if len(u.Domains) > 1 {
		return Outcome{}, fmt.Errorf("%s signs for %d domains: take %s out of its Group", u.Name, len(u.Domains), domain)
	}
	if g := u.find(Made, Asked, Proven, Ready); g != nil {
		p := r.pass(ctx, nil)
		p.undone(g)
		if err := p.move(u, g, Aborted, "the domain leaves"); err != nil {
			return Outcome{}, err
		}
	}
	u.Leaving, u.Stopped = true, false
	if err := r.Store.Save(u); err != nil {
		return Outcome{}, err
	}
	_ = r.Store.Journal(Entry{Time: r.Now(), Unit: u.Name, Act: "retired"})
	return r.Run(ctx, u.Name)
}

// leave takes the rows of a domain out: those of the SigningTable first.
func (p *pass) leave(u *Unit) {
	g := u.find(Signing, Switching)
	if g == nil {
		return
	}
	authors, err := p.authorRows(u.Name)
	if err != nil {
		p.notWritten(u, err)
		return
	}
	if (p.Signing.Swap == nil && len(authors) > 0) || p.KeyTable.Swap == nil {
		u.block(p.now, WaitsForHand, fmt.Sprintf("take the rows of %s out of %s and %s", u.Name, p.Signing.Spec, p.KeyTable.Spec))
		return
	}
	if len(authors) > 0 {
		if err := p.Signing.Swap.Swap(p.ctx, authors); err != nil {
			p.notWritten(u, err)
			return
		}
		p.Durable("authors")
	}
	var keys []dataset.Change
	for _, k := range g.Keys {
		row, there, err := p.current(p.ctx, k.Row)
		if err != nil {
			p.notWritten(u, err)
			return
		}
		if there && row.Selector == k.Selector {
			keys = append(keys, dataset.Change{Key: k.Row, Old: rowValues(row)})
		}
	}
	if len(keys) > 0 {
		if err := p.KeyTable.Swap.Swap(p.ctx, keys); err != nil {
			p.notWritten(u, err)
			return
		}
		p.Durable("rows")
	}
	if err := p.Filter.Reload(p.ctx); err != nil {
		p.retry[u] = true
		return
	}
	u.goOn()
	p.rest(u, g, nil)
	_ = p.save(u, string(Resting))
}
