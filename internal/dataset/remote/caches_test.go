package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"dojang/internal/dataset"
)

// lend opens a set whose rows outlive it, as a reload does.
func lend(t *testing.T, caches *Caches, srv *server, spec, settings string, o Options) *Set {
	t.Helper()
	o.Caches, o.Settings = caches, settings
	parsed, err := dataset.ParseSpec(spec)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), srv, o.For(parsed, dataset.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestRowsOutliveTheSet(t *testing.T) {
	srv, c, caches := newServer(), newClock(), new(Caches)
	const spec = "redis://:secret@h/0?hash=keys"
	old := lend(t, caches, srv, spec, "", Options{Now: c.Now})
	lookup := func(s *Set, key string, asks int64) {
		t.Helper()
		before := srv.asked.Load()
		_, err := s.Lookup(t.Context(), key, 1)
		if n := srv.asked.Load() - before; n != asks || err != nil && !errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("%s: asked %d times, want %d: %v", key, n, asks, err)
		}
	}
	lookup(old, "one", 1)
	lookup(old, "none", 1)
	next := lend(t, caches, srv, spec, "", Options{Now: c.Now, TTL: time.Hour})
	old.Close()
	old.Close() // counts once
	lookup(next, "one", 0)
	lookup(next, "none", 0)
	lookup(lend(t, caches, srv, "redis://:other@h/0?hash=keys", "", Options{Now: c.Now}), "one", 1) // another text
	lookup(lend(t, caches, srv, spec, "cn=reader", Options{Now: c.Now}), "one", 1)                  // another setting
	lookup(lend(t, nil, srv, spec, "", Options{Now: c.Now}), "one", 1)                              // on its own
	// The time to live is the asking set's own.
	c.add(time.Minute)
	lookup(next, "one", 0)
	lookup(lend(t, caches, srv, spec, "", Options{Now: c.Now}), "one", 1)
	lookup(next, "none", 1)
}

// A server that is away at a reload with SoftStart: the rows are there.
func TestRowsOutliveTheSetInAnOutage(t *testing.T) {
	srv, c, caches := newServer(), newClock(), new(Caches)
	old := lend(t, caches, srv, "redis://h", "", Options{Now: c.Now})
	if _, err := old.Lookup(t.Context(), "one", 1); err != nil {
		t.Fatal(err)
	}
	srv.set(errAway)
	c.add(time.Hour)
	spec, _ := dataset.ParseSpec("redis://h")
	if _, err := Open(t.Context(), srv, Options{Now: c.Now, Caches: caches}.For(spec, dataset.Options{})); !dataset.IsTemporary(err) {
		t.Errorf("without SoftStart: %v", err)
	}
	if n := caches.lent[old.o.source].users; n != 1 {
		t.Errorf("%d users after a reload that failed", n)
	}
	next := lend(t, caches, srv, "redis://h", "", Options{Now: c.Now, SoftStart: true})
	old.Close()
	if v, err := next.Lookup(t.Context(), "one", 1); err != nil || v[0] != "v1" {
		t.Errorf("last known row: %v, %v", v, err)
	}
}

// Nobody keeps what nobody uses; and each set keeps within its own bound.
func TestCachesAreBounded(t *testing.T) {
	srv, caches := newServer(), new(Caches)
	large := lend(t, caches, srv, "redis://h", "", Options{})
	for i := range 100 {
		_, _ = large.Lookup(t.Context(), fmt.Sprint(i), 1)
	}
	small := lend(t, caches, srv, "redis://h", "", Options{MaxBytes: 2000})
	if n, _ := small.cache.size(); n != 100 {
		t.Errorf("opening a set changed the cache of the one in use: %d entries", n)
	}
	_, _ = small.Lookup(t.Context(), "new", 1)
	if n, _ := small.cache.size(); n != 9 {
		t.Errorf("%d entries", n)
	}
	large.Close()
	if len(caches.lent) != 1 {
		t.Errorf("%d caches", len(caches.lent))
	}
	small.Close()
	if len(caches.lent) != 0 {
		t.Errorf("%d caches are kept for nobody", len(caches.lent))
	}
	_, _ = small.Lookup(t.Context(), "late", 1) // an answer that comes after the close harms nobody
}

// Sets come and go while others look up: no row of another source is ever
// answered.
func TestReloadsUnderLoad(t *testing.T) {
	caches := new(Caches)
	var wg sync.WaitGroup
	for source := range 2 {
		srv := newServer()
		srv.rows["one"] = []string{fmt.Sprint(source)}
		for range 4 {
			wg.Go(func() {
				for range 200 {
					s := lend(t, caches, srv, fmt.Sprintf("redis://h/%d", source), "",
						Options{TTL: time.Duration(source) * time.Millisecond})
					for _, key := range []string{"one", "none"} {
						v, err := s.Lookup(context.Background(), key, 1)
						if key == "one" && (err != nil || v[0] != fmt.Sprint(source)) || key == "none" &&
							!errors.Is(err, dataset.ErrNotFound) {
							t.Errorf("%d: %s: %v, %v", source, key, v, err)
						}
					}
					s.Close()
				}
			})
		}
	}
	wg.Wait()
	if len(caches.lent) != 0 {
		t.Errorf("%d caches are kept for nobody", len(caches.lent))
	}
}

// size is the number of entries and of the bytes they take.
func (c *cache) size() (entries int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID.Len(), c.byID.Cost()
}
