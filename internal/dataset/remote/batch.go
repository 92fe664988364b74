package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"dojang/internal/dataset"
)

// maxFan bounds how many keys of one batch are asked for at once of a back-end
// that takes one key at a time.
const maxFan = 8

// LookupBatch asks for several keys at once.
//
// While the server is away the answer is made of what is in the cache, rows and
// absences, if it holds a row and everything before that row is known: then the
// first match is the one that the server last gave. Otherwise it fails.
func (s *Set) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	start := s.o.Now()
	asked := s.withSmall(keys)
	rows := make(map[string]*entry, len(asked))
	missing := s.collect(rows, asked, columns, start)
	outcome := Cached
	var err error
	if len(missing) > 0 {
		outcome = NotFound
		if err = s.fetch(ctx, missing, columns); err == nil || dataset.IsTemporary(err) {
			for _, k := range missing {
				if e := s.cache.get(entryID{k, columns}); e != nil && (err == nil || s.usable(e, err)) {
					rows[k] = e
				}
			}
		}
	}
	result, found, known := s.assemble(keys, rows)
	switch {
	case err == nil && !known:
		err = s.away(errors.New("answer was dropped from the cache"))
		fallthrough
	case err != nil && (!found || !known || !dataset.IsTemporary(err)):
		s.tell(Failed, start)
		return nil, err
	case err != nil:
		outcome = Stale
	case found && outcome == NotFound:
		outcome = Found
	}
	s.tell(outcome, start)
	return result, nil
}

// withSmall adds to the keys their small letters, where these differ.
func (s *Set) withSmall(keys []string) []string {
	if !s.o.FoldCase {
		return keys
	}
	all, there := slices.Clone(keys), make(map[string]bool, len(keys))
	for _, k := range keys {
		there[k] = true
	}
	for _, k := range keys {
		if small := dataset.Fold(k); !there[small] {
			there[small] = true
			all = append(all, small)
		}
	}
	return all
}

// collect takes what is fresh from the cache and returns the keys that are not.
func (s *Set) collect(rows map[string]*entry, keys []string, columns int, now time.Time) (missing []string) {
	asked := make(map[string]bool, len(keys))
	for _, k := range keys {
		if e := s.fresh(entryID{k, columns}, now); e != nil {
			rows[k] = e
		} else if !asked[k] {
			asked[k] = true
			missing = append(missing, k)
		}
	}
	return missing
}

// assemble puts the rows into the order of the keys. known reports whether all
// before the first row is.
func (s *Set) assemble(keys []string, rows map[string]*entry) (result [][]string, found, known bool) {
	known = true
	result = make([][]string, len(keys))
	for i, k := range keys {
		e := rows[k]
		if s.o.FoldCase && (e == nil || !e.found) {
			if small := rows[dataset.Fold(k)]; small != nil && small.found || e != nil {
				e = small
			}
		}
		switch {
		case e == nil && !found:
			known = false
		case e != nil && e.found:
			result[i] = append([]string{}, e.values...)
			found = true
		}
	}
	return result, found, known
}

// fetch asks the server and stores what it says.
func (s *Set) fetch(ctx context.Context, keys []string, columns int) error {
	if s.batch == nil {
		return s.fetchEach(ctx, keys, columns)
	}
	return s.fly(ctx, flightKey(columns, keys...), func(ctx context.Context) error {
		rows, err := s.batch.LookupBatch(ctx, keys, columns)
		if err != nil {
			return err
		}
		for i, values := range rows {
			s.store(entryID{keys[i], columns}, values, values != nil)
		}
		return nil
	})
}

func (s *Set) fetchEach(ctx context.Context, keys []string, columns int) error {
	var wg sync.WaitGroup
	errs := make([]error, len(keys))
	fan := make(chan struct{}, maxFan)
	for i, k := range keys {
		fan <- struct{}{}
		wg.Go(func() {
			defer func() { <-fan }()
			errs[i] = s.fly(ctx, flightKey(columns, k), func(ctx context.Context) error {
				values, err := s.backend.Lookup(ctx, k, columns)
				if err == nil || errors.Is(err, dataset.ErrNotFound) {
					s.store(entryID{k, columns}, values, err == nil)
					return nil
				}
				return err
			})
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
