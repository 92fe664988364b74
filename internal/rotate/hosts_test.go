package rotate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/keyrecord"
	"dojang/internal/keystore"
	"dojang/internal/status"
)

// filter is a host: the rows that it has loaded, and how it used them.
type filter struct {
	w       *world
	name    string
	silent  bool // its StatusSocket
	refuses bool // the tables
	down    bool
	lags    bool // it is not told to read its tables
	rows    []keystore.TableRow
	keys    *keystore.Store
	last    map[string]time.Time // by its clock
	total   map[string]uint64
}

func (f *filter) read() {
	set, err := dataset.Open(context.Background(), f.w.table, dataset.Options{})
	if err != nil {
		f.w.t.Fatal(err)
	}
	defer set.Close()
	f.rows = nil
	f.keys = f.w.loader()
	_ = keystore.Rows(context.Background(), set, f.w.table, func(row keystore.TableRow) error {
		f.rows = append(f.rows, row)
		return nil
	})
}

// sign signs a message with each row.
func (f *filter) sign() {
	for _, row := range f.rows {
		for _, domain := range f.domains(row) {
			name := recordName(row.Selector, domain)
			place := f.w.place(name)
			of, _ := row.ForSender(domain)
			key, err := f.keys.Load(context.Background(), row.Name, of)
			if err != nil {
				f.w.problem("%s cannot sign with %s: %s", f.name, row.Selector, err)
				continue
			}
			_, public, _ := keyrecord.PublicKey(key.Signer.Public())
			if why := f.w.believed(place, public); why != "" && !f.w.exempt[place] {
				f.w.problem("%s: %s signs with %s: %s", f.w.true_.Format(time.TimeOnly), f.name, name, why)
			}
			f.w.signed[place] = f.w.true_
			f.total[name]++
			if at := f.w.now().Add(time.Second).Truncate(time.Second); at.After(f.last[name]) {
				f.last[name] = at
			}
		}
	}
}

func (f *filter) domains(row keystore.TableRow) []string {
	if row.Domain != "%" {
		return []string{row.Domain}
	}
	return f.w.set.Groups[0].Domains
}

// Reload implements Filter.
func (f *filter) Reload(context.Context) error {
	if f.down {
		return errors.New("nobody answers")
	}
	if f.refuses {
		return fmt.Errorf("%w: a test", ErrReload)
	}
	f.read()
	for _, other := range f.w.filters[1:] {
		if !other.lags {
			other.read()
		}
	}
	return nil
}

// Signs implements Filter.
func (f *filter) Signs(_ context.Context, author string) (names []string, err error) {
	_, domain, _ := strings.Cut(author, "@")
	for _, row := range f.rows {
		if slices.Contains(f.domains(row), domain) {
			names = append(names, recordName(row.Selector, domain))
		}
	}
	return names, nil
}

// Address implements Host.
func (f *filter) Address() string { return "unix:/" + f.name }

// Server implements Host.
func (f *filter) Server(context.Context) (s status.Server, err error) {
	if f.silent {
		return s, fmt.Errorf("%s: no answer", f.Address())
	}
	return s, nil
}

// Keys implements Host.
func (f *filter) Keys(_ context.Context, domain, _ string, _ int) (list []status.Key, err error) {
	if f.silent {
		return nil, errors.New("no answer")
	}
	seen := map[string]bool{}
	for _, row := range f.rows {
		for _, d := range f.domains(row) {
			if domain != "" && d != domain {
				continue
			}
			name := recordName(row.Selector, d)
			seen[name] = true
			list = append(list, f.key(name, row.Name))
		}
	}
	for name := range f.last {
		if _, d, _ := strings.Cut(name, "._domainkey."); !seen[name] && (domain == "" || d == domain) {
			list = append(list, f.key(name, ""))
		}
	}
	return list, nil
}

func (f *filter) key(name, row string) status.Key {
	selector, domain, _ := strings.Cut(name, "._domainkey.")
	k := status.Key{Domain: domain, Selector: selector, Name: row, SignedTotal: f.total[name]}
	if at, used := f.last[name]; used {
		k.LastSigned = &at
	}
	return k
}
