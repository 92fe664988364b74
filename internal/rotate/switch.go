package rotate

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/keystore"
)

// switchAll puts proven keys into the tables, all of them with one write, and has
// the filter read it.
func (p *pass) switchAll(units []*Unit) {
	var ready []*Unit
	for _, u := range units {
		switch g := u.find(Ready, Switching); {
		case u.Leaving:
			p.leave(u)
		case g == nil:
		case g.State == Switching:
			ready = append(ready, u)
		case p.move(u, g, Switching, "") == nil:
			ready = append(ready, u)
		}
	}
	if len(ready) == 0 {
		return
	}
	written := p.writeRows(ready)
	if len(written) == 0 {
		return
	}
	if err := p.Filter.Reload(p.ctx); err != nil {
		p.notReloaded(written, err)
		return
	}
	for _, u := range written {
		p.awaitSigning(u)
	}
}

// writeRows writes the rows of units, those together that can be, and returns the
// units whose rows are as they shall be.
func (p *pass) writeRows(units []*Unit) (written []*Unit) {
	var changing []*Unit
	var changes []dataset.Change
	for _, u := range units {
		list, err := p.rowChanges(u, u.find(Switching))
		switch {
		case err != nil:
			p.notWritten(u, err)
		case len(list) == 0:
			written = append(written, u)
		case p.KeyTable.Swap == nil:
			p.writeByHand(u)
		default:
			changes, changing = append(changes, list...), append(changing, u)
		}
	}
	if len(changing) == 0 {
		return written
	}
	err := p.KeyTable.Swap.Swap(p.ctx, changes)
	p.Durable("rows")
	if err == nil {
		return append(written, changing...)
	}
	if len(changing) == 1 {
		p.notWritten(changing[0], err)
		return written
	}
	for _, u := range changing { // one of them keeps the others: each by itself
		written = append(written, p.writeRows([]*Unit{u})...)
	}
	return written
}

// rowChanges are what is left to write of a generation's rows: none, when all are
// written. ErrChanged says that one is neither as it was nor as it shall be.
func (p *pass) rowChanges(u *Unit, g *Generation) (changes []dataset.Change, err error) {
	for i := range g.Keys {
		k := &g.Keys[i]
		row, there, err := p.current(p.ctx, k.Row)
		if err != nil {
			return nil, err
		}
		with, err := p.newRow(k, row)
		if err != nil {
			return nil, err
		}
		switch {
		case there && row.Selector == k.Selector && strings.EqualFold(row.Domain, k.Domain):
			continue // written before
		case !there && g.Fresh:
			changes = append(changes, dataset.Change{Key: k.Row, New: with})
		case !there || g.Fresh || rowHash(row) != k.OldHash:
			return nil, fmt.Errorf("the row %q: %w", k.Row, dataset.ErrChanged)
		default:
			changes = append(changes, dataset.Change{Key: k.Row, Old: rowValues(row), New: with})
		}
	}
	return changes, nil
}

// newRow are the values of a row with its new key.
func (p *pass) newRow(k *Key, row keystore.Row) ([]string, error) {
	row.Domain, row.Selector = k.Domain, k.Selector
	if row.Algorithm != 0 && (row.Algorithm.String() == "ed25519-sha256") != (k.Type == "ed25519") {
		row.Algorithm = 0
	}
	if k.Path != "" {
		row.Key = k.Path
		return rowValues(row), nil
	}
	data, err := os.ReadFile(k.Pending)
	if err != nil {
		return nil, err
	}
	if keystore.IsWrapped([]byte(row.Key)) {
		if len(p.Recipients) == 0 {
			return nil, errors.New("the key is wrapped, and KeyIdentities names nobody to wrap the new one for")
		}
		row.Key, err = keystore.Wrap(data, p.Recipients...)
		return rowValues(row), err
	}
	row.Key = keystore.Column(data)
	return rowValues(row), nil
}

func (p *pass) notWritten(u *Unit, err error) {
	if errors.Is(err, dataset.ErrChanged) {
		u.block(p.now, EditedByHand, err.Error())
		return
	}
	u.block(p.now, CannotWriteTable, err.Error())
}

// writeByHand tells a person which row to write.
func (p *pass) writeByHand(u *Unit) {
	var lines []string
	for _, k := range u.find(Switching).Keys {
		where := k.Path
		if where == "" {
			where = "the key in " + k.Pending
		}
		lines = append(lines, fmt.Sprintf("row %q: selector %s, key %s", k.Row, k.Selector, where))
	}
	u.block(p.now, WaitsForHand, p.KeyTable.Spec+" cannot be written from here: "+strings.Join(lines, "; "))
}

// notReloaded puts rows back that the filter refuses: the old key is still published.
// A filter that does not answer reads them when it can.
func (p *pass) notReloaded(units []*Unit, err error) {
	for _, u := range units {
		if !errors.Is(err, ErrReload) {
			p.retry[u] = true
			fmt.Fprintf(p.Out, "%s: the filter was not told to read the tables: %s\n", u.Name, err)
			continue
		}
		g := u.find(Switching)
		var back []dataset.Change
		for i := range g.Keys {
			k := &g.Keys[i]
			old, was := p.tables.rows[k.Row]
			row, there, readErr := p.current(p.ctx, k.Row)
			if readErr != nil || !there {
				continue
			}
			c := dataset.Change{Key: k.Row, Old: rowValues(row)}
			if was && rowHash(old.Row) == k.OldHash {
				c.New = rowValues(old.Row)
			} else if !g.Fresh {
				continue
			}
			back = append(back, c)
		}
		if len(back) > 0 && p.KeyTable.Swap != nil {
			if swapErr := p.KeyTable.Swap.Swap(p.ctx, back); swapErr != nil {
				err = errors.Join(err, swapErr)
			}
		}
		u.block(p.now, ReloadRefused, err.Error())
		_ = p.move(u, g, Ready, "the filter refuses the tables: the old row is back")
	}
}

// awaitSigning ends the switch when the filter signs with the new keys.
func (p *pass) awaitSigning(u *Unit) {
	g := u.find(Switching)
	if g.Fresh && !p.addAuthors(u, g) {
		return
	}
	if !p.filterHas(u, g) {
		if p.Now().Sub(g.Since) > p.CacheTTL+time.Minute {
			p.retry[u] = true
		}
		return
	}
	u.goOn(ReloadRefused, EditedByHand, CannotWriteTable, WaitsForHand)
	old := u.signing()
	if old != nil && old != g {
		p.rest(u, old, g)
	}
	for i := range g.Keys {
		if k := &g.Keys[i]; k.Pending != "" {
			_ = os.Remove(k.Pending) // the row has it
		}
	}
	_ = p.move(u, g, Signing, "")
}

// rest sets what an old key waits for from now on; it is saved with its successor.
func (p *pass) rest(u *Unit, old, successor *Generation) {
	keep, why := p.Settings.KeepOld, "KeepOld"
	if p.SignatureTTL > 0 && p.SignatureTTL < keep {
		keep, why = p.SignatureTTL, "SignatureTTL"
	}
	if successor != nil && successor.Emergency {
		keep, why = successor.KeepOld, "--keep-old"
		old.Emergency = true
	}
	from := old.State
	old.State, old.Since = Resting, p.Now()
	old.Wait.begin(p.Now(), keep, why)
	p.tell(u, old, from, fmt.Sprintf("its record stays for %s after its last signature on any host", keep))
}

// filterHas reports whether the filter signs with every key of a generation: it lists
// them as loaded, or a message comes back signed.
func (p *pass) filterHas(u *Unit, g *Generation) bool {
	for _, domain := range u.Domains {
		names, err := p.Filter.Signs(p.ctx, "postmaster@"+domain)
		missing := slices.ContainsFunc(g.Keys, func(k Key) bool {
			return !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, recordName(k.Selector, domain)) })
		})
		if err == nil && !missing {
			continue
		}
		if !p.hostsHave(g, domain) {
			return false
		}
	}
	return true
}

// hostsHave reports whether the first host lists all keys of a generation.
func (p *pass) hostsHave(g *Generation, domain string) bool {
	if len(p.Hosts) == 0 {
		return false
	}
	keys, err := p.Hosts[0].Keys(p.ctx, domain, "", 0)
	if err != nil {
		return false
	}
	for _, k := range g.Keys {
		found := false
		for _, key := range keys {
			found = found || strings.EqualFold(key.Selector, k.Selector) && key.Problem == "" && strings.Contains(key.Record, "p="+k.Public)
		}
		if !found {
			return false
		}
	}
	return true
}
