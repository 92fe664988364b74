// Package keystore turns KeyTable rows into signing keys: it finds the row,
// reads and checks the key, and keeps it parsed.
package keystore

import (
	"container/list"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"io"
	"sync"
	"time"

	"dojang/dkim"
	"dojang/internal/dataset"
	"dojang/internal/privilege"
	"dojang/internal/problem"
)

// SigningKey is one key, ready to sign with. It is shared: do not change it.
type SigningKey struct {
	Name      string // in the KeyTable
	Domain    string // d=
	Selector  string // s=
	Signer    crypto.Signer
	Algorithm dkim.Algorithm
	// AlgorithmFixed: the row names the algorithm, which no option overrides.
	AlgorithmFixed bool
	Bits           int
	Source         string // path, or "inline"
}

// Options say how keys are read. The zero value is usable.
type Options struct {
	// RequireSafeKeys refuses keys that others may read or change. Without it
	// Warn is told of them.
	RequireSafeKeys bool
	// UID is whom the filter runs as, for RequireSafeKeys.
	UID int
	// Accounts is who is in which group; nil reads the system's files.
	Accounts *Accounts
	// BaseDir is where relative paths start.
	BaseDir string
	// CredentialsDirectory is systemd's $CREDENTIALS_DIRECTORY: a key column that
	// names a file in it, or a relative path that exists there, is read from
	// there.
	CredentialsDirectory string
	// ReadFile reads a key file; nil means the file system.
	ReadFile func(path string) ([]byte, error)
	// MaxKeys bounds the keys kept parsed; 0 means 20,000, about 100 MB of RSA
	// keys. The least recently used go first.
	MaxKeys int
	// Recheck is how long a key file is used before it is looked at again, and
	// how long a failure is remembered; 0 means one second.
	Recheck time.Duration
	// Warn is told, once for each key, that it is not secure though it is used.
	Warn func(name string, u *Unsafe)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Engine returns what signs with a key instead of the key itself; nil means
	// the standard library.
	Engine func(crypto.Signer) (crypto.Signer, error)
	// Unwrap opens key data that is wrapped, such as an age file. It reports
	// false for data that is not.
	Unwrap func(data []byte) (plain []byte, wrapped bool, err error)
}

// Store finds keys by name. It is safe for concurrent use and does not own its
// table.
type Store struct {
	table   dataset.Set
	o       Options
	checker *Checker

	mu    sync.Mutex
	keys  map[cacheKey]*list.Element // of *cached
	order *list.List                 // most recently used first
}

// cacheKey is a row's content: the same key under two names is parsed once for
// each, and a changed row is another key.
type cacheKey struct {
	name string
	row  Row
}

type cached struct {
	id      cacheKey
	ready   chan struct{} // closed when the rest is set
	key     *SigningKey
	err     error
	checked time.Time // guarded by Store.mu
	stamp   stamp
}

// inline is the Source of a key that stands in its row.
const inline = "inline"

// stamp tells whether a file changed.
type stamp struct {
	size  int64
	mtime time.Time
}

// New makes a Store over a KeyTable.
func New(table dataset.Set, o Options) *Store {
	if o.MaxKeys == 0 {
		o.MaxKeys = 20_000
	}
	if o.Recheck == 0 {
		o.Recheck = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Accounts == nil {
		// Without the files nobody is known to share a group, which is the truth on
		// a machine that has no accounts.
		o.Accounts, _ = ReadAccounts("", "")
	}
	return &Store{
		table:   table,
		o:       o,
		checker: &Checker{UID: o.UID, Accounts: o.Accounts},
		keys:    map[cacheKey]*list.Element{},
		order:   list.New(),
	}
}

// Key returns the key of a KeyTable name for a message whose sender has the
// domain senderDomain. Errors are *Error.
func (s *Store) Key(ctx context.Context, name, senderDomain string) (*SigningKey, error) {
	row, err := s.Row(ctx, name)
	if err != nil {
		return nil, err
	}
	if row, err = row.ForSender(senderDomain); err != nil {
		return nil, corrupt(name, err)
	}
	return s.Load(ctx, name, row)
}

// Load returns the key of a row, from the cache when it is there and its file
// has not changed.
func (s *Store) Load(ctx context.Context, name string, row Row) (*SigningKey, error) {
	id := cacheKey{name, row}
	now := s.o.Now()
	s.mu.Lock()
	e := s.keys[id]
	if e != nil {
		s.order.MoveToFront(e)
		c := e.Value.(*cached)
		due := c.due(now, s.o.Recheck)
		if due {
			c.checked = now // for the others meanwhile
		}
		s.mu.Unlock()
		if !due || c.unchanged() {
			return c.wait(ctx)
		}
		s.mu.Lock()
	}
	if newer := s.keys[id]; newer != e {
		s.mu.Unlock() // another caller was faster
		return s.Load(ctx, name, row)
	}
	if e != nil {
		s.forget(e)
	}
	c := &cached{id: id, ready: make(chan struct{}), checked: now}
	s.keys[id] = s.order.PushFront(c)
	for len(s.keys) > s.o.MaxKeys {
		s.forget(s.order.Back())
	}
	s.mu.Unlock()
	c.key, c.stamp, c.err = s.read(name, row)
	close(c.ready)
	return c.wait(ctx)
}

func (s *Store) forget(e *list.Element) {
	delete(s.keys, e.Value.(*cached).id)
	s.order.Remove(e)
}

// due reports whether an entry has to be looked at again. Store.mu is held.
func (c *cached) due(now time.Time, recheck time.Duration) bool {
	select {
	case <-c.ready:
		return now.Sub(c.checked) >= recheck
	default:
		return false
	}
}

// unchanged reports whether an entry that is due holds still.
func (c *cached) unchanged() bool {
	if c.err != nil {
		return false
	}
	if c.key.Source == inline || c.stamp == (stamp{}) {
		return true // not a file
	}
	info, err := privilege.Stat(c.key.Source)
	return err == nil && c.stamp == stamp{info.Size(), info.ModTime()}
}

func (c *cached) wait(ctx context.Context) (*SigningKey, error) {
	select {
	case <-c.ready: // as it is nearly always: ctx need not get ready to be waited for
		return c.key, c.err
	default:
	}
	select {
	case <-c.ready:
		return c.key, c.err
	case <-ctx.Done():
		return nil, &Error{Name: c.id.name, Text: "key " + problem.Quote(c.id.name) + ": " + ctx.Err().Error(), Class: Temporary, Err: ctx.Err()}
	}
}

// read loads and parses a row's key.
func (s *Store) read(name string, row Row) (*SigningKey, stamp, error) {
	data, source, st, failure := s.data(name, row)
	if failure != nil {
		return nil, st, failure
	}
	signer, err := LoadPrivateKey(data.Plain)
	if err != nil {
		failure := cantLoad(name, source, err.Error(), err)
		if source == inline {
			failure = &Error{Name: name, Text: "can't load key " + problem.Quote(name) + " from its KeyTable row: " + err.Error(), Err: err}
		}
		failure.Undecodable = true
		return nil, st, failure
	}
	key := &SigningKey{Name: name, Domain: row.Domain, Selector: row.Selector, Signer: signer, Source: source}
	switch pub := signer.Public().(type) {
	case *rsa.PublicKey:
		key.Algorithm, key.Bits = dkim.RSASHA256, pub.N.BitLen()
	case ed25519.PublicKey:
		key.Algorithm, key.Bits = dkim.Ed25519SHA256, 256
	}
	if row.Algorithm != 0 && row.Algorithm.KeyType() != key.Algorithm.KeyType() {
		err := errors.New("key " + problem.Quote(name) + ": the row says " + row.Algorithm.String() + " but the key is of type " + key.Algorithm.KeyType())
		return nil, st, &Error{Name: name, Text: err.Error(), Err: err, Hint: "write " + key.Algorithm.String() + " in the fourth column, or leave it out"}
	}
	if row.Algorithm != 0 {
		key.Algorithm, key.AlgorithmFixed = row.Algorithm, true
	}
	if s.o.Engine != nil {
		if key.Signer, err = s.o.Engine(signer); err != nil {
			return nil, st, cantLoad(name, source, err.Error(), err)
		}
	}
	return key, st, nil
}

// data returns a row's key as it stands in its file or in the row, and unwrapped.
func (s *Store) data(name string, row Row) (data Data, source string, st stamp, err error) {
	at := s.o.Locate(row.Key)
	source = at.String()
	if at.Path == "" {
		data.Stored = []byte(row.Key)
	} else if data.Stored, st, err = s.file(name, at); err != nil {
		return data, source, st, err
	}
	data.Plain = data.Stored
	if s.o.Unwrap == nil {
		return data, source, st, nil
	}
	plain, wrapped, err := s.o.Unwrap(data.Stored)
	if err != nil {
		return data, source, st, &Error{Name: name, Text: "key " + problem.Quote(name) + " cannot be unwrapped: " + err.Error(), Err: err}
	}
	if wrapped {
		data.Plain = plain
	}
	return data, source, st, nil
}

// Data is the text of a key.
type Data struct {
	Stored []byte // as it stands in its file or row
	Plain  []byte // unwrapped
}

// Read returns the text of a row's key, which is one that can be signed with.
// Errors are *Error.
func (s *Store) Read(name string, row Row) (Data, error) {
	if _, _, err := s.read(name, row); err != nil {
		return Data{}, err
	}
	data, _, _, err := s.data(name, row)
	return data, err
}

// file reads a key file after its safety is looked at.
func (s *Store) file(name string, at Location) ([]byte, stamp, error) {
	path := at.Path
	if s.o.ReadFile != nil {
		data, err := s.o.ReadFile(path)
		if err != nil {
			return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
		}
		return data, stamp{}, nil
	}
	f, err := privilege.Open(path)
	if err != nil {
		return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
	}
	if !info.Mode().IsRegular() {
		return nil, stamp{}, cantLoad(name, path, "Not a regular file", nil)
	}
	if err := s.checkSafety(name, at); err != nil {
		return nil, stamp{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyBytes+1))
	if err != nil {
		return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
	}
	return data, stamp{info.Size(), info.ModTime()}, nil
}

func (s *Store) checkSafety(name string, at Location) error {
	if at.Credential {
		return nil // the service manager sees to it
	}
	path := at.Path
	unsafe, err := s.checker.Check(path)
	if err != nil {
		return cantLoad(name, path, problem.Strerror(err), err)
	}
	if unsafe == nil {
		return nil
	}
	if !s.o.RequireSafeKeys {
		if s.o.Warn != nil {
			s.o.Warn(name, unsafe)
		}
		return nil
	}
	return &Error{Name: name, Text: name + ": key data is not secure: " + unsafe.Words, Hint: unsafe.Remedy, Unsafe: unsafe}
}
