package remote

import (
	"sync"

	"dojang/internal/dataset"
)

// Caches lets what is remembered of a server outlive a reload: all sets of one
// source share a cache, and it is there as long as one of them is open. A reload
// opens its sets before the old ones are closed, so that they find the rows; if it
// fails, the old ones have lost nothing. The zero value is ready for use, by many
// at once.
type Caches struct {
	mu   sync.Mutex
	lent map[source]*loan
}

// source is what rows depend on.
type source struct {
	spec     dataset.Spec // with its passwords: not to be printed
	settings string
}

type loan struct {
	cache *cache
	users int
}

// borrow returns the cache of a source and what gives it back. A nil Caches, and a
// set whose source is not known, have a new one.
func (c *Caches) borrow(from source) (_ *cache, giveBack func()) {
	if c == nil || from == (source{}) {
		return new(cache), func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lent == nil {
		c.lent = map[source]*loan{}
	}
	l := c.lent[from]
	if l == nil {
		l = &loan{cache: new(cache)}
		c.lent[from] = l
	}
	l.users++
	return l.cache, sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(c.lent, from)
		}
	})
}
