package reputation

import (
	"container/list"
	"iter"
)

// recent is a map that forgets what was not used for the longest time.
type recent[K comparable, V any] struct {
	order list.List // of entry, the latest used first
	byKey map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func (r *recent[K, V]) get(key K) (V, bool) {
	e, ok := r.byKey[key]
	if !ok {
		var none V
		return none, false
	}
	r.order.MoveToFront(e)
	return e.Value.(entry[K, V]).value, true
}

// put sets a value; with more than limit of them the oldest goes.
func (r *recent[K, V]) put(key K, value V, limit int) {
	if r.byKey == nil {
		r.byKey = make(map[K]*list.Element)
	}
	r.remove(key)
	r.byKey[key] = r.order.PushFront(entry[K, V]{key, value})
	for len(r.byKey) > limit {
		r.remove(r.order.Back().Value.(entry[K, V]).key)
	}
}

func (r *recent[K, V]) remove(key K) {
	if e, ok := r.byKey[key]; ok {
		r.order.Remove(e)
		delete(r.byKey, key)
	}
}

// oldestFirst walks it from what was not used for the longest time, and is no use
// itself.
func (r *recent[K, V]) oldestFirst() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for e := r.order.Back(); e != nil; e = e.Prev() {
			if item := e.Value.(entry[K, V]); !yield(item.key, item.value) {
				return
			}
		}
	}
}
