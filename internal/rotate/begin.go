package rotate

import (
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
	"dojang/internal/privilege"
	"dojang/internal/rotate/settings"
)

// prepare makes the next keys of units that are due.
func (p *pass) prepare(units []*Unit) {
	p.inParallel(units, func(_ int, u *Unit) {
		g := u.signing()
		switch {
		case g == nil || u.next() != nil || u.Leaving:
		case !p.now.Before(p.dueAt(u)):
			p.begin(u, false, 0)
		default: // what kept it from beginning is no matter now
			u.goOn(g)
		}
		if g = u.find(Made); g == nil {
			return
		}
		if !p.inTime() {
			u.retry = true
			return
		}
		if p.makeKeys(u, g); g.Blocked == nil && g.whole() {
			p.planRecords(u, g)
			_ = p.move(u, g, Asked, "")
		}
	})
}

// whole reports whether every key of a generation was made.
func (g *Generation) whole() bool {
	return !slices.ContainsFunc(g.Keys, func(k Key) bool { return k.Public == "" })
}

// begin reserves selectors for the next keys of a unit: one key for each row, and the
// same for rows that are alike.
func (p *pass) begin(u *Unit, emergency bool, keepOld time.Duration) {
	old := u.signing()
	g := &Generation{State: Made, Since: p.now, Created: p.now, Emergency: emergency, KeepOld: keepOld}
	rows, err := p.rowsOf(u, old)
	if err != nil {
		u.block(old, p.now, EditedByHand, err.Error())
		return
	}
	for _, row := range rows {
		kind := p.kindFor(row, len(rows))
		k := Key{Row: row.name, Domain: row.Domain, Type: kind.Type, Bits: kind.Bits, OldHash: rowHash(row.Row)}
		if i := slices.IndexFunc(g.Keys, func(o Key) bool { return o.OldHash == k.OldHash }); i >= 0 {
			k.Selector, k.Path, k.Pending = g.Keys[i].Selector, g.Keys[i].Path, g.Keys[i].Pending
		} else {
			if err := p.reserve(u, g, &k, hasRSA(rows)); err != nil {
				u.block(old, p.now, Conflict, err.Error())
				return
			}
			p.place(&k, p.folderOf(u, &k))
		}
		g.Keys = append(g.Keys, k)
	}
	u.Generations = append(u.Generations, g)
	if err := p.save(u, "reserved"); err != nil {
		u.remove(g)
		return
	}
	u.acted, g.begun = true, true
	u.goOn(old)
}

// hasRSA reports whether one of the rows has an RSA key, beside which the selector of
// another kind says so.
func hasRSA(rows []unitRow) bool {
	return slices.ContainsFunc(rows, func(r unitRow) bool { return r.kind == "rsa" })
}

// kindFor is which kind of key follows that of a row: of the same type, unless the unit
// has one row and KeyTypes another one.
func (p *pass) kindFor(row unitRow, rows int) settings.KeyType {
	types := p.Settings.KeyTypes
	kind := settings.KeyType{Type: row.kind, Bits: row.bits}
	if i := slices.IndexFunc(types, func(t settings.KeyType) bool { return t.Type == row.kind }); i >= 0 {
		kind = types[i]
	} else if len(types) > 0 && rows == 1 {
		kind = types[0]
	}
	if kind.Type == "rsa" {
		kind.Bits = max(kind.Bits, 2048)
	}
	return kind
}

// unitRow is a row of a unit, and what kind of key it has.
type unitRow struct {
	name string
	keystore.Row
	kind string
	bits int
}

// rowsOf are the rows in which a generation's keys stand now.
func (p *pass) rowsOf(u *Unit, g *Generation) (rows []unitRow, err error) {
	for _, k := range g.Keys {
		row, ok := p.tables.rows[k.Row]
		if !ok || row.Err != nil || row.Selector != k.Selector {
			return nil, fmt.Errorf("the row %q is another one by now: %s", k.Row, u.asItIs())
		}
		rows = append(rows, unitRow{k.Row, row.Row, k.Type, k.Bits})
	}
	return rows, nil
}

// reserve finds a selector that stands nowhere: not in tables, files, state or DNS.
func (p *pass) reserve(u *Unit, g *Generation, k *Key, besideRSA bool) error {
	for _, domain := range u.Domains {
		if zone, ok := p.Settings.ZoneOf(domain); ok && zone.CNAME != "" {
			return p.reserveSlot(u, g, k, zone)
		}
	}
	base := settings.FormatSelector(p.Settings.SelectorFormat, p.now.UTC())
	ending := ""
	if k.Type == "ed25519" && besideRSA {
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
		if _, err := os.Lstat(p.keyPath(k, selector, p.folderOf(u, k))); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		report := p.Checker.Check(p.ctx, keycheck.Check{Domain: domain, Selector: selector, IgnoreServers: p.Settings.IgnoreServers})
		if (len(report.Texts) > 0 || len(report.Aliases) > 0) && !report.Wildcard() {
			return false
		}
	}
	return true
}

// reserveSlot takes a ring selector that is not in use, nor was of late, and at which
// nothing stands.
func (p *pass) reserveSlot(u *Unit, g *Generation, k *Key, zone settings.Zone) error {
	for _, selector := range zone.Ring {
		same := func(other Key) bool { return strings.EqualFold(other.Selector, selector) }
		used := u.Slots[selector] != nil || slices.ContainsFunc(g.Keys, same)
		for _, g := range u.Generations {
			used = used || slices.ContainsFunc(g.Keys, same)
		}
		for _, domain := range u.Domains {
			used = used || p.tables.selectors[recordName(selector, domain)] || p.slotStands(domain, selector)
		}
		if !used {
			k.Selector = selector
			return nil
		}
	}
	return fmt.Errorf("every selector of the ring %s is in use or was until now", strings.Join(zone.Ring, ","))
}

// slotStands reports whether a record stands where a ring selector's would.
func (p *pass) slotStands(domain, selector string) bool {
	r := Record{Domain: domain}
	if zone, ok := p.Settings.ZoneOf(domain); ok && zone.CNAME != "" {
		r.At = zone.RecordName(selector, domain)
	}
	report := p.lookThere(&Key{Selector: selector}, &r)
	return (len(report.Texts) > 0 || len(report.Aliases) > 0) && !report.Wildcard()
}

// folderOf is the folder of the key that a row has now, "" for one that stands in it.
func (p *pass) folderOf(u *Unit, k *Key) string {
	if path := p.pathOf(u, k); path != "" {
		return filepath.Dir(path)
	}
	return ""
}

// pathOf is the path of the key that a row has now, "" for one that stands in it. A row
// for several domains has one path for all of them.
func (p *pass) pathOf(u *Unit, k *Key) string {
	row, ok := p.tables.rows[k.Row]
	if !ok || row.Err != nil {
		return ""
	}
	of, err := row.ForSender(u.Domains[0])
	if err != nil {
		return ""
	}
	return p.KeyOf.Locate(of.Key).Path
}

func (p *pass) keyPath(k *Key, selector, folder string) string {
	name := keyrecord.ASCII(k.Domain)
	if k.Domain == "%" {
		name = k.Row
	}
	name = shortName(strings.ToLower(strings.ReplaceAll(name, "/", "_"))) + "." + selector + ".private"
	if folder == "" {
		return p.Store.path(filepath.Join("pending", name))
	}
	return filepath.Join(folder, name)
}

// place says where the key file shall be: in a folder, or, for "", where it waits for its row.
func (p *pass) place(k *Key, folder string) {
	if path := p.keyPath(k, k.Selector, folder); folder == "" {
		k.Pending = path
	} else {
		k.Path = path
	}
}

// file is where the private key is.
func (k *Key) file() string {
	if k.Path != "" {
		return k.Path
	}
	return k.Pending
}

// makeKeys makes the key files of a generation whose selectors are reserved. A file
// that is there and whole was made before a crash.
func (p *pass) makeKeys(u *Unit, g *Generation) {
	for i := range g.Keys {
		if err := p.makeKey(u, &g.Keys[i], g.begun); err != nil {
			u.block(g, p.now, CannotWriteTable, err.Error())
			return
		}
	}
	u.goOn(g)
}

func (p *pass) makeKey(u *Unit, k *Key, begun bool) error {
	path := k.file()
	if !begun {
		atomicfile.Sweep(path, 0) // of a run that was killed
	}
	if data, err := privilege.ReadFile(path); err == nil {
		return k.take(path, data)
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
		o.Mode, o.Owner = p.likeOld(u, k)
	}
	if err := atomicfile.Write(path, pair.PEM, o); err != nil {
		return err
	}
	p.Durable("key file")
	u.acted = true
	return nil
}

// take takes a key file that is there for the one that a killed run made.
func (k *Key) take(path string, data []byte) error {
	key, err := keystore.LoadPrivateKey(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	kind, public, err := keyrecord.PublicKey(key.Public())
	if err == nil && kind != k.Type {
		err = fmt.Errorf("%s is a key of the type %s", path, kind)
	}
	k.Public = public
	return err
}

// likeOld is the mode and owner of the key file that a row has now; of a row that is new,
// those of a key file in the same folder.
func (p *pass) likeOld(u *Unit, k *Key) (fs.FileMode, *atomicfile.Owner) {
	path := p.pathOf(u, k)
	if _, old := p.tables.rows[k.Row]; !old {
		for other := range p.tables.paths {
			if filepath.Dir(other) == filepath.Dir(k.Path) && (path == "" || other < path) {
				path = other
			}
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0o600, p.KeyOwner
	}
	uid, gid, ok := ownerOf(info)
	if !ok {
		return info.Mode().Perm(), nil
	}
	return info.Mode().Perm(), &atomicfile.Owner{UID: uid, GID: gid}
}

func publicText(public any) (string, error) {
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
			r := Record{Domain: domain, Name: recordName(k.Selector, domain), Publisher: zone.Publisher}
			if zone.CNAME != "" { // a ring selector: another key may have stood there
				r.At, r.PriorTTL = zone.RecordName(k.Selector, domain), int64(p.Settings.TTL/time.Second)
			}
			r.Text = keyrecord.Record{Selector: k.Selector, Domain: domain, KeyType: k.Type, PublicKey: k.Public, Hashes: "sha256"}.Text()
			k.Records = append(k.Records, r)
		}
	}
}
