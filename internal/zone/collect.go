package zone

import (
	"context"
	"fmt"
	"io"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
	"dojang/internal/keytable"
)

// Selection says which keys of a table go into a zone.
type Selection struct {
	Dataset    string
	Domain     string   // only keys of this domain
	Subdomains bool     // and of those below it
	EmailOnly  bool     // their records are for e-mail alone
	FullNames  bool     // names are absolute: a key for any domain has none
	Updates    bool     // likewise
	SkipLevel  int      // of -v at which rows of other domains are told
	Names      []string // of rows, for a table that cannot list them
}

// Collect makes the records of the keys. Every key that fails is told; then nothing is
// written, for a zone that silently lacks a key breaks mail. say tells what belongs to a
// level of -v.
func (o *Selection) Collect(ctx context.Context, cfg *config.Config, say func(int, string, ...any)) ([]Key, error) {
	table, err := keytable.Open(ctx, o.Dataset, cfg)
	if err != nil {
		return nil, err
	}
	defer table.Close()
	var found collection
	failed, n := false, -1
	said := false
	opened := func() {
		if !said {
			said = true
			say(1, "database opened")
		}
	}
	err = table.Rows(ctx, o.Names, func(place, text string) {
		failed = true
		say(0, "%s: %s", place, text)
	}, func(row keytable.Row) {
		opened()
		n++
		row, take := o.take(row)
		if !take {
			say(o.SkipLevel, "record %d for '%s' skipped", n, row.Name)
			return
		}
		say(2, "record %d for '%s' retrieved", n, row.Name)
		key, err := o.key(ctx, table, row)
		if err != nil {
			failed = true
			say(0, "key for '%s' load failed", row.Name)
			say(0, "%s: %v", row.Place, err)
			return
		}
		say(2, "key for '%s' loaded", row.Name)
		if other := found.Add(key); other != nil {
			failed = true
			say(0, "%s: '%s' is another key of the name %s than '%s' (%s): two records at one name make every signature fail",
				row.Place, row.Name, key.Record.Name(), other.Row, other.Place)
		}
	})
	if err != nil {
		return nil, exit.Errorf(1, "%w", err)
	}
	opened()
	if failed {
		return nil, exit.Silent(1)
	}
	return found.Keys, nil
}

// take reports whether a row's domain is asked for; a row for any domain ("%")
// becomes one of the domain named with -d.
func (o *Selection) take(row keytable.Row) (keytable.Row, bool) {
	if row.Domain == "%" {
		if o.Domain != "" {
			row.Domain = o.Domain
			return row, true
		}
		return row, !o.FullNames && !o.Updates
	}
	if o.Domain == "" || keycheck.SameDomain(row.Domain, o.Domain) {
		return row, true
	}
	return row, o.Subdomains && keycheck.IsSubdomain(row.Domain, o.Domain)
}

func (o *Selection) key(ctx context.Context, table *keytable.Table, row keytable.Row) (Key, error) {
	signer, err := table.Load(ctx, row.Filled())
	if err != nil {
		return Key{}, err
	}
	key, err := newKey(row.Name, row.Place, row.Domain, row.Selector, signer.Public())
	key.Record.EmailOnly = o.EmailOnly
	return key, err
}

// DefaultFormat is that of `dojang zone`.
const DefaultFormat = string(keyrecord.ZoneLine)

// IsFile reports whether a form of records is that of a zone file, in which other
// records may stand, too.
func IsFile(format string) (bool, error) {
	f, err := keyrecord.ParseFormat(format)
	return f == keyrecord.ZoneLine || f == keyrecord.Bind, err
}

// Write writes the records of keys in a form, each usable with hashes and alive for ttl
// seconds.
func Write(w io.Writer, format, hashes string, ttlSeconds int, keys []Key) error {
	f, err := keyrecord.ParseFormat(format)
	if err != nil {
		return err
	}
	records := make([]keyrecord.Record, len(keys))
	for i, k := range keys {
		k.Record.Hashes, k.Record.TTLSeconds = hashes, ttlSeconds
		records[i] = k.Record
	}
	return keyrecord.Write(w, f, records...)
}

// Signers is the set's keys in order, each once.
func Signers(ctx context.Context, spec string, cfg *config.Config) ([]string, error) {
	var domains []string
	seen := map[string]bool{}
	err := build.WalkSet(ctx, cfg, spec, func(e dataset.Entry, place string) error {
		domain, err := signer(e.Key)
		if err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
		if !seen[domain] {
			seen[domain] = true
			domains = append(domains, domain)
		}
		return nil
	})
	return domains, err
}
