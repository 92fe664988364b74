package rsaengine

import (
	"runtime"
	"slices"
	"sync"
)

// maxBatch is how many signatures fit the eight lanes: each takes one lane for
// either prime.
const maxBatch = lanes / 2

// request is one signature on its way through the queue.
type request struct {
	key     *constants
	message []byte // in: the encoded message; out: the signature, when ok
	ok      bool

	// Guarded by the queue's mutex.
	leading bool // told to lead
	taken   bool // by a batch

	wake chan signal // never more than one of each signal in it
}

type signal uint8

const (
	done signal = iota // the request is finished
	lead               // a core is free: compute what waits
)

// queue holds the signatures that wait. It has no goroutine of its own: a
// caller that finds a core free leads, which means that it computes one batch
// of what waits, its own request among it. When that is finished it names the
// oldest of those that still wait the next leader. So nothing waits while a
// core is free, and batches fill with what would have to wait anyway.
type queue struct {
	workers int // most leaders at a time

	mu      sync.Mutex
	leaders int
	waiting []*request        // oldest first
	free    map[shape][]*work // working memory not in use
	dropped bool

	pool sync.Pool // of *request
}

// computeInBatch replaces message, which is encoded, by its signature with key, and
// reports whether it could.
func (e *Engine) computeInBatch(key *constants, message []byte) bool {
	q := &e.queue
	r, _ := q.pool.Get().(*request)
	if r == nil {
		r = &request{wake: make(chan signal, 2)}
	}
	r.key, r.message, r.ok, r.taken = key, message, false, false
	finished := q.add(r) && e.lead(r)
	for !finished {
		finished = <-r.wake == done || e.lead(r)
	}
	ok := r.ok
	r.key, r.message = nil, nil
	q.pool.Put(r)
	return ok
}

// add queues r and reports whether it is to lead.
func (q *queue) add(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	r.leading = q.leaders < q.workers
	if r.leading {
		q.leaders++
	}
	return r.leading
}

// lead computes one batch with r in it and hands on the lead. It reports false
// when another leader has taken r into its batch: then r.wake will tell.
func (e *Engine) lead(r *request) bool {
	w := e.queue.take(r)
	if w == nil {
		return false
	}
	w.inject = e.inject
	// Deferred, so that a panic leaves nobody waiting.
	defer e.finish(w)
	if lone := r.key.lone; lone != nil && len(w.batch) == 1 && w.inject == nil {
		r.ok = e.signScalar(lone, r.message)
	} else {
		w.sign()
	}
	return true
}

// take removes a batch from the queue: r first, and the oldest requests of the
// same size with it. It returns nil, and hands on the lead, when r is in
// another batch.
func (q *queue) take(r *request) *work {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) < maxBatch {
		// Let goroutines that are ready to run, and may be about to sign, go
		// first. When there are none, this returns at once.
		q.mu.Unlock()
		runtime.Gosched()
		q.mu.Lock()
	}
	if r.taken {
		q.next(r)
		return nil
	}
	most, class := maxBatch, r.key.class
	if class.solo && q.count(class, fillsBatch) < fillsBatch {
		most = 1
	}
	w := q.work(shape{class, most == 1})
	r.taken = true
	w.batch = append(w.batch[:0], r)
	q.waiting = slices.DeleteFunc(q.waiting, func(b *request) bool {
		if b == r {
			return true
		}
		if len(w.batch) == most || b.key.class != class {
			return false
		}
		b.taken = true
		w.batch = append(w.batch, b)
		return true
	})
	return w
}

// fillsBatch is how many signatures make a batch faster than as many solos.
const fillsBatch = 3

// count returns how many requests of class c wait, but not more than limit.
func (q *queue) count(c *class, limit int) int {
	n := 0
	for _, b := range q.waiting {
		if b.key.class == c {
			n++
		}
		if n == limit {
			break
		}
	}
	return n
}

// finish counts the batch in w, wakes those who wait for it and hands on the
// lead.
func (e *Engine) finish(w *work) {
	e.batches.Add(1)
	e.signatures.Add(uint64(len(w.batch)))
	e.lanes.Add(uint64(2 * len(w.batch) * w.primes.group))
	for _, b := range w.batch {
		if !b.ok {
			e.faults.Add(1)
		}
	}
	batch := w.batch // of pointers that are their goroutines' own once woken
	leader, others := batch[0], batch[1:]
	// On one core the goroutines made ready run in this order, the last first:
	// finished messages are answered before the next batch is computed.
	for i, b := range others {
		if i < len(others)-1 {
			b.wake <- done
		}
	}
	var last *request
	if len(others) > 0 {
		last = others[len(others)-1]
	}
	e.queue.giveBack(w, leader)
	if last != nil {
		last.wake <- done
	}
}

// giveBack returns the working memory and ends the lead of r.
func (q *queue) giveBack(w *work, r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(w.batch)
	if !q.dropped {
		s := shape{w.class, w.solo}
		q.free[s] = append(q.free[s], w)
	}
	q.next(r)
}

// next ends the lead of r and names the next leader, if anything waits.
func (q *queue) next(r *request) {
	r.leading = false
	for _, b := range q.waiting {
		if !b.leading {
			b.leading = true
			b.wake <- lead
			return
		}
	}
	q.leaders--
}

// shape is what working memory is laid out for.
type shape struct {
	class *class
	solo  bool
}

// work returns working memory that is not in use.
func (q *queue) work(s shape) *work {
	free := q.free[s]
	if len(free) == 0 {
		return newWork(s.class, s.solo)
	}
	w := free[len(free)-1]
	q.free[s] = free[:len(free)-1]
	return w
}

// drop lets go of the working memory.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped = true
	clear(q.free)
}
