// Package keystore turns KeyTable rows into signing keys: it finds the row,
// reads and checks the key, and keeps it parsed.
package keystore

import (
	"context"
	"crypto"
	"errors"
	"io"
	"io/fs"
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
	// CacheBytes bounds what keys take in memory; 0 means DefaultCacheBytes. The
	// least recently used go first.
	CacheBytes int64
	// Recheck is how long a key file is used before it is looked at again, and
	// how long a failure is remembered; 0 means one second.
	Recheck time.Duration
	// Warn is told, once for each key, that it is not secure though it is used.
	Warn func(name string, u *Unsafe)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Engine returns what signs with a key, nil where it has nothing better than the
	// standard library; so does a nil Engine. With keep the key is used often, and what
	// can be computed before the first signature is to be kept.
	Engine func(key RSAKey, keep bool) crypto.Signer
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
	folders folders
	cache   cache
}

// inline is the Source of a key that stands in its row.
const inline = "inline"

// stamp reports whether a file changed.
type stamp struct {
	size, mtime int64
}

func stampOf(info fs.FileInfo) stamp { return stamp{info.Size(), info.ModTime().UnixNano()} }

// New makes a Store over a KeyTable.
func New(table dataset.Set, o Options) *Store {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
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
		cache:   cache{limit: o.CacheBytes, start: o.Now()},
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

// data returns a row's key as it stands in its file or in the row, and unwrapped.
func (s *Store) data(name string, row Row) (data Data, source string, st stamp, err *Error) {
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
	plain, wrapped, failed := s.o.Unwrap(data.Stored)
	if failed != nil {
		words := func(name string) string {
			return "key " + problem.Quote(name) + " cannot be unwrapped: " + failed.Error()
		}
		return data, source, st, &Error{Name: name, Text: words(name), words: words, Err: failed}
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
	data, source, _, err := s.data(name, row)
	if err != nil {
		return Data{}, err
	}
	var m material
	der, unusable := data.der()
	if unusable == nil {
		unusable = m.parse(der)
	}
	if unusable != nil {
		return Data{}, undecodable(name, source, unusable)
	}
	if err := m.fits(name, row); err != nil {
		return Data{}, err
	}
	return data, nil
}

// der is the key without what is around it.
func (d Data) der() ([]byte, error) {
	if len(d.Plain) > maxKeyBytes {
		return nil, errTooLong
	}
	return keyDER(d.Plain)
}

// file reads a key file after its safety is looked at.
func (s *Store) file(name string, at Location) ([]byte, stamp, *Error) {
	path := at.Path
	if s.o.ReadFile != nil {
		data, err := s.o.ReadFile(path)
		if err != nil {
			return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
		}
		return data, stamp{}, nil
	}
	f, err := privilege.Open(path)
	if errors.Is(err, privilege.ErrNotFile) {
		return nil, stamp{}, noFile(name, path)
	}
	if err != nil {
		return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
	}
	if !info.Mode().IsRegular() {
		return nil, stamp{}, noFile(name, path)
	}
	if err := s.checkSafety(name, at); err != nil {
		return nil, stamp{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyBytes+1))
	if err != nil {
		return nil, stamp{}, cantLoad(name, path, problem.Strerror(err), err)
	}
	return data, stampOf(info), nil
}

func (s *Store) checkSafety(name string, at Location) *Error {
	if at.Credential {
		return nil // the service manager sees to it
	}
	path := at.Path
	if s.folders.safe(path, s.o.Now(), s.o.Recheck, s.checker) {
		return nil
	}
	unsafe, err := s.checker.Check(path)
	if err == nil && unsafe == nil {
		s.folders.note(path, s.o.Now())
	}
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
	words := func(name string) string { return name + ": key data is not secure: " + unsafe.Words }
	return &Error{Name: name, Text: words(name), words: words, Hint: unsafe.Remedy, Unsafe: unsafe}
}
