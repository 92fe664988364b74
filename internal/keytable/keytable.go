// Package keytable holds the keys of a configuration as the filter reads them, for those
// who look at each: rows of a KeyTable of any type, or the one key of Domain, Selector and
// KeyFile; and whether DNS publishes them.
package keytable

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/keystore"
)

// Row is one row of a KeyTable.
type Row struct {
	Name string // key of the table, "" for a key that no table names
	keystore.Row
	Place string // "FILE:LINE", or the table's name
}

// Single is a key that no table names; without a path it has no private half.
func Single(domain, selector, path string) Row {
	if path == "" {
		return Row{Row: keystore.Row{Domain: domain, Selector: selector}}
	}
	return Row{Row: keystore.FileRow(domain, selector, path)}
}

// forSender is a row as it signs for a sender's domain, "" for its own; fits is false where it
// does not.
func (r Row) forSender(domain string) (_ Row, fits bool, err error) {
	switch {
	case r.Domain == "%" && domain == "":
		return r, true, fmt.Errorf("'%s' is a key for any domain: name one (dojang publish DOMAIN), "+
			"or all of them by Group %[1]s DOMAIN... in rotate.conf", r.Name)
	case domain != "" && r.Domain != "%" && !keycheck.SameDomain(r.Domain, domain):
		return r, false, nil
	}
	sender, err := r.ForSender(cmp.Or(domain, r.Domain))
	if err == nil {
		r.Row = sender
	}
	return r, true, err
}

// Filled is a row with its own domain in the place of "%", where that is one.
func (r Row) Filled() Row {
	if sender, err := r.ForSender(r.Domain); err == nil && r.Domain != "%" {
		r.Row = sender
	}
	return r
}

// Table reads keys as the filter does.
type Table struct {
	spec    string
	Config  *config.Config
	store   *keystore.Store
	options keystore.Options
	set     dataset.Set // nil when there is no table
}

// Open opens a KeyTable, or with an empty spec none: keys are loaded all the same.
func Open(ctx context.Context, spec string, cfg *config.Config) (*Table, error) {
	t := &Table{spec: spec, Config: cfg}
	var err error
	if t.options, err = keystore.ToolOptions(cfg.KeyIdentities.Value); err != nil {
		return nil, exit.Errorf(exit.Config, "KeyIdentities: %w", err)
	}
	if spec != "" {
		if t.set, err = build.OpenSet(ctx, cfg, spec); err != nil {
			return nil, exit.Errorf(exit.Config, "KeyTable: %w", err)
		}
	}
	t.store = keystore.New(t.set, t.options)
	return t, nil
}

// HasTable reports whether there is a table, whose rows can be had.
func (t *Table) HasTable() bool { return t.set != nil }

// Close closes the table.
func (t *Table) Close() {
	if t.set != nil {
		t.set.Close()
	}
}

// Rows calls f with the rows named, or without names with every row of the table.
// Malformed ones are told through bad. A table that cannot list its rows is asked for
// those that the SigningTable names.
func (t *Table) Rows(ctx context.Context, names []string, bad func(place, text string), f func(Row)) error {
	if len(names) > 0 {
		return t.named(ctx, names, bad, f)
	}
	err := keystore.Rows(ctx, t.set, dataset.Shown(t.spec), func(r keystore.TableRow) error {
		if r.Err != nil {
			bad(r.Place, fmt.Sprintf("KeyTable row %.200q: %v", r.Name, r.Err))
			return nil
		}
		f(Row{r.Name, r.Row, r.Place})
		return nil
	})
	if !errors.Is(err, dataset.ErrNoWalk) {
		return err
	}
	if names = t.signingNames(ctx); len(names) > 0 {
		return t.named(ctx, names, bad, f)
	}
	return fmt.Errorf("%s: %w: give the names of its rows behind it, or a configuration whose SigningTable has them",
		dataset.Shown(t.spec), err)
}

func (t *Table) named(ctx context.Context, names []string, bad func(place, text string), f func(Row)) error {
	for _, name := range names {
		row, err := t.store.Row(ctx, name)
		var missing *keystore.Error
		switch {
		case errors.As(err, &missing) && missing.NotFound:
			bad(dataset.Shown(t.spec), fmt.Sprintf("there is no row %.200q", name))
		case errors.As(err, &missing) && missing.Hint != "":
			bad(dataset.Shown(t.spec), missing.Text+": "+missing.Hint)
		case err != nil:
			return err
		default:
			f(Row{name, row, dataset.Shown(t.spec)})
		}
	}
	return nil
}

// signingNames are the keys that the configuration's SigningTable names, each once.
func (t *Table) signingNames(ctx context.Context) []string {
	spec := t.Config.SigningTable.Value
	if spec == "" || t.spec != t.Config.KeyTable.Value {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	_ = build.WalkSet(ctx, t.Config, spec, func(e dataset.Entry, _ string) error {
		if len(e.Values) > 0 && !seen[e.Values[0]] {
			seen[e.Values[0]] = true
			names = append(names, e.Values[0])
		}
		return nil
	})
	return names
}

// Load loads a row's key.
func (t *Table) Load(ctx context.Context, row Row) (crypto.Signer, error) {
	key, err := t.store.Load(ctx, row.Name, row.Row)
	if err != nil {
		return nil, err
	}
	return key.Signer, nil
}

// FirstDomain is the first of the configuration's Domain.
func FirstDomain(ctx context.Context, cfg *config.Config) string {
	domain := ""
	if spec := cfg.Domain.Value; spec != "" {
		_ = build.WalkSet(ctx, cfg, spec, func(e dataset.Entry, _ string) error {
			if domain == "" {
				domain = e.Key
			}
			return nil
		})
	}
	return domain
}

// LoadFile reads the private key in a file.
func LoadFile(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, err := keystore.LoadPrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// Signing are the keys that a configuration signs with; none when their names are not
// known. Rows that are malformed are left out.
func Signing(ctx context.Context, cfg *config.Config) (rows []Row) {
	add := func(r Row) { rows = append(rows, r) }
	if cfg.KeyTable.Value == "" {
		_ = singles(ctx, cfg, add)
		return rows
	}
	if t, err := Open(ctx, cfg.KeyTable.Value, cfg); err == nil {
		defer t.Close()
		_ = t.Rows(ctx, nil, func(string, string) {}, add)
	}
	return rows
}

// singles calls f with the key of each Domain where there is no KeyTable.
func singles(ctx context.Context, cfg *config.Config, f func(Row)) error {
	if cfg.Domain.Value == "" || cfg.Selector.Value == "" || cfg.KeyFile.Value == "" {
		return nil
	}
	return build.WalkSet(ctx, cfg, cfg.Domain.Value, func(e dataset.Entry, place string) error {
		row := Single(e.Key, cfg.Selector.Value, cfg.KeyFile.Value)
		row.Place = place
		f(row)
		return nil
	})
}

// Public are the public halves of the keys in the KeyTable, or of Domain, Selector and
// KeyFile, for one domain or all; groups has the domains of rows that are for any. bad is
// told of each row that cannot be used.
func Public(ctx context.Context, cfg *config.Config, domain string, groups map[string][]string, bad func(place, text string),
	f func(Row, crypto.PublicKey)) error {
	table, err := Open(ctx, cfg.KeyTable.Value, cfg)
	if err != nil {
		return err
	}
	defer table.Close()
	seen := false
	complain := func(place, text string) { seen = true; bad(place, text) }
	takeFor := func(row Row, domain string) {
		row, fits, err := row.forSender(domain)
		if !fits {
			return
		}
		key := crypto.Signer(nil)
		if err == nil {
			key, err = table.Load(ctx, row)
		}
		if err != nil {
			complain(row.Place, err.Error())
			return
		}
		seen = true
		f(row, key.Public())
	}
	take := func(row Row) {
		domains := []string{domain}
		if domain == "" && row.Domain == "%" && groups[row.Name] != nil {
			domains = groups[row.Name]
		}
		for _, domain := range domains {
			takeFor(row, domain)
		}
	}
	where := "KeyTable " + dataset.Shown(cfg.KeyTable.Value)
	if table.set != nil {
		err = table.Rows(ctx, nil, complain, take)
	} else {
		where = "Domain, Selector and KeyFile"
		err = singles(ctx, cfg, take)
	}
	switch {
	case err != nil:
		return exit.Errorf(exit.Config, "%s: %w", where, err)
	case !seen:
		return exit.Errorf(exit.Unavailable, "%s: no key for %s", where, cmp.Or(domain, "any domain"))
	}
	return nil
}

// Users are the domains that sign with the key in a file, by the configuration's
// KeyTable.
func Users(ctx context.Context, cfg *config.Config, path string) (domains []string) {
	path, _ = filepath.Abs(path)
	if cfg.KeyTable.Value == "" {
		return nil
	}
	for _, r := range Signing(ctx, cfg) {
		at := (keystore.Options{}).Locate(r.Key).Path
		if abs, err := filepath.Abs(at); at != "" && err == nil && abs == path && !slices.Contains(domains, r.Domain) {
			domains = append(domains, r.Domain)
		}
	}
	return domains
}
