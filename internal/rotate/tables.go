package rotate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"dojang/internal/dataset"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
)

// tables are the rows of the KeyTable as they are at the beginning of a run.
type tables struct {
	rows      map[string]keystore.TableRow // by name
	byDomain  map[string][]string          // names by unitName of d=
	selectors map[string]bool              // s._domainkey.d
	paths     map[string]int               // how many rows use a key file
}

func (r *Rotator) readTables(ctx context.Context) (*tables, error) {
	t := &tables{rows: map[string]keystore.TableRow{}, byDomain: map[string][]string{}, selectors: map[string]bool{},
		paths: map[string]int{}}
	set, done, err := r.KeyTable.fresh(ctx)
	if err != nil {
		return t, err
	}
	defer done()
	err = keystore.Rows(ctx, set, r.KeyTable.String(), func(row keystore.TableRow) error {
		t.add(row, r.KeyOf)
		return nil
	})
	return t, err
}

// text is the table as a file, if it is one.
func (t Table) text() (dataset.TextTable, bool) {
	of, ok := t.Swap.(dataset.TextTable)
	return of, ok
}

// fresh is the table as it is now: one that is a file was read when it was opened, and
// may have been written since.
func (t Table) fresh(ctx context.Context) (set dataset.Set, done func(), err error) {
	if _, text := t.text(); !text {
		return t.Set, func() {}, nil
	}
	if set, err = dataset.Open(ctx, t.Spec, dataset.Options{}); err != nil {
		return nil, nil, err
	}
	return set, func() { set.Close() }, nil
}

func (t *tables) add(row keystore.TableRow, o keystore.Options) {
	if _, twice := t.rows[row.Name]; twice && row.Err == nil {
		t.paths[o.Locate(row.Key).Path]++
		return
	}
	t.rows[row.Name] = row
	if row.Err != nil {
		return
	}
	domain := keyrecord.Canonical(row.Domain)
	t.byDomain[domain] = append(t.byDomain[domain], row.Name)
	t.selectors[recordName(row.Selector, domain)] = true
	if path := o.Locate(row.Key).Path; path != "" {
		t.paths[path]++
	}
}

// recordName is where the record of a key stands.
func recordName(selector, domain string) string {
	return keyrecord.Canonical(selector) + "._domainkey." + keyrecord.Canonical(domain)
}

// rowHash reports whether a row is still the one it was, without its key.
func rowHash(row keystore.Row) string {
	values := []string{row.Domain, row.Selector, row.Key}
	if row.Algorithm != 0 {
		values = append(values, row.Algorithm.String())
	}
	sum := sha256.Sum256([]byte(strings.Join(values, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// textRows are the rows of a table that is a file, by key, as they were read last.
type textRows struct {
	mu   sync.Mutex
	as   fs.FileInfo // the file that was read
	rows map[string][][]string
}

// of returns the values of the rows of a key, at most n each, as the file has them now. It is
// read again when it is another one, or was written.
func (c *textRows) of(t dataset.TextTable, key string, n int) ([][]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(t.Path)
	if err == nil && c.as != nil && os.SameFile(info, c.as) && info.Size() == c.as.Size() && info.ModTime().Equal(c.as.ModTime()) {
		return c.rows[key], nil
	}
	c.as = info // before it is read: what is written meanwhile is seen the next time
	if c.rows, err = t.All(n); err != nil {
		c.as = nil
	}
	return c.rows[key], err
}

// columns is into how many values rows are split at most: domain, selector, key, algorithm.
const columns = 4

// current reads a row as it stands now, past every cache; false when there is none.
func (r *Rotator) current(ctx context.Context, name string) (written, bool, error) {
	if text, ok := r.KeyTable.text(); ok {
		rows, err := r.keyRows.of(text, name, columns)
		if err != nil || len(rows) == 0 {
			return written{}, false, err
		}
		row, err := readRow(rows[0])
		return row, err == nil, err
	}
	values, err := uncached(r.KeyTable.Set).Lookup(ctx, name, columns)
	if notFound(err) {
		return written{}, false, nil
	}
	if err != nil {
		return written{}, false, err
	}
	if len(values) == 1 {
		values = dataset.Split(values[0], columns)
	}
	row, err := readRow(values)
	return row, err == nil, err
}

// uncached is a set without what keeps its answers.
func uncached(set dataset.Set) dataset.Set {
	for {
		u, ok := set.(interface{ Unwrap() dataset.Set })
		if !ok {
			return set
		}
		set = u.Unwrap()
	}
}

// quoteAll shows names in words.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}
