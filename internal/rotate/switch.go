package rotate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/privilege"
	"dojang/internal/status"
)

// switchAll puts proven keys into the tables, all of them with one write, and has
// the filter read it.
func (p *pass) switchAll(units []*Unit) {
	ready := make([]bool, len(units))
	p.inParallel(units, func(i int, u *Unit) {
		switch g := u.find(Ready, Switching); {
		case u.Leaving || g == nil:
		case g.refused || !g.provenNow:
			ready[i] = g.State == Switching && p.rowsWritten(g)
		default:
			ready[i] = g.State == Switching || p.toSwitching(u, g) == nil
		}
	})
	var these []*Unit
	for i, u := range units {
		if ready[i] {
			these = append(these, u)
		}
		if u.Leaving {
			p.leave(u)
		}
	}
	if len(these) > 0 {
		p.switchThese(these)
	}
}

// toSwitching keeps what rows have, to put it back, and says that they are about to be
// written. What has a key in it is kept in a file of its own.
func (p *pass) toSwitching(u *Unit, g *Generation) error {
	for i := range g.Keys {
		k := &g.Keys[i]
		if g.Fresh {
			continue
		}
		row, there, err := p.current(p.ctx, k.Row)
		if err != nil || !there || rowHash(row.Row) != k.OldHash {
			continue // which is found out when the row is written
		}
		if k.Pending == "" {
			k.Old = row.values
			continue
		}
		data, err := json.Marshal(row.values)
		if err != nil {
			return err
		}
		if err := atomicfile.Write(k.oldRow(), data, atomicfile.Options{}); err != nil {
			u.block(g, p.now, CannotWriteTable, err.Error())
			return err
		}
	}
	return p.move(u, g, Switching, "")
}

// oldRow is the file that has the row which a key that stands in its row replaces.
func (k *Key) oldRow() string { return strings.TrimSuffix(k.Pending, ".private") + ".old" }

// switchThese writes the rows of units and has the filter read them. When it refuses
// them, they are put back, and tried by halves to find which it does not want.
func (p *pass) switchThese(units []*Unit) {
	written := p.writeRows(units)
	if len(written) == 0 {
		return
	}
	err := p.Filter.Reload(p.ctx)
	if err == nil {
		p.awaitSigning(written)
		return
	}
	if !errors.Is(err, ErrReload) {
		for _, u := range written {
			u.retry = true
		}
		p.complain("the filter was not told to read the tables: %s", err)
		return
	}
	if len(written) == 1 {
		p.putBack(written[0], err)
		return
	}
	for _, u := range written {
		if e := p.restoreRows(u); e != nil {
			err = errors.Join(err, e)
		}
	}
	if again := p.Filter.Reload(p.ctx); again != nil { // it is not for these rows
		for _, u := range written {
			p.putBack(u, again)
		}
		return
	}
	half := len(written) / 2
	p.switchThese(written[:half])
	p.switchThese(written[half:])
}

// writeRows writes the rows of units, those together that can be, and returns the
// units whose rows are as they shall be.
func (p *pass) writeRows(units []*Unit) (written []*Unit) {
	var changing []*Unit
	var changes []dataset.Change
	for _, u := range units {
		g := u.find(Switching)
		list, err := p.rowChanges(g)
		if err == nil && len(list) > 0 {
			if err := p.may(u, g, actSwitch); err != nil {
				u.block(g, p.now, CannotWriteTable, fmt.Sprintf("%s: mend it, or give the key up: dojang rotate abort %s", err, u.Name))
				continue
			}
		}
		switch {
		case err != nil:
			p.notWritten(u, g, err)
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
	p.wrote()
	p.Durable("rows")
	if err == nil {
		return append(written, changing...)
	}
	if len(changing) == 1 {
		p.notWritten(changing[0], changing[0].find(Switching), err)
		return written
	}
	for _, u := range changing { // one of them keeps the others: each by itself
		written = append(written, p.writeRows([]*Unit{u})...)
	}
	return written
}

// rowsWritten reports whether all rows of a generation are as they shall be.
func (p *pass) rowsWritten(g *Generation) bool {
	changes, err := p.rowChanges(g)
	return err == nil && len(changes) == 0
}

// rowChanges are what is left to write of a generation's rows: none, when all are
// written. ErrChanged says that one is neither as it was nor as it shall be.
func (p *pass) rowChanges(g *Generation) (changes []dataset.Change, err error) {
	for i := range g.Keys {
		k := &g.Keys[i]
		row, there, err := p.current(p.ctx, k.Row)
		if err != nil {
			return nil, err
		}
		if there && p.hasKey(row.Row, k) {
			continue // written before
		}
		if there && (g.Fresh || rowHash(row.Row) != k.OldHash) || !there && !g.Fresh {
			return nil, fmt.Errorf("the row %q: %w", k.Row, dataset.ErrChanged)
		}
		with, err := p.newRow(k, row)
		if err != nil {
			return nil, err
		}
		c := dataset.Change{Key: k.Row, New: with}
		if there {
			c.Old = row.values
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// hasKey reports whether a row has a key already.
func (p *pass) hasKey(row keystore.Row, k *Key) bool {
	if row.Selector != k.Selector || !strings.EqualFold(row.Domain, k.Domain) {
		return false
	}
	if k.Path != "" {
		return p.KeyOf.Locate(row.Key).Path == k.Path
	}
	of, err := row.ForSender(k.Records[0].Domain)
	if err != nil {
		return false
	}
	key, err := keystore.New(nil, p.KeyOf).Load(p.ctx, k.Row, of)
	if err != nil {
		return false
	}
	public, err := publicText(key.Signer.Public())
	return err == nil && public == k.Public
}

// newRow are the values of a row with its new key.
func (p *pass) newRow(k *Key, row written) ([]string, error) {
	if k.Path != "" {
		return row.with(k, k.Path), nil
	}
	if row.Key != "" && p.KeyOf.Locate(row.Key).Path != "" {
		return nil, errors.New("the row names a file: no key is written into the table")
	}
	data, err := privilege.ReadAsIs(k.Pending)
	if err != nil {
		return nil, err
	}
	if keystore.IsWrapped([]byte(row.Key)) || row.Key == "" && len(p.Recipients) > 0 {
		if len(p.Recipients) == 0 {
			return nil, errors.New("the key is wrapped, and KeyIdentities names nobody to wrap the new one for")
		}
		wrapped, err := keystore.Wrap(data, p.Recipients...)
		return row.with(k, wrapped), err
	}
	return row.with(k, keystore.Column(data)), nil
}

func (p *pass) notWritten(u *Unit, g *Generation, err error) {
	if errors.Is(err, dataset.ErrChanged) {
		u.block(g, p.now, EditedByHand, err.Error()+": "+u.asItIs())
		return
	}
	u.block(g, p.now, CannotWriteTable, err.Error())
}

// asItIs says what to do about a row that somebody changed or took away.
func (u *Unit) asItIs() string {
	return fmt.Sprintf("put it back, or take all rows as they are: dojang keys adopt %[1]s; of a domain that leaves: "+
		"dojang keys retire %[1]s", u.Name)
}

// writeByHand tells a person which row to write.
func (p *pass) writeByHand(u *Unit) {
	var lines []string
	g := u.find(Switching)
	for _, k := range g.Keys {
		where := k.Path
		if where == "" {
			where = "the key in " + k.Pending
		}
		lines = append(lines, fmt.Sprintf("row %q: selector %s, key %s", k.Row, k.Selector, where))
	}
	u.block(g, p.now, WaitsForHand, p.KeyTable.String()+" cannot be written from here: "+strings.Join(lines, "; "))
}

// putBack puts the rows back that the filter refuses: the old key is still published.
func (p *pass) putBack(u *Unit, err error) {
	g := u.find(Switching)
	if back := p.restoreRows(u); back != nil {
		err = errors.Join(err, back)
	}
	g.refused, g.provenNow = true, false
	u.block(g, p.now, ReloadRefused, err.Error())
	_ = p.move(u, g, Ready, "the filter refuses the tables: the old row is back")
}

// restoreRows writes the rows that were before, where the new ones stand.
func (p *pass) restoreRows(u *Unit) error {
	g := u.find(Switching)
	var back []dataset.Change
	for i := range g.Keys {
		k := &g.Keys[i]
		row, there, err := p.current(p.ctx, k.Row)
		if err != nil {
			return err
		}
		if !there || !p.hasKey(row.Row, k) {
			continue
		}
		old := k.Old
		if k.Pending != "" && !g.Fresh {
			data, err := privilege.ReadAsIs(k.oldRow())
			if err == nil {
				err = json.Unmarshal(data, &old)
			}
			if err != nil {
				return err
			}
		}
		back = append(back, dataset.Change{Key: k.Row, Old: row.values, New: old})
	}
	if len(back) == 0 || p.KeyTable.Swap == nil {
		return nil
	}
	err := p.KeyTable.Swap.Swap(p.ctx, back)
	p.wrote()
	p.Durable("rows back")
	return err
}

// signPatience is how long a filter may take to sign with a new key after it has read
// the tables.
const signPatience = time.Minute

// awaitSigning ends the switch of units with whose new keys the filter signs. Those of domains
// that are new have no authors in the SigningTable yet, which is written once for each.
func (p *pass) awaitSigning(units []*Unit) {
	units = slices.DeleteFunc(slices.Clone(units), func(u *Unit) bool {
		g := u.find(Switching)
		return g.Fresh && !p.addAuthors(u, g)
	})
	p.inParallel(units, func(_ int, u *Unit) { p.endSwitch(u, u.find(Switching)) })
}

func (p *pass) endSwitch(u *Unit, g *Generation) {
	if !p.filterHas(u, g) {
		if since := p.Now().Sub(g.Since); since > p.CacheTTL+signPatience || since < 0 {
			u.retry = true
			u.block(g, p.now, HostLags, "the filter has read its tables, and does not sign with the new key")
		}
		return
	}
	u.goOn(g)
	if old := u.signing(); old != nil {
		p.rest(u, old, g)
	}
	if p.move(u, g, Signing, "") != nil {
		return
	}
	for i := range g.Keys {
		if k := &g.Keys[i]; k.Pending != "" { // the row has it
			_ = os.Remove(k.Pending)
			_ = os.Remove(k.oldRow())
		}
	}
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
	old.State, old.Since, old.Blocked = Resting, p.Now(), nil
	old.Wait.begin(p.instant(), keep, why)
	p.undone(old)
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

// hostsHave reports whether a host lists all keys of a generation.
func (p *pass) hostsHave(g *Generation, domain string) bool {
	return slices.ContainsFunc(p.Hosts, func(h Host) bool {
		keys, err := h.Keys(p.ctx, domain, "", 0)
		if err != nil {
			return false
		}
		return !slices.ContainsFunc(g.Keys, func(k Key) bool {
			return !slices.ContainsFunc(keys, func(key status.Key) bool {
				return strings.EqualFold(key.Selector, k.Selector) && key.Problem == "" && strings.HasSuffix(key.Record, "p="+k.Public)
			})
		})
	})
}
