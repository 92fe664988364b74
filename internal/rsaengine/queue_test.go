package rsaengine

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"
)

// job is one signature to make and its known result.
type job struct {
	name   string
	signer crypto.Signer
	digest []byte
	want   []byte
}

func jobs(t testing.TB, e *Engine, count int, names ...string) []job {
	t.Helper()
	list := make([]job, 0, count)
	signers := map[string]crypto.Signer{}
	for i := range count {
		name := names[i%len(names)]
		key := testKey(t, name)
		if signers[name] == nil {
			signers[name] = wrap(t, e, key)
		}
		digest := sum(crypto.SHA256, fmt.Sprint(i))
		list = append(list, job{name, signers[name], digest, standard(t, key, crypto.SHA256, digest)})
	}
	return list
}

// together signs all jobs at once and fails the test when one hangs.
func together(t testing.TB, list []job, rounds int) {
	t.Helper()
	var group sync.WaitGroup
	for _, j := range list {
		group.Go(func() {
			for range rounds {
				got, err := j.signer.Sign(nil, j.digest, crypto.SHA256)
				if err != nil {
					t.Error(err)
				}
				if !bytes.Equal(got, j.want) {
					t.Errorf("%s: got %x, want %x", j.name, got, j.want)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { group.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatal("signatures wait for ever")
	}
}

// mixed are keys of all sizes, and one that is not accelerated.
var mixed = []string{"2048-a", "2048-b", "1024-a", "2048-c", "1024-b", "3072-a", "2048-exponent3", "4096-a"}

func TestMixedKeysAndSizesTogether(t *testing.T) {
	needIFMA(t)
	for _, workers := range []int{1, 2, 7} {
		e := newEngine(t, Options{Mode: ModeIFMA, Workers: workers})
		list := jobs(t, e, 60, mixed...)
		together(t, list, 3)
		got := e.Stats()
		if got.Signatures+got.Fallbacks != 180 || got.Faults != 0 || got.Lanes < 2*got.Signatures {
			t.Errorf("%d workers: stats %+v, want 180 signatures", workers, got)
		}
		e.queue.mu.Lock()
		if e.queue.leaders != 0 || len(e.queue.waiting) != 0 {
			t.Errorf("%d workers: %d leaders and %d waiting are left", workers, e.queue.leaders, len(e.queue.waiting))
		}
		e.queue.mu.Unlock()
	}
}

func TestWhatWaitsFormsFullBatches(t *testing.T) {
	needIFMA(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e := newEngine(t, Options{Mode: ModeIFMA})
	together(t, jobs(t, e, 64, "2048-a", "2048-b"), 4)
	got := e.Stats()
	if got.Signatures != 256 || got.Batches > 80 {
		t.Errorf("stats %+v, want 256 signatures in about 64 batches", got)
	}
}

func TestOneAloneDoesNotWait(t *testing.T) {
	needIFMA(t)
	e := newEngine(t, Options{Mode: ModeIFMA})
	list := jobs(t, e, 1, "2048-a")
	together(t, list, 10)
	if got := e.Stats(); got.Batches != 10 {
		t.Errorf("stats %+v, want 10 batches", got)
	}
}

// TestFaultIsNotLetOut corrupts one result in the lanes: a signature made with
// it would give away the key (the remainder for one prime is still right).
func TestFaultIsNotLetOut(t *testing.T) {
	needIFMA(t)
	for _, name := range []string{"1024-a", "3072-a"} {
		for lane := range lanes {
			e := newEngine(t, Options{Mode: ModeIFMA, Workers: 1})
			e.inject = func(x vector) { x[5*lanes+lane] ^= 1 << 17 }
			together(t, jobs(t, e, 1, name), 1)
			want := Stats{Batches: 1, Signatures: 1, Lanes: 2}
			if lane < 2 { // the others are not used
				want.Faults, want.Fallbacks = 1, 1
			}
			if got := e.Stats(); got != want {
				t.Errorf("%s, lane %d: stats %+v, want %+v", name, lane, got, want)
			}
		}
	}
}

// TestFaultInASolo: one message of 2048 bits is spread over all lanes.
func TestFaultInASolo(t *testing.T) {
	needIFMA(t)
	for lane := range lanes {
		e := newEngine(t, Options{Mode: ModeIFMA, Workers: 1})
		e.inject = func(x vector) { x[lanes+lane] ^= 1 }
		together(t, jobs(t, e, 1, "2048-a"), 1)
		if got, want := e.Stats(), (Stats{Batches: 1, Signatures: 1, Lanes: lanes, Faults: 1, Fallbacks: 1}); got != want {
			t.Errorf("lane %d: stats %+v, want %+v", lane, got, want)
		}
	}
}

func TestFaultSparesTheOthersOfTheBatch(t *testing.T) {
	needIFMA(t)
	e := newEngine(t, Options{Mode: ModeIFMA})
	c := classOf(ifmaClasses, 2048)
	list := jobs(t, e, 4, "2048-a", "2048-b", "2048-c")
	w := newWork(c, false)
	w.inject = func(x vector) { x[5] ^= 1 } // lane 5: message 2
	for _, j := range list {
		r := &request{key: j.signer.(*signer).constants, message: make([]byte, c.bits/8)}
		encode(r.message, digestInfo(crypto.SHA256), j.digest)
		w.batch = append(w.batch, r)
	}
	w.sign()
	for i, r := range w.batch {
		if ok := i != 2; r.ok != ok || bytes.Equal(r.message, list[i].want) != ok {
			t.Errorf("message %d: ok %v, right signature %v, want %v", i, r.ok, bytes.Equal(r.message, list[i].want), ok)
		}
	}
}

// TestFaultInTheCheck corrupts what the check computes with, one bit, one lane or all
// of it: what it lets out is right.
func TestFaultInTheCheck(t *testing.T) {
	needIFMA(t)
	c := classOf(ifmaClasses, 2048)
	faults := map[string]func(w *work){
		"nothing":          func(*work) {},
		"no modulus":       func(w *work) { clear(w.modulus.m) },
		"no inverse":       func(w *work) { clear(w.modulus.negative) },
		"no square":        func(w *work) { clear(w.modulus.square) },
		"a digit of n":     func(w *work) { w.modulus.m[3*lanes+1] ^= 1 << 40 },
		"another message":  func(w *work) { w.message[0][7] ^= 4 },
		"another key's n":  func(w *work) { w.batch[0].key.n.m[2] ^= 1 },
		"the whole vector": func(w *work) { clear(w.primes.m); clear(w.modulus.m); clear(w.modulus.negative) },
	}
	for lane := range lanes {
		faults[fmt.Sprintf("the inverse of lane %d", lane)] = func(w *work) { w.modulus.negative[lane] ^= 1 << 9 }
		faults[fmt.Sprintf("the modulus of lane %d", lane)] = func(w *work) { w.modulus.m[lanes+lane] ^= 1 }
	}
	for what, fault := range faults {
		for _, how := range []struct {
			solo  bool
			count int
		}{{false, 1}, {false, 4}, {true, 1}} {
			w := newWork(c, how.solo)
			w.inject = func(vector) { fault(w) }
			right := map[*request][]byte{}
			for i := range how.count {
				key := testKey(t, "2048-"+string("abca"[i]))
				k, parts := new(constants), partsOf(key, c.bits/16)
				if !new(maker).make(k, &parts, c, nil) {
					t.Fatal("no constants")
				}
				r := &request{key: k, message: make([]byte, c.bits/8)}
				digest := sum(crypto.SHA256, fmt.Sprint(i))
				encode(r.message, digestInfo(crypto.SHA256), digest)
				right[r] = standard(t, key, crypto.SHA256, digest)
				w.batch = append(w.batch, r)
			}
			w.sign()
			for r, want := range right {
				if r.ok && !bytes.Equal(r.message, want) || !r.ok && what == "nothing" {
					t.Errorf("%s, %+v: let out %t, right signature %t", what, how, r.ok, bytes.Equal(r.message, want))
				}
			}
		}
	}
}

// TestPanicLeavesNobodyWaiting: a panic reaches the leader's caller alone.
func TestPanicLeavesNobodyWaiting(t *testing.T) {
	needIFMA(t)
	e := newEngine(t, Options{Mode: ModeIFMA, Workers: 1})
	list := jobs(t, e, 20, "2048-a")
	var once sync.Once
	e.inject = func(vector) { once.Do(func() { panic("injected") }) }
	for i, j := range list {
		sign := j.signer
		list[i].signer = recovering{sign}
	}
	together(t, list, 1)
	together(t, list, 1)
}

// recovering signs again after a panic.
type recovering struct{ crypto.Signer }

func (s recovering) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) (signature []byte, err error) {
	defer func() {
		if recover() != nil {
			signature, err = s.Signer.Sign(r, digest, o)
		}
	}()
	return s.Signer.Sign(r, digest, o)
}
