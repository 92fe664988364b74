package resolver

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cacheShards = 32
	// evictionSample is how many entries are looked at to find one to drop. Go walks
	// a map from a random place, so this approaches least-recently-used without a list.
	evictionSample = 8
	// bytesPerEntry times the number of entries is the memory the cache may take:
	// strangers choose how long their records are.
	bytesPerEntry = 1024
)

type cacheKey struct {
	name  string
	qtype uint16
}

// cache keeps values for a time each, a bounded number of them.
type cache[V any] struct {
	seed     maphash.Seed
	perShard int // entries
	maxBytes int // per shard
	shards   [cacheShards]cacheShard[V]
}

type cacheShard[V any] struct {
	mu      sync.RWMutex
	entries map[cacheKey]*cacheEntry[V]
	bytes   int
	_       [16]byte // keeps neighbours' locks out of one cache line
}

type cacheEntry[V any] struct {
	value  V
	stored time.Time
	life   time.Duration
	bytes  int
	used   atomic.Bool
}

// left is how long the entry may still be used. Times of one process are compared by
// the monotonic clock, so setting the machine's clock does not stretch it; where a
// clock without it runs backwards the entry counts as dead.
func (e *cacheEntry[V]) left(now time.Time) time.Duration {
	age := now.Sub(e.stored)
	if age < 0 {
		return 0
	}
	return e.life - age
}

func newCache[V any](size int) *cache[V] {
	perShard := (size + cacheShards - 1) / cacheShards
	return &cache[V]{seed: maphash.MakeSeed(), perShard: perShard, maxBytes: max(perShard*bytesPerEntry, 2*maxWireBytes)}
}

func (c *cache[V]) shard(name string) *cacheShard[V] {
	return &c.shards[maphash.String(c.seed, name)%cacheShards]
}

func (c *cache[V]) get(key cacheKey, now time.Time) (value V, left time.Duration, ok bool) {
	shard := c.shard(key.name)
	shard.mu.RLock()
	entry := shard.entries[key]
	shard.mu.RUnlock()
	if entry == nil {
		return value, 0, false
	}
	left = entry.left(now)
	if left <= 0 {
		return value, 0, false
	}
	if !entry.used.Load() { // do not dirty the line on every hit
		entry.used.Store(true)
	}
	return entry.value, left, true
}

// put keeps a value of about so many octets.
func (c *cache[V]) put(key cacheKey, value V, bytes int, life time.Duration, now time.Time) {
	if life <= 0 || bytes > c.maxBytes {
		return
	}
	shard := c.shard(key.name)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.entries == nil {
		shard.entries = make(map[cacheKey]*cacheEntry[V])
	}
	shard.remove(key)
	for len(shard.entries) > 0 && (len(shard.entries) >= c.perShard || shard.bytes+bytes > c.maxBytes) {
		shard.evict(now)
	}
	shard.entries[key] = &cacheEntry[V]{value: value, stored: now, life: life, bytes: bytes}
	shard.bytes += bytes
}

func (c *cache[V]) drop(key cacheKey) {
	shard := c.shard(key.name)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.remove(key)
}

func (s *cacheShard[V]) remove(key cacheKey) {
	if entry := s.entries[key]; entry != nil {
		s.bytes -= entry.bytes
		delete(s.entries, key)
	}
}

// evict drops a dead entry, else one not used since it was last looked at, else the
// one that dies first.
func (s *cacheShard[V]) evict(now time.Time) {
	var victim cacheKey
	least, looked := time.Duration(1<<63-1), 0
	for key, entry := range s.entries {
		left := entry.left(now)
		if left <= 0 {
			s.remove(key)
			return
		}
		if entry.used.Swap(false) {
			left += 1 << 61
		}
		if left < least {
			victim, least = key, left
		}
		if looked++; looked == evictionSample {
			break
		}
	}
	s.remove(victim)
}
