package rotate

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dojang/internal/atomicfile"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/rotate/settings"
)

// prepare makes the next keys of units that are due.
func (p *pass) prepare(units []*Unit) {
	for _, u := range units {
		if u.next() == nil && !u.Leaving && u.signing() != nil && !p.now.Before(p.dueAt(u)) {
			p.begin(u, false, 0)
		}
		if g := u.find(Made); g != nil {
			p.makeKeys(u, g)
		}
	}
}

// begin reserves selectors for the next keys of a unit: one key for each row.
func (p *pass) begin(u *Unit, emergency bool, keepOld time.Duration) {
	old := u.signing()
	g := &Generation{State: Made, Since: p.now, Created: p.now, Emergency: emergency, KeepOld: keepOld}
	rows := p.rowsOf(u, old)
	for _, row := range rows {
		types := p.Settings.KeyTypes
		kind := settings.KeyType{Type: row.kind, Bits: row.bits}
		if i := slices.IndexFunc(types, func(t settings.KeyType) bool { return t.Type == row.kind }); i >= 0 {
			kind = types[i]
		}
		if kind.Type == "rsa" && kind.Bits < 2048 {
			kind.Bits = 2048
		}
		k := Key{Row: row.name, Domain: row.Domain, Type: kind.Type, Bits: kind.Bits, OldHash: rowHash(row.Row)}
		if err := p.reserve(u, g, &k, len(rows) > 1); err != nil {
			u.block(p.now, Conflict, err.Error())
			return
		}
		p.place(&k, row.Row)
		g.Keys = append(g.Keys, k)
	}
	if len(g.Keys) == 0 {
		u.block(p.now, EditedByHand, "none of its rows is in the KeyTable any more")
		return
	}
	u.Generations = append(u.Generations, g)
	if err := p.save(u, "reserved"); err != nil {
		u.Generations = u.Generations[:len(u.Generations)-1]
		return
	}
	p.acted[u] = true
	u.goOn()
}

// unitRow is a row of a unit, and what kind of key it has.
type unitRow struct {
	name string
	keystore.Row
	kind string
	bits int
}

// rowsOf are the rows in which a generation's keys stand now.
func (p *pass) rowsOf(u *Unit, g *Generation) (rows []unitRow) {
	for _, k := range g.Keys {
		row, ok := p.tables.rows[k.Row]
		if !ok || row.Err != nil || row.Selector != k.Selector {
			u.block(p.now, EditedByHand, fmt.Sprintf("the row %q is another one by now", k.Row))
			continue
		}
		rows = append(rows, unitRow{k.Row, row.Row, k.Type, k.Bits})
	}
	return rows
}

// reserve finds a selector that stands nowhere: not in tables, files, state or DNS.
func (p *pass) reserve(u *Unit, g *Generation, k *Key, pair bool) error {
	if zone, ok := p.Settings.ZoneOf(u.Domains[0]); ok && zone.CNAME != "" {
		return p.reserveSlot(u, k, zone)
	}
	base := settings.FormatSelector(p.Settings.SelectorFormat, p.now.UTC())
	ending := ""
	if k.Type == "ed25519" && pair {
		ending = "-ed25519"
	}
	const suffixes = "bcdefghijklmnopqrstuvwxyz"
	for i := -1; i < len(suffixes)*len(suffixes); i++ {
		suffix := ""
		if i >= len(suffixes) {
			suffix = suffixes[i/len(suffixes)-1 : i/len(suffixes)]
		}
		if i >= 0 {
			suffix += suffixes[i%len(suffixes) : i%len(suffixes)+1]
		}
		selector := base + suffix + ending
		if p.free(u, g, k, selector) {
			k.Selector = selector
			return nil
		}
	}
	return fmt.Errorf("every selector %s… is taken", base)
}

// free reports whether a selector stands nowhere yet.
func (p *pass) free(u *Unit, g *Generation, k *Key, selector string) bool {
	same := func(other Key) bool { return strings.EqualFold(other.Selector, selector) }
	if slices.ContainsFunc(g.Keys, same) || slices.ContainsFunc(u.Used, func(s string) bool { return strings.EqualFold(s, selector) }) {
		return false
	}
	for _, other := range u.Generations {
		if slices.ContainsFunc(other.Keys, same) {
			return false
		}
	}
	for _, domain := range u.Domains {
		if p.tables.selectors[recordName(selector, domain)] {
			return false
		}
		if _, err := os.Lstat(p.keyPath(k, selector, p.folderOf(k))); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		report := p.Checker.Check(p.ctx, keycheck.Check{Domain: domain, Selector: selector, IgnoreServers: p.Settings.IgnoreServers})
		if len(report.Texts) > 0 || len(report.Aliases) > 0 {
			if !wildcard(report) {
				return false
			}
		}
	}
	return true
}

// wildcard reports whether what stands at a name comes from one that fits every name:
// it does not keep a record of its own from being put there.
func wildcard(r *keycheck.Report) bool {
	return slices.ContainsFunc(r.Faults, func(f keyrecord.Fault) bool { return f.Code == keyrecord.FaultWildcard })
}

// reserveSlot takes a ring selector that is not in use, nor was of late.
func (p *pass) reserveSlot(u *Unit, k *Key, zone settings.Zone) error {
	for _, selector := range zone.Ring {
		used := u.Slots[selector] != nil
		for _, g := range u.Generations {
			used = used || slices.ContainsFunc(g.Keys, func(k Key) bool { return strings.EqualFold(k.Selector, selector) })
		}
		if !used && !p.tables.selectors[recordName(selector, u.Domains[0])] {
			k.Selector = selector
			return nil
		}
	}
	return fmt.Errorf("every selector of the ring %s is in use or was until now", strings.Join(zone.Ring, ","))
}

// folderOf is the folder of the key that a row has now, "" for one that stands in it.
func (p *pass) folderOf(k *Key) string {
	row, ok := p.tables.rows[k.Row]
	if !ok || row.Err != nil {
		return ""
	}
	of, err := row.ForSender(k.Domain)
	if err != nil {
		return ""
	}
	if path := p.KeyOf.Locate(of.Key).Path; path != "" {
		return filepath.Dir(path)
	}
	return ""
}

func (p *pass) keyPath(k *Key, selector, folder string) string {
	name := keyrecord.ASCII(k.Domain)
	if k.Domain == "%" {
		name = k.Row
	}
	name = strings.ToLower(strings.ReplaceAll(name, "/", "_")) + "." + selector + ".private"
	if folder == "" {
		return p.Store.path(filepath.Join("pending", name))
	}
	return filepath.Join(folder, name)
}

// place says where the key file shall be: beside the one that the row has now.
func (p *pass) place(k *Key, row keystore.Row) {
	folder := p.folderOf(k)
	path := p.keyPath(k, k.Selector, folder)
	if folder == "" {
		k.Pending = path
		return
	}
	k.Path = path
}

// makeKeys makes the key files of a generation whose selectors are reserved. A file
// that is there and whole was made before a crash.
func (p *pass) makeKeys(u *Unit, g *Generation) {
	for i := range g.Keys {
		if err := p.makeKey(u, &g.Keys[i]); err != nil {
			u.block(p.now, CannotWriteTable, err.Error())
			return
		}
	}
	p.planRecords(u, g)
	_ = p.move(u, g, Asked, "")
}

func (p *pass) makeKey(u *Unit, k *Key) error {
	path := k.Path
	if path == "" {
		path = k.Pending
	}
	if data, err := os.ReadFile(path); err == nil {
		key, err := keystore.LoadPrivateKey(data)
		if err == nil {
			k.Public, err = publicText(key.Public())
		}
		return err
	}
	var pair keystore.Pair
	var err error
	if k.Type == "ed25519" {
		pair, err = keystore.GenerateEd25519()
	} else {
		pair, err = keystore.GenerateRSA(k.Bits)
	}
	if err != nil {
		return err
	}
	if k.Public, err = publicText(pair.Public); err != nil {
		return err
	}
	o := atomicfile.Options{New: true}
	if k.Path != "" {
		o.Mode, o.Owner = p.likeOld(k)
	}
	if err := atomicfile.Write(path, pair.PEM, o); err != nil {
		return err
	}
	p.Durable("key file")
	p.acted[u] = true
	return nil
}

// likeOld is the mode and owner of the key file that a row has now.
func (p *pass) likeOld(k *Key) (fs.FileMode, *atomicfile.Owner) {
	row := p.tables.rows[k.Row]
	of, err := row.ForSender(k.Domain)
	if err != nil {
		return 0o600, nil
	}
	info, err := os.Stat(p.KeyOf.Locate(of.Key).Path)
	if err != nil {
		return 0o600, nil
	}
	uid, gid, ok := ownerOf(info)
	if !ok {
		return info.Mode().Perm(), nil
	}
	return info.Mode().Perm(), &atomicfile.Owner{UID: uid, GID: gid}
}

func publicText(public any) (string, error) {
	if key, ok := public.(ed25519.PublicKey); ok {
		public = key
	}
	_, text, err := keyrecord.PublicKey(public)
	return text, err
}

// planRecords says which record each key needs for each domain.
func (p *pass) planRecords(u *Unit, g *Generation) {
	for i := range g.Keys {
		k := &g.Keys[i]
		k.Records = nil
		for _, domain := range u.Domains {
			zone, _ := p.Settings.ZoneOf(domain)
			r := Record{Domain: domain, Name: recordName(keyrecord.ASCII(k.Selector), keyrecord.ASCII(domain)), Publisher: zone.Publisher}
			if zone.CNAME != "" {
				r.At = zone.RecordName(k.Selector, domain)
			}
			r.Text = keyrecord.Record{Selector: k.Selector, Domain: domain, KeyType: k.Type, PublicKey: k.Public, Hashes: "sha256"}.Text()
			k.Records = append(k.Records, r)
		}
	}
}
