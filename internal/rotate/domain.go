package rotate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"dojang/internal/dataset"
	"dojang/internal/keyrecord"
	"dojang/internal/rotate/settings"
)

// Add gives a domain its first keys: made, published, proven, and only then signed
// with. beside, when it is not "", is the folder for key files of a table that has
// none yet.
func (r *Rotator) Add(ctx context.Context, domain, beside string) (Outcome, error) {
	if err := keyrecord.CheckName("domain", domain); err != nil {
		return Outcome{}, err
	}
	domain = keyrecord.Canonical(domain)
	u, err := r.Store.unit(domain)
	if err != nil {
		return Outcome{}, err
	}
	if u != nil && len(u.Generations) > 0 {
		if u.signing() != nil {
			fmt.Fprintf(r.Out, "%s: in rotation already: dojang keys %[1]s\n", domain)
		}
		return r.Run(ctx, domain) // begun before: go on
	}
	if u == nil {
		u = &Unit{Name: domain, Domains: []string{domain}}
	}
	u.Adopted, u.Leaving, u.Stopped = r.Now(), false, false
	p := r.pass(ctx, nil)
	if p.tables, err = p.readTables(ctx); err != nil && !errors.Is(err, dataset.ErrNoWalk) {
		return Outcome{}, err
	}
	if rows := p.tables.byDomain[domain]; len(rows) > 0 {
		return Outcome{}, fmt.Errorf("%s is signed for already, by the row %s of %s: dojang keys adopt %[1]s", domain,
			quoteAll(rows), r.KeyTable)
	}
	types := r.Settings.KeyTypes
	if len(types) == 0 {
		types = []settings.KeyType{{Type: "rsa", Bits: 2048}}
	}
	if len(types) > 1 && !r.MultipleSignatures {
		fmt.Fprintf(r.Out, "%s: one key, %s: MultipleSignatures is off in %s\n", domain, types[0], r.Settings.Config)
		types = types[:1]
	}
	if _, text := r.KeyTable.text(); text && beside == "" && p.commonFolder() == "" {
		return Outcome{}, fmt.Errorf("no row of %s names a key file: say with --folder where keys are to be", r.KeyTable)
	}
	g := &Generation{State: Made, Since: p.now, Created: p.now, Fresh: true}
	for _, t := range types {
		k, err := p.newKey(u, g, t, beside, len(types) > 1)
		if err != nil {
			return Outcome{}, err
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
	r.journal(Entry{Unit: u.Name, Act: "added"})
	return r.Run(ctx, domain)
}

// newKey reserves a key of a new domain, whose file is to be in the folder beside, "" for
// that of most others.
func (p *pass) newKey(u *Unit, g *Generation, t settings.KeyType, beside string, several bool) (Key, error) {
	k := Key{Domain: u.Name, Type: t.Type, Bits: t.Bits}
	if err := p.reserve(u, g, &k, several); err != nil {
		return k, err
	}
	k.Row = recordName(k.Selector, u.Name)
	p.place(&k, cmp.Or(beside, p.commonFolder()))
	return k, nil
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
	there, err := p.authorsThere(key)
	switch {
	case err != nil:
		p.notWritten(u, g, err)
		return false
	case there == values[0]:
		return true // written before
	case there != "":
		u.block(g, p.now, EditedByHand, fmt.Sprintf("%s has a row %s %s already", p.Signing, key, there))
		return false
	case p.Signing.Swap == nil:
		u.block(g, p.now, WaitsForHand, fmt.Sprintf("%s cannot be written from here: add the row %s %s", p.Signing, key, values[0]))
		return false
	}
	if err := p.Signing.Swap.Swap(p.ctx, []dataset.Change{{Key: key, New: values}}); err != nil {
		p.notWritten(u, g, err)
		return false
	}
	p.Durable("authors")
	err = p.Filter.Reload(p.ctx)
	if err == nil {
		return true
	}
	if u.retry = true; errors.Is(err, ErrReload) {
		back := p.Signing.Swap.Swap(p.ctx, []dataset.Change{{Key: key, Old: values}})
		u.block(g, p.now, ReloadRefused, errors.Join(err, back).Error())
	}
	return false
}

// authorsThere is what the SigningTable has for a key now, "" for no row.
func (p *pass) authorsThere(key string) (string, error) {
	if t, ok := p.Signing.text(); ok {
		rows, err := p.authors.of(t, key, 1)
		if err != nil || len(rows) == 0 || len(rows[0]) == 0 {
			return "", err
		}
		return rows[0][0], nil
	}
	values, err := uncached(p.Signing.Set).Lookup(p.ctx, key, 1)
	if notFound(err) || err == nil && len(values) == 0 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return values[0], nil
}

// authorsKey is the SigningTable's key for all authors of a domain.
func (p *pass) authorsKey(domain string) string {
	if t, ok := p.Signing.text(); ok && t.Patterns {
		return "*@" + domain
	}
	return domain
}

// authorRows are the rows of the SigningTable that name keys of a unit alone, as the
// changes that take them out. A row that names another key as well is an error: it is for
// a person to say what shall sign then.
func (p *pass) authorRows(u *Unit) (rows []dataset.Change, err error) {
	if p.Signing.Set == nil {
		return nil, nil
	}
	own := map[string]bool{}
	for _, g := range u.Generations {
		for _, k := range g.Keys {
			own[k.Row] = true
		}
	}
	set, done, err := p.Signing.fresh(p.ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	err = dataset.Walk(p.ctx, set, func(e dataset.Entry) error {
		if len(e.Values) == 0 {
			return nil
		}
		ours, others := 0, 0
		for name := range strings.SplitSeq(e.Values[0], ",") {
			if name = strings.TrimSpace(name); own[name] {
				ours++
			} else {
				others++
			}
		}
		if ours > 0 && others > 0 {
			return fmt.Errorf("%w: the row %s of %s names %s", errShared, e.Key, p.Signing, e.Values[0])
		}
		if ours > 0 {
			rows = append(rows, dataset.Change{Key: e.Key, Old: e.Values})
		}
		return nil
	})
	return rows, err
}

// errShared says that a row is not of one unit alone.
var errShared = errors.New("keys that stay are named beside those that go")

// Retire takes a domain's rows out, and lets its keys rest, be revoked and go. A domain
// that nobody adopted is, by what its rows say.
func (r *Rotator) Retire(ctx context.Context, domain string) (Outcome, error) {
	u, err := r.unit(domain)
	if errors.Is(err, ErrUnknown) {
		u, err = r.unadopted(ctx, domain)
	}
	if err != nil {
		return Outcome{}, err
	}
	if len(u.Domains) > 1 && domain != u.Name {
		return Outcome{}, fmt.Errorf("%s signs for %d domains: take %s out of its Group, or let all of them leave: "+
			"dojang keys retire %[1]s", u.Name, len(u.Domains), domain)
	}
	if _, err := r.pass(ctx, nil).giveUp(u, "the domain leaves"); err != nil {
		return Outcome{}, err
	}
	u.Leaving, u.Stopped = true, false
	if err := r.Store.Save(u); err != nil {
		return Outcome{}, err
	}
	r.journal(Entry{Unit: u.Name, Act: "retired"})
	return r.Run(ctx, u.Name)
}

// unadopted is the unit of a domain that has rows and was not adopted.
func (r *Rotator) unadopted(ctx context.Context, domain string) (*Unit, error) {
	tables, err := r.readTables(ctx)
	if err != nil {
		return nil, err
	}
	list := r.candidates(tables, []string{domain})
	if len(list) != 1 || list[0].reason != "" {
		return nil, fmt.Errorf("%s %w %s", domain, ErrUnknown, domain)
	}
	return r.unproven(ctx, tables, list[0]), nil
}

// leave takes the rows of a domain out: those of the SigningTable first.
func (p *pass) leave(u *Unit) {
	g := u.find(Signing, Switching)
	if g == nil {
		return
	}
	authors, err := p.authorRows(u)
	if errors.Is(err, errShared) {
		u.block(g, p.now, SharedRow, err.Error())
		return
	}
	keys, keysErr := p.rowsToLeave(u)
	if err = errors.Join(err, keysErr); err != nil {
		p.notWritten(u, g, err)
		return
	}
	if len(authors) > 0 && p.Signing.Swap == nil || len(keys) > 0 && p.KeyTable.Swap == nil {
		u.block(g, p.now, WaitsForHand, fmt.Sprintf("take the rows of %s out of %s and %s", u.Name, p.Signing, p.KeyTable))
		return
	}
	for _, step := range []struct {
		of      dataset.Swapper
		changes []dataset.Change
		what    string
	}{{p.Signing.Swap, authors, "authors"}, {p.KeyTable.Swap, keys, "rows"}} {
		if len(step.changes) == 0 {
			continue
		}
		if err := step.of.Swap(p.ctx, step.changes); err != nil {
			p.notWritten(u, g, err)
			return
		}
		p.wrote()
		p.Durable(step.what)
	}
	if err := p.Filter.Reload(p.ctx); err != nil {
		if u.retry = true; errors.Is(err, ErrReload) {
			u.block(g, p.now, ReloadRefused, err.Error())
		}
		return
	}
	for _, g := range u.Generations {
		if g.State == Signing || g.State == Switching {
			u.goOn(g)
			p.rest(u, g, nil)
		}
	}
	u.acted = true
	_ = p.save(u, string(Resting))
}

// rowsToLeave are the rows of a unit's keys that are still there, as the changes that
// take them out.
func (p *pass) rowsToLeave(u *Unit) (list []dataset.Change, err error) {
	seen := map[string]bool{}
	for _, g := range u.Generations {
		for _, k := range g.Keys {
			if seen[k.Row] {
				continue
			}
			row, there, err := p.current(p.ctx, k.Row)
			if err != nil {
				return nil, err
			}
			if there && row.Selector == k.Selector {
				seen[k.Row] = true
				list = append(list, dataset.Change{Key: k.Row, Old: row.values})
			}
		}
	}
	return list, nil
}
