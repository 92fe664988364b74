package remote

import (
	"slices"
	"sync"
	"time"

	"dojang/internal/dataset"
	"dojang/internal/lru"
)

type entryID struct {
	key     string
	columns int
}

// entry is what a server said of a key. It is not changed once stored.
type entry struct {
	id     entryID
	values []string
	found  bool
	stored time.Time
}

func (e *entry) result() ([]string, error) {
	if !e.found {
		return nil, dataset.ErrNotFound
	}
	return slices.Clone(e.values), nil
}

func (e *entry) size() int64 {
	n := 200 + len(e.id.key) // map, list and entry
	for _, v := range e.values {
		n += 16 + len(v)
	}
	return int64(n)
}

// cache keeps entries beyond their time to live, for when the server is away;
// the least recently used go first. It is safe for concurrent use.
type cache struct {
	mu   sync.Mutex
	byID lru.Map[entryID, *entry]
}

func (c *cache) get(id entryID) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, _ := c.byID.Get(id)
	return e
}

// put stores e and forgets others until maxBytes are not exceeded.
func (c *cache) put(e *entry, maxBytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID.Put(e.id, e, e.size(), maxBytes)
}
