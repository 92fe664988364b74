// Package lru is a map that forgets what was not used for the longest time.
package lru

import "iter"

// Map is a map with a cost for each value. It is not safe for concurrent use. The
// zero value is ready for use.
type Map[K comparable, V any] struct {
	entries map[K]*entry[K, V]
	// latest and oldest are the ends of the entries' order of use.
	latest, oldest *entry[K, V]
	cost           int64
}

type entry[K comparable, V any] struct {
	key          K
	value        V
	cost         int64
	newer, older *entry[K, V]
}

// Get returns the value of a key, which counts as a use.
func (m *Map[K, V]) Get(key K) (V, bool) {
	e, ok := m.entries[key]
	if !ok {
		var none V
		return none, false
	}
	if e != m.latest {
		m.unlink(e)
		m.link(e)
	}
	return e.value, true
}

// Put sets a value and what it costs, which counts as a use; then it forgets the
// oldest until all together cost no more than limit, but never the new one. It
// returns how many were forgotten.
func (m *Map[K, V]) Put(key K, value V, cost, limit int64) (forgotten int) {
	if m.entries == nil {
		m.entries = make(map[K]*entry[K, V])
	}
	m.Remove(key)
	e := &entry[K, V]{key: key, value: value, cost: cost}
	m.entries[key] = e
	m.link(e)
	m.cost += cost
	for m.cost > limit && m.oldest != e {
		m.Remove(m.oldest.key)
		forgotten++
	}
	return forgotten
}

// Remove forgets a key.
func (m *Map[K, V]) Remove(key K) {
	if e, ok := m.entries[key]; ok {
		m.unlink(e)
		delete(m.entries, key)
		m.cost -= e.cost
	}
}

// Len is how many keys there are.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// Cost is what all values cost together.
func (m *Map[K, V]) Cost() int64 { return m.cost }

// OldestFirst walks the map from what was not used for the longest time, and is no
// use itself.
func (m *Map[K, V]) OldestFirst() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for e := m.oldest; e != nil; {
			newer := e.newer // yield may remove e
			if !yield(e.key, e.value) {
				return
			}
			e = newer
		}
	}
}

func (m *Map[K, V]) link(e *entry[K, V]) {
	e.older, e.newer = m.latest, nil
	if m.latest != nil {
		m.latest.newer = e
	} else {
		m.oldest = e
	}
	m.latest = e
}

func (m *Map[K, V]) unlink(e *entry[K, V]) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		m.latest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		m.oldest = e.newer
	}
}
