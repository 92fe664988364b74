package remote

import (
	"container/list"
	"slices"
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

func (e *entry) size() int {
	n := 200 + len(e.id.key) // map, list and entry
	for _, v := range e.values {
		n += 16 + len(v)
	}
	return n
}

// cache keeps entries beyond their time to live, for when the server is away;
// the least recently used go first.
type cache struct {
	o     Options
	byID  map[entryID]*list.Element // of *entry
	order *list.List
	bytes int
}

func newCache(o Options) cache {
	return cache{o: o, byID: map[entryID]*list.Element{}, order: list.New()}
}

func (c *cache) get(id entryID) *entry {
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry)
}

// fresh returns an entry within its time to live.
func (c *cache) fresh(id entryID, now time.Time) *entry {
	e := c.get(id)
	if e == nil {
		return nil
	}
	ttl := c.o.TTL
	if !e.found {
		ttl = c.o.NegativeTTL
	}
	if now.Sub(e.stored) >= ttl {
		return nil
	}
	return e
}

func (c *cache) put(id entryID, values []string, found bool, now time.Time) {
	if old := c.byID[id]; old != nil {
		c.remove(old)
	}
	e := &entry{id, slices.Clone(values), found, now}
	c.byID[id] = c.order.PushFront(e)
	c.bytes += e.size()
	for c.order.Len() > 1 && (c.order.Len() > c.o.MaxEntries || c.bytes > c.o.MaxBytes) {
		c.remove(c.order.Back())
	}
}

func (c *cache) remove(el *list.Element) {
	e := el.Value.(*entry)
	delete(c.byID, e.id)
	c.order.Remove(el)
	c.bytes -= e.size()
}
