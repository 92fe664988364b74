// Package dataset reads the tables that opendkim.conf(5) options name: comma
// separated lists, flat files, pattern files and, through openers given by the
// caller, databases. opendkim(8) DATA SETS is the syntax.
//
// Every set answers exact keys. Errors other than ErrNotFound tell by
// Temporary() whether asking again later may help.
package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound says that the set was asked and has no such key. A set that could
// not be asked never returns it.
var ErrNotFound = errors.New("record not found")

// A Set answers look-ups. It is safe for concurrent use.
type Set interface {
	// Lookup returns the values stored under key, at most columns of them: the
	// last one takes the rest, colons included. A row with fewer has fewer. With
	// columns 0 only existence is asked and the values are nil. The slice belongs
	// to the caller.
	Lookup(ctx context.Context, key string, columns int) ([]string, error)
	Close() error
}

// Entry is one row of a set.
type Entry struct {
	Key    string
	Values []string
	Line   int // 1-based line of a file, position in a list, 0 where unknown
}

// A Walker can tell all its rows, in order, each value split at every colon. The walk
// ends at the first error of f and returns it. Sets read whole (csl, file,
// refile) are walked at start; sets over a network only when a tool asks.
type Walker interface {
	Walk(ctx context.Context, f func(Entry) error) error
}

// ErrNoWalk says that a set cannot tell its rows.
var ErrNoWalk = errors.New("this kind of data set cannot be listed")

// Walk walks a set, or the one that it is wrapped around, for a tool that was asked to.
func Walk(ctx context.Context, set Set, f func(Entry) error) error {
	for {
		if w, ok := set.(Walker); ok {
			return w.Walk(ctx, f)
		}
		u, ok := set.(interface{ Unwrap() Set })
		if !ok {
			return ErrNoWalk
		}
		set = u.Unwrap()
	}
}

// A PatternSet matches keys against patterns and can tell every match.
type PatternSet interface {
	// LookupAll calls f for each matching row in file order, its values split as
	// Lookup does, until f returns false.
	LookupAll(ctx context.Context, key string, columns int, f func(Entry) bool) error
}

// A BatchSet answers several keys in one question. The result has one element
// for each key: nil where there is no such key, else as Lookup (an empty slice
// for columns 0).
type BatchSet interface {
	LookupBatch(ctx context.Context, keys []string, columns int) ([][]string, error)
}

// A Local set is held in memory: it never waits, and may be walked at start.
type Local interface {
	Walker
	// Source names the file the set was read from, or "" for a list.
	Source() string
	// Len is the number of rows.
	Len() int
	// Row is a row by its number, from 0, and its line as in Entry. Unlike a walk
	// it makes nothing of the value.
	Row(i int) (Pair, int)
}

// Error is a failure to ask a set.
type Error struct {
	Set  string // the set as configured, without its secrets
	Err  error
	Temp bool   // asking again later may help
	Hint string // what to type; may be ""
}

func (e *Error) Error() string {
	if e.Set == "" {
		return e.Err.Error()
	}
	return e.Set + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether asking again later may help.
func (e *Error) Temporary() bool { return e.Temp }

// IsTemporary reports whether err, or an error it wraps, says that asking again
// later may help. A passed deadline is such an error, ErrNotFound is not.
func IsTemporary(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// Opener opens the sets of one type. It must not walk the set.
type Opener func(ctx context.Context, spec Spec, o Options) (Set, error)

// Options say how sets are opened and compared. The zero value is usable.
type Options struct {
	// FoldCase makes ASCII capitals in keys and rows equal to small letters.
	FoldCase bool
	// MaxFileBytes, MaxLineBytes and MaxRows bound what is read from a file;
	// 0 means 1 GiB, 1 MiB and 10,000,000.
	MaxFileBytes int64
	MaxLineBytes int
	MaxRows      int
	// Openers are the back-ends, by type: "dsn", "ldap", "redis", ...
	Openers map[string]Opener
}

func (o Options) withDefaults() Options {
	o.MaxFileBytes = cmp.Or(o.MaxFileBytes, 1<<30)
	o.MaxLineBytes = cmp.Or(o.MaxLineBytes, 1<<20)
	o.MaxRows = cmp.Or(o.MaxRows, 10_000_000)
	return o
}

// Open opens the data set that a specification string names.
func Open(ctx context.Context, spec string, o Options) (Set, error) {
	s, err := ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	switch s.Type {
	case TypeList:
		return openList(s.Args, o), nil
	case TypeFile:
		return openFile(s.Args, o)
	case TypePatterns:
		return openPatterns(s.Args, o)
	}
	if open := o.Openers[s.Type]; open != nil {
		return open(ctx, s, o)
	}
	if s.Type == TypeErlang {
		return nil, &Error{Set: s.String(),
			Err: errors.New("erlang: data sets are not supported: use http:, socket:, redis: or dsn: in front of the same data")}
	}
	return nil, &Error{Set: s.String(), Err: fmt.Errorf("data sets of type %q are not available here", s.Type)}
}

// Split cuts a stored value into at most columns values at its colons, as Lookup does.
func Split(value string, columns int) []string {
	switch {
	case columns == 0:
		return nil
	case columns == 1:
		return []string{value}
	}
	return strings.SplitN(value, ":", columns)
}
