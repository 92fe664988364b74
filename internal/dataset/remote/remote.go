// Package remote puts in front of a data set on a server what all of them need:
// a limit of concurrent questions, a time-out, a cache that also remembers
// what is not there, one question at a time for each key, a pause after failures,
// and the last known row while the server is away.
//
// A server that cannot be asked is a temporary failure, never ErrNotFound.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/flight"
)

// What a back-end may take where nothing is said of it.
const (
	DefaultTimeout = 5 * time.Second // of a connection or a question
	MaxConnections = 8               // kept open to a server
)

// Options bound a wrapped set. The zero value is usable.
type Options struct {
	Name     string // for errors and callbacks
	FoldCase bool   // ask for the key in small letters too when it has others
	// SoftStart opens the set although its server is away.
	SoftStart bool
	// Timeout bounds one question; 0 means 5 s.
	Timeout time.Duration
	// MaxConcurrent bounds the questions asked at once; 0 means 16.
	MaxConcurrent int
	// TTL is how long a row is taken from the cache, NegativeTTL how long its
	// absence is; 0 means 30 s and 5 s, below 0 asks every time.
	TTL, NegativeTTL time.Duration
	// KeepStale is how long a row is good enough while the server is away; 0 means a
	// day, below 0 never.
	KeepStale time.Duration
	// MaxBytes bounds the cache; 0 means 64 MiB. A sender takes about three entries
	// of 250 bytes: itself, and names of which most have no row.
	MaxBytes int64
	// Caches lends a cache that others of the same source share; nil gives the set
	// one of its own. Each bounds it by its own MaxBytes when it stores a row, and
	// takes from it what its own TTL lets it.
	Caches *Caches
	// Settings is what rows depend on besides the data set's name: a login, say.
	Settings string
	source   source // set by For
	// authority is set by Opener.
	authority string
	// MinBackoff and MaxBackoff bound the pause after a failure, which doubles
	// from one to the other; 0 means 200 ms and 10 s.
	MinBackoff, MaxBackoff time.Duration
	Now                    func() time.Time // nil means time.Now
	// OnDown is called when the server stops answering, OnUp when it answers
	// again, once each; OnLookup for each look-up with how it ended.
	OnDown   func(name string, err error)
	OnUp     func(name string)
	OnLookup func(name string, o Outcome, took time.Duration)
}

// Outcome is how a look-up ended.
type Outcome uint8

// The outcomes.
const (
	Found    Outcome = iota // the server has the row
	NotFound                // the server has no such row
	Cached                  // answered by the cache, found or not
	Stale                   // answered by the cache because the server is away
	Failed                  // not answered
)

func (o Outcome) String() string {
	return [...]string{"found", "notfound", "cached", "stale", "failed"}[o]
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.TTL = cmp.Or(o.TTL, 30*time.Second)
	o.NegativeTTL = cmp.Or(o.NegativeTTL, 5*time.Second)
	o.KeepStale = cmp.Or(o.KeepStale, 24*time.Hour)
	o.MinBackoff = cmp.Or(o.MinBackoff, 200*time.Millisecond)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 10*time.Second)
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, 16)
	o.MaxBytes = cmp.Or(o.MaxBytes, 64<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// For returns the options for a data set that a configuration names.
func (o Options) For(spec dataset.Spec, d dataset.Options) Options {
	o.Name, o.FoldCase = spec.String(), d.FoldCase
	o.source = source{spec, o.Settings}
	return o
}

// Set is a data set on a server with all of the above. It implements
// dataset.BatchSet whether the one behind it does or not.
type Set struct {
	backend dataset.Set
	batch   dataset.BatchSet // nil when the back-end cannot
	o       Options
	slots   chan struct{}
	cache   *cache
	// giveBack ends the use of cache.
	giveBack func()

	// flights are the questions under way. They outlive callers that give up: others
	// may wait for the answer, and the cache learns it.
	flights flight.Group[string, error]

	mu     sync.Mutex
	health health
}

// A Pinger can tell whether its server answers.
type pinger interface {
	Ping(ctx context.Context) error
}

// Open wraps a back-end, which it owns from now on. A back-end that is a Pinger
// is asked once; with SoftStart its failure is only told to OnDown.
func Open(ctx context.Context, backend dataset.Set, o Options) (*Set, error) {
	s := New(backend, o)
	p, ok := backend.(pinger)
	if !ok {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	err := p.Ping(ctx)
	if err == nil {
		return s, nil
	}
	if !s.o.SoftStart {
		_ = s.Close() // the first error is the one to tell
		return nil, s.away(err)
	}
	s.settle(err)
	return s, nil
}

// Opener opens the back-ends that backendOf makes of what follows their type's name, behind
// the wrapper. A back-end that is a fmt.Stringer is called so in errors and callbacks,
// others by the data set's name. authority is what CertificateHint needs, "" where no
// certificates are used.
func Opener(o Options, authority string, backendOf func(args string) (dataset.Set, error)) dataset.Opener {
	return func(ctx context.Context, spec dataset.Spec, d dataset.Options) (dataset.Set, error) {
		backend, err := backendOf(spec.Args)
		if err != nil {
			return nil, &dataset.Error{Set: spec.String(), Err: err}
		}
		o := o.For(spec, d)
		if named, ok := backend.(fmt.Stringer); ok {
			o.Name = named.String()
		}
		o.authority = authority
		return Open(ctx, backend, o)
	}
}

// New wraps a back-end without asking it.
func New(backend dataset.Set, o Options) *Set {
	o = o.withDefaults()
	s := &Set{backend: backend, o: o, slots: make(chan struct{}, o.MaxConcurrent)}
	s.flights.Detached = true
	s.cache, s.giveBack = o.Caches.borrow(o.source)
	s.batch, _ = backend.(dataset.BatchSet)
	return s
}

// Unwrap is the set behind.
func (s *Set) Unwrap() dataset.Set { return s.backend }

// Close closes the set behind. What is remembered stays for others of its source.
func (s *Set) Close() error {
	s.giveBack()
	return s.backend.Close()
}

// Lookup asks for one key.
func (s *Set) Lookup(ctx context.Context, key string, columns int) ([]string, error) {
	values, err := s.one(ctx, key, columns)
	if s.o.FoldCase && errors.Is(err, dataset.ErrNotFound) {
		if small := dataset.Fold(key); small != key {
			return s.one(ctx, small, columns)
		}
	}
	return values, err
}

func (s *Set) one(ctx context.Context, key string, columns int) ([]string, error) {
	start := s.o.Now()
	id := entryID{key, columns}
	if e := s.fresh(id, start); e != nil {
		s.tell(Cached, start)
		return e.result()
	}
	err := s.fly(ctx, flightKey(columns, key), func(ctx context.Context) error {
		values, err := s.backend.Lookup(ctx, key, columns)
		if err == nil || errors.Is(err, dataset.ErrNotFound) {
			s.store(id, values, err == nil)
			return nil
		}
		return err
	})
	e := s.cache.get(id)
	switch {
	case err == nil && e != nil && e.found:
		s.tell(Found, start)
		return e.result()
	case err == nil && e != nil:
		s.tell(NotFound, start)
		return nil, dataset.ErrNotFound
	case err != nil && e != nil && e.found && s.usable(e, err):
		s.tell(Stale, start)
		return e.result()
	}
	if err == nil {
		err = s.away(errors.New("answer was dropped from the cache")) // MaxBytes is too small for the load
	}
	s.tell(Failed, start)
	return nil, err
}

// usable reports whether an old row may stand in for a failure.
func (s *Set) usable(e *entry, err error) bool {
	return dataset.IsTemporary(err) && s.o.KeepStale > 0 && s.o.Now().Sub(e.stored) < s.o.KeepStale
}

// fresh returns an entry within its time to live.
func (s *Set) fresh(id entryID, now time.Time) *entry {
	e := s.cache.get(id)
	if e == nil {
		return nil
	}
	ttl := s.o.TTL
	if !e.found {
		ttl = s.o.NegativeTTL
	}
	if now.Sub(e.stored) >= ttl {
		return nil
	}
	return e
}

func (s *Set) store(id entryID, values []string, found bool) {
	s.cache.put(&entry{id, slices.Clone(values), found, s.o.Now()}, s.o.MaxBytes)
}

func (s *Set) tell(o Outcome, start time.Time) {
	if s.o.OnLookup != nil {
		s.o.OnLookup(s.o.Name, o, s.o.Now().Sub(start))
	}
}

// away makes an error of the back-end one of the set's, temporary unless it says otherwise.
func (s *Set) away(err error) error {
	var e *dataset.Error
	if !errors.As(err, &e) {
		return &dataset.Error{Set: s.o.Name, Err: err, Temp: true, Hint: CertificateHint(err, s.o.authority)}
	}
	if e.Set != "" {
		return err
	}
	named := *e
	named.Set = s.o.Name
	return &named
}
