package remote

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"dojang/internal/dataset"
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
	mu    sync.Mutex
	byID  map[entryID]*list.Element // of *entry
	order *list.List
	bytes int64
}

func newCache() *cache {
	return &cache{byID: map[entryID]*list.Element{}, order: list.New()}
}

func (c *cache) get(id entryID) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry)
}

// put stores e and forgets others until maxBytes are not exceeded.
func (c *cache) put(e *entry, maxBytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.byID[e.id]; old != nil {
		c.remove(old)
	}
	c.byID[e.id] = c.order.PushFront(e)
	c.bytes += e.size()
	for c.order.Len() > 1 && c.bytes > maxBytes {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(el *list.Element) {
	e := el.Value.(*entry)
	delete(c.byID, e.id)
	c.order.Remove(el)
	c.bytes -= e.size()
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
