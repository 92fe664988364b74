package lru

import (
	"container/list"
	"math/rand/v2"
	"testing"
)

// slow is what Map has to agree with: a list of pairs, the latest used first.
type slow struct{ order *list.List }

type pair struct {
	key, value int
	cost       int64
}

func (s slow) find(key int) *list.Element {
	for e := s.order.Front(); e != nil; e = e.Next() {
		if e.Value.(pair).key == key {
			return e
		}
	}
	return nil
}

func (s slow) cost() (sum int64) {
	for e := s.order.Front(); e != nil; e = e.Next() {
		sum += e.Value.(pair).cost
	}
	return sum
}

func TestAgainstAList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var m Map[int, int]
	s := slow{list.New()}
	for step := range 20_000 {
		key, value, cost, limit := r.IntN(20), r.IntN(1000), int64(r.IntN(10)), int64(r.IntN(60))
		switch r.IntN(3) {
		case 0:
			got, ok := m.Get(key)
			e := s.find(key)
			if ok != (e != nil) || ok && got != e.Value.(pair).value {
				t.Fatalf("step %d: %d, %v", step, got, ok)
			}
			if e != nil {
				s.order.MoveToFront(e)
			}
		case 1:
			if e := s.find(key); e != nil {
				s.order.Remove(e)
			}
			s.order.PushFront(pair{key, value, cost})
			forgotten := 0
			for s.cost() > limit && s.order.Len() > 1 {
				s.order.Remove(s.order.Back())
				forgotten++
			}
			if got := m.Put(key, value, cost, limit); got != forgotten {
				t.Fatalf("step %d: forgot %d, want %d", step, got, forgotten)
			}
		case 2:
			if e := s.find(key); e != nil && r.IntN(4) == 0 {
				s.order.Remove(e)
				m.Remove(key)
			}
		}
		if m.Len() != s.order.Len() || m.Cost() != s.cost() {
			t.Fatalf("step %d: %d for %d, want %d for %d", step, m.Len(), m.Cost(), s.order.Len(), s.cost())
		}
		e := s.order.Back()
		for k, v := range m.OldestFirst() {
			if e == nil || e.Value.(pair).key != k || e.Value.(pair).value != v {
				t.Fatalf("step %d: %d out of order", step, k)
			}
			e = e.Prev()
		}
		if e != nil {
			t.Fatalf("step %d: the order ends early", step)
		}
	}
}

func TestRemovingWhileWalking(t *testing.T) {
	var m Map[int, int]
	for i := range 10 {
		m.Put(i, i, 1, 100)
	}
	for k := range m.OldestFirst() {
		if k == 5 {
			break
		}
		m.Remove(k)
	}
	if m.Len() != 5 {
		t.Errorf("%d left", m.Len())
	}
}
