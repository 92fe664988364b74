package keystore

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"dojang/dkim"
	"dojang/internal/flight"
	"dojang/internal/lru"
	"dojang/internal/privilege"
)

// defaultCacheBytes is what keys may take where no other bound is set: some
// 160,000 RSA keys of 2048 bits.
const defaultCacheBytes = 128 << 20

// Of the bound, an eighth is for what is made of the keys in frequent use, to sign at
// once: signatures with any other key cost a twentieth more.
const readyShare = 8

// What an entry takes besides its own bytes: the map, the order of use, and the
// key's own parts, as measured.
const (
	entryBytes = 280
	readyBytes = 700
	// otherBytes is what a key of an unusual kind takes, and longTimes how many times
	// its own length.
	otherBytes = 4096
	longTimes  = 24
)

// loadLimit bounds the wait for a file system that hangs.
const loadLimit = time.Minute

// keyID names a key by what its column says, whatever rows have it: a path, the name
// of a credential, or the hash of key data.
type keyID struct {
	hashed bool
	text   string
}

// maxPathID is the longest column that is its own name.
const maxPathID = 255

func idOf(key string) keyID {
	if len(key) <= maxPathID && isPath(key) || len(key) < 64 {
		return keyID{false, key}
	}
	sum := sha256.Sum256([]byte(key))
	return keyID{true, string(sum[:])}
}

// material is a key that was read, or why it could not be. There may be a million of
// them: they are as small as can be, and of few pieces, which the collector looks at.
// Only checked and used change.
type material struct {
	source string
	rsa    RSAKey        // of the common kind
	other  crypto.Signer // any other key
	bits   int
	kind   dkim.Algorithm // the usual one for the key
	failed *Error
	stamp  stamp

	checked time.Duration // after cache.start; guarded by cache.mu
	used    uint64        // the value of cache.uses at the last use; guarded by cache.mu
}

// cost is what a material takes in memory.
func (m *material) cost(id keyID) int64 {
	n := entryBytes + len(id.text) + len(m.rsa.numbers)
	if id.text != m.source {
		n += len(m.source)
	}
	if m.other != nil {
		n += otherBytes + longTimes*m.bits/8
	}
	return int64(n)
}

// unchanged reports whether a material that is due holds still.
func (m *material) unchanged() bool {
	if m.failed != nil {
		return false
	}
	if m.source == inline || m.stamp == (stamp{}) {
		return true // not a file
	}
	info, err := privilege.Stat(m.source)
	return err == nil && m.stamp == stampOf(info)
}

// cache keeps keys that were read: all in a short form, and those used last ready to
// sign. It is safe for concurrent use.
type cache struct {
	limit   int64
	start   time.Time
	flights flight.Group[keyID, *material]

	mu     sync.Mutex
	keys   lru.Map[keyID, *material]
	ready  lru.Map[*material, crypto.Signer]
	uses   uint64 // of keys, in all
	loads  uint64
	forgot uint64
}

// CacheStats are what a Store keeps now, and what it did.
type CacheStats struct {
	Keys      int    // kept
	Bytes     int64  // they take, about
	Loads     uint64 // keys read since the start
	Forgotten uint64 // keys that had to make room
}

// Stats returns the numbers of the store's cache.
func (s *Store) Stats() CacheStats {
	c := &s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{c.keys.Len(), c.keys.Cost() + c.ready.Cost(), c.loads, c.forgot}
}

// found is what the cache has of a key.
type found struct {
	*material
	signer crypto.Signer // nil where none is ready
	due    bool          // for the first who asks after the recheck interval
	often  bool          // it is used so often that a signer that is kept now will still be there
}

// get returns what is kept of a key, for a use of it.
func (c *cache) get(id keyID, now time.Time, recheck time.Duration) found {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.keys.Get(id)
	if !ok {
		return found{}
	}
	f := found{material: m}
	if f.due = now.Sub(c.start)-m.checked >= recheck; f.due {
		m.checked = now.Sub(c.start) // for the others meanwhile
	}
	f.signer, _ = c.ready.Get(m)
	c.uses++
	f.often = m.used > 0 && c.uses-m.used <= uint64(c.limit/readyShare/m.readyCost())
	m.used = c.uses
	return f
}

// peek returns what is kept of a key.
func (c *cache) peek(id keyID) *material {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, _ := c.keys.Get(id)
	return m
}

func (c *cache) put(id keyID, m *material, now time.Time) {
	if id.text == m.source {
		id.text = m.source
	} else {
		id.text = strings.Clone(id.text) // which may be a view into a whole table
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	m.checked, m.used = now.Sub(c.start), c.uses
	if old, ok := c.keys.Get(id); ok {
		c.ready.Remove(old)
	}
	c.loads++
	c.forgot += uint64(c.keys.Put(id, m, m.cost(id), c.limit-c.limit/readyShare))
}

func (c *cache) putReady(m *material, s crypto.Signer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if share, cost := c.limit/readyShare, m.readyCost(); cost <= share {
		c.ready.Put(m, s, cost, share)
	}
}

// readyCost is what a signer with the key takes besides.
func (m *material) readyCost() int64 { return int64(readyBytes + 2*m.bits) }

// Load returns the key of a row, from memory when it is there and its file has not
// changed. Keys are read side by side, each once for all who wait for it, and nobody
// else waits meanwhile.
func (s *Store) Load(ctx context.Context, name string, row Row) (*SigningKey, error) {
	id, now := idOf(row.Key), s.o.Now()
	f := s.cache.get(id, now, s.o.Recheck)
	if f.material == nil || f.due && !f.unchanged() {
		m, err := s.load(ctx, id, f.material, now, name, row)
		if err != nil {
			return nil, &Error{Name: name, Text: "key " + shown(name) + ": " + err.Error(), Class: Temporary, Err: err}
		}
		f = found{material: m}
	}
	if f.failed != nil {
		return nil, f.failed.named(name)
	}
	if f.signer == nil {
		var err error
		if f.signer, err = s.signer(f.material, f.often); err != nil {
			return nil, undecodable(name, f.source, err)
		}
	}
	return f.signingKey(name, row, f.signer)
}

// load reads a key in the place of old, nil for none, or waits for whoever reads it.
func (s *Store) load(ctx context.Context, id keyID, old *material, now time.Time, name string, row Row) (*material, error) {
	work := func(context.Context) *material {
		if m := s.cache.peek(id); m != nil && m != old {
			return m // read by somebody who was done just before
		}
		m := s.read(name, row)
		s.cache.put(id, m, now)
		return m
	}
	failed := func(err error) *material { return &material{failed: &Error{Name: name, Text: err.Error(), Err: err}} }
	return s.cache.flights.Do(ctx, id, loadLimit, work, failed)
}

// signer makes what signs with a key, and keeps it where that pays.
func (s *Store) signer(m *material, often bool) (crypto.Signer, error) {
	if m.other != nil {
		return m.other, nil
	}
	if s.o.Engine != nil {
		if signer := s.o.Engine(m.rsa, often); signer != nil {
			if often {
				s.cache.putReady(m, signer)
			}
			return signer, nil
		}
	}
	signer, err := m.rsa.PrivateKey()
	if err == nil {
		s.cache.putReady(m, signer)
	}
	return signer, err
}

// read reads the key of a row.
func (s *Store) read(name string, row Row) *material {
	data, source, st, err := s.data(name, row)
	m := &material{source: strings.Clone(source), stamp: st}
	if err != nil {
		m.failed = err
		return m
	}
	der, problem := data.der()
	if problem == nil {
		problem = m.parse(der)
	}
	if problem != nil {
		m.failed = undecodable(name, m.source, problem)
	}
	return m
}

// parse takes a key from DER.
func (m *material) parse(der []byte) error {
	var ok bool
	if m.rsa, ok = parseRSA(der); ok {
		m.kind, m.bits = dkim.RSASHA256, m.rsa.Bits
		return nil
	}
	signer, err := parseDER(der)
	if err != nil {
		return err
	}
	m.other = signer
	switch public := signer.Public().(type) {
	case *rsa.PublicKey:
		m.kind, m.bits = dkim.RSASHA256, public.N.BitLen()
	case ed25519.PublicKey:
		m.kind, m.bits = dkim.Ed25519SHA256, 256
	}
	return nil
}

// signingKey is the key as a row has it.
func (m *material) signingKey(name string, row Row, signer crypto.Signer) (*SigningKey, error) {
	if err := m.fits(name, row); err != nil {
		return nil, err
	}
	k := &SigningKey{Name: name, Domain: row.Domain, Selector: row.Selector, Signer: signer,
		Algorithm: m.kind, Bits: m.bits, Source: m.source}
	if row.Algorithm != 0 {
		k.Algorithm, k.AlgorithmFixed = row.Algorithm, true
	}
	return k, nil
}

// fits returns an *Error when the row names an algorithm of another kind of key.
func (m *material) fits(name string, row Row) *Error {
	if row.Algorithm == 0 || row.Algorithm.KeyType() == m.kind.KeyType() {
		return nil
	}
	return mismatch(name, row.Algorithm, m.kind)
}
