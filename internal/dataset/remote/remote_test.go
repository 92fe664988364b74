package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
)

// server is a back-end that can be away, slow and counted.
type server struct {
	mu    sync.Mutex
	rows  map[string][]string
	err   error
	asked atomic.Int64
	gate  chan struct{} // nil: answers at once
	busy  atomic.Int64
	most  atomic.Int64
}

func newServer() *server {
	s := &server{rows: map[string][]string{}}
	for _, r := range datasettest.Rows() {
		s.rows[r.Key] = r.Values
	}
	return s
}

func (s *server) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	s.asked.Add(1)
	n := s.busy.Add(1)
	defer s.busy.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return nil, &dataset.Error{Err: ctx.Err(), Temp: true}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	values, ok := s.rows[key]
	if !ok {
		return nil, dataset.ErrNotFound
	}
	return values[:min(columns, len(values))], nil
}

func (s *server) Ping(context.Context) error { s.mu.Lock(); defer s.mu.Unlock(); return s.err }
func (s *server) Close() error               { return nil }
func (s *server) set(err error)              { s.mu.Lock(); s.err = err; s.mu.Unlock() }

// batchServer answers several keys at once.
type batchServer struct{ *server }

func (b batchServer) LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error) {
	b.asked.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, b.err
	}
	rows := make([][]string, len(keys))
	for i, k := range keys {
		if v, ok := b.rows[k]; ok {
			rows[i] = append([]string{}, v[:min(columns, len(v))]...)
		}
	}
	return rows, nil
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock               { return &clock{now: time.Unix(1e9, 0)} }
func (c *clock) Now() time.Time      { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) { c.mu.Lock(); c.now = c.now.Add(d); c.mu.Unlock() }

var errAway = &dataset.Error{Set: "server", Err: errors.New("connection refused"), Temp: true}

func TestConformance(t *testing.T) {
	for name, o := range map[string]Options{"cached": {}, "uncached": {TTL: -1, NegativeTTL: -1}} {
		t.Run(name, func(t *testing.T) {
			datasettest.Run(t, New(newServer(), o), datasettest.Options{})
			datasettest.Run(t, New(batchServer{newServer()}, o), datasettest.Options{})
			o.FoldCase = true
			datasettest.Run(t, New(newServer(), o), datasettest.Options{FoldCase: true})
			datasettest.Run(t, New(batchServer{newServer()}, o), datasettest.Options{FoldCase: true})
		})
	}
}

func TestCacheAsksOnce(t *testing.T) {
	srv, c := newServer(), newClock()
	s := New(srv, Options{Now: c.Now, TTL: 30 * time.Second, NegativeTTL: 5 * time.Second})
	ctx := context.Background()
	look := func(key string) { _, _ = s.Lookup(ctx, key, 1) }
	for range 10 {
		look("one")
		look("none")
	}
	if n := srv.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	c.add(6 * time.Second)
	look("one")
	look("none")
	if n := srv.asked.Load(); n != 3 {
		t.Errorf("asked %d times after 6 s", n)
	}
	c.add(30 * time.Second)
	look("one")
	if n := srv.asked.Load(); n != 4 {
		t.Errorf("asked %d times after 36 s", n)
	}
	v, _ := s.Lookup(ctx, "one", 1)
	v[0] = "changed by the caller"
	if v, _ = s.Lookup(ctx, "one", 1); v[0] != "v1" {
		t.Error("the caller's slice is the cache's")
	}
}

func TestOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		srv.gate = make(chan struct{})
		s := New(srv, Options{TTL: -1})
		for range 50 {
			go func() {
				if v, err := s.Lookup(context.Background(), "one", 1); err != nil || v[0] != "v1" {
					t.Error(v, err)
				}
			}()
		}
		synctest.Wait()
		close(srv.gate)
		synctest.Wait()
		if n := srv.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		srv.gate = make(chan struct{})
		s := New(srv, Options{MaxConcurrent: 4})
		for i := range 40 {
			go func() { _, _ = s.Lookup(context.Background(), fmt.Sprint(i), 1) }()
		}
		synctest.Wait()
		if n := srv.busy.Load(); n != 4 {
			t.Errorf("%d questions at once", n)
		}
		close(srv.gate)
		synctest.Wait()
		if n, m := srv.asked.Load(), srv.most.Load(); n != 40 || m != 4 {
			t.Errorf("%d questions, %d at once", n, m)
		}
	})
}

func TestLastKnownRowWhileAway(t *testing.T) {
	srv, c := newServer(), newClock()
	var downs, ups []string
	told := map[Outcome]int{}
	s := New(srv, Options{Name: "keys", Now: c.Now, KeepStale: time.Hour,
		OnDown: func(n string, err error) { downs = append(downs, n+": "+err.Error()) }, OnUp: func(n string) { ups = append(ups, n) },
		OnLookup: func(_ string, o Outcome, _ time.Duration) { told[o]++ }})
	ctx := context.Background()
	if _, err := s.Lookup(ctx, "one", 1); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Lookup(ctx, "none", 1)
	srv.set(errAway)
	c.add(time.Minute)
	for range 5 {
		if v, err := s.Lookup(ctx, "one", 1); err != nil || v[0] != "v1" {
			t.Errorf("last known: %v, %v", v, err)
		}
		for _, key := range []string{"none", "never"} {
			if _, err := s.Lookup(ctx, key, 1); err == nil || errors.Is(err, dataset.ErrNotFound) || !dataset.IsTemporary(err) {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	if diff := cmp.Diff([]string{"keys: server: connection refused"}, downs); diff != "" {
		t.Error(diff)
	}
	if told[Stale] != 5 || told[Failed] != 10 || srv.asked.Load() != 3 {
		t.Errorf("%v, asked %d times", told, srv.asked.Load())
	}
	c.add(2 * time.Hour)
	if _, err := s.Lookup(ctx, "one", 1); !dataset.IsTemporary(err) {
		t.Errorf("a row of yesterday: %v", err)
	}
	srv.set(nil)
	c.add(time.Minute)
	if _, err := s.Lookup(ctx, "none", 1); !errors.Is(err, dataset.ErrNotFound) {
		t.Errorf("back: %v", err)
	}
	if len(ups) != 1 {
		t.Errorf("ups %v", ups)
	}
}

func TestPauseAfterFailures(t *testing.T) {
	srv, c := newServer(), newClock()
	srv.set(errAway)
	s := New(srv, Options{Now: c.Now, MinBackoff: time.Second, MaxBackoff: 4 * time.Second})
	var asked []int64
	for range 12 {
		_, _ = s.Lookup(context.Background(), "one", 1)
		asked = append(asked, srv.asked.Load())
		c.add(time.Second)
	}
	// Pauses of 1, 2, 4 and 4 seconds.
	if diff := cmp.Diff([]int64{1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5}, asked); diff != "" {
		t.Error(diff)
	}
}

func TestSigningWhileAway(t *testing.T) {
	for name, backend := range map[string]interface {
		dataset.Set
		set(error)
	}{"single": newServer(), "batch": batchServer{newServer()}} {
		c := newClock()
		s := New(backend, Options{Now: c.Now})
		sign := func(from string) (key string, err error) {
			user, host := from[:5], from[6:]
			err = dataset.SigningLookup(context.Background(), s, user, host, 1, false,
				func(e dataset.Entry) bool { key = e.Values[0]; return true })
			return key, err
		}
		if key, err := sign("other@sub.example.com"); key != "k3" || err != nil {
			t.Fatal(name, key, err)
		}
		backend.set(errAway)
		c.add(time.Hour)
		if key, err := sign("other@sub.example.com"); key != "k3" || err != nil {
			t.Errorf("%s: last known: %s, %v", name, key, err)
		}
		// Of this one ".example.com" is known too, but not what stands before it.
		if key, err := sign("third@new.example.com"); key != "" || !dataset.IsTemporary(err) {
			t.Errorf("%s: a guess: %s, %v", name, key, err)
		}
	}
}

func TestPermanentFailureIsNoOutage(t *testing.T) {
	srv := newServer()
	srv.set(&dataset.Error{Set: "server", Err: errors.New("row is not text")})
	downs := 0
	s := New(srv, Options{OnDown: func(string, error) { downs++ }})
	for range 3 {
		if _, err := s.Lookup(context.Background(), "one", 1); err == nil || dataset.IsTemporary(err) {
			t.Error(err)
		}
	}
	if downs != 0 || srv.asked.Load() != 3 {
		t.Errorf("%d downs, asked %d times", downs, srv.asked.Load())
	}
}

func TestSlowServerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		srv.gate = make(chan struct{})
		defer close(srv.gate)
		s := New(srv, Options{Timeout: 50 * time.Millisecond})
		start := time.Now()
		if _, err := s.Lookup(context.Background(), "one", 1); !dataset.IsTemporary(err) || time.Since(start) != 50*time.Millisecond {
			t.Error(err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, err := New(srv, Options{}).Lookup(ctx, "one", 1); !errors.Is(err, context.DeadlineExceeded) || !dataset.IsTemporary(err) {
			t.Error(err)
		}
	})
}

func TestSoftStart(t *testing.T) {
	srv := newServer()
	srv.set(errAway)
	if _, err := Open(context.Background(), srv, Options{Name: "keys"}); !dataset.IsTemporary(err) {
		t.Errorf("got %v", err)
	}
	down := false
	c := newClock()
	s, err := Open(context.Background(), srv, Options{SoftStart: true, Now: c.Now, OnDown: func(string, error) { down = true }})
	if err != nil || !down {
		t.Fatal(err, down)
	}
	srv.set(nil)
	c.add(time.Minute)
	if v, err := s.Lookup(context.Background(), "one", 1); err != nil || v[0] != "v1" {
		t.Error(v, err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	srv := newServer()
	s := New(srv, Options{MaxBytes: 2000})
	for i := range 100 {
		_, _ = s.Lookup(context.Background(), fmt.Sprint(i), 1)
	}
	// 2,000 bytes are nine absences of some 202.
	if n, bytes := s.cache.size(); bytes > 2000 || n != 9 {
		t.Errorf("%d entries, %d bytes", n, bytes)
	}
	asked := srv.asked.Load()
	if _, _ = s.Lookup(context.Background(), "99", 1); srv.asked.Load() != asked {
		t.Error("the newest was forgotten")
	}
	if _, _ = s.Lookup(context.Background(), "0", 1); srv.asked.Load() != asked+1 {
		t.Error("the oldest was kept")
	}
}

func BenchmarkCached(b *testing.B) {
	s := New(newServer(), Options{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Lookup(ctx, "one", 1)
	}
}
