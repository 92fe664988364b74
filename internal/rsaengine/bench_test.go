package rsaengine

import (
	"crypto"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkSign signs with one caller at a time, and with 2, 4 and 16 where they
// share batches. Run it on one core (taskset -c 0) for the cost per signature.
func BenchmarkSign(b *testing.B) {
	for _, mode := range []string{ModeIFMA, ModeADX, ModeGo} {
		e, err := New(Options{Mode: mode})
		if err != nil {
			b.Log(err)
			continue
		}
		callers := []int{1}
		if mode == ModeIFMA {
			callers = []int{1, 2, 4, 16}
		}
		for _, c := range ifmaClasses {
			s := wrap(b, e, testKey(b, fmt.Sprintf("%d-a", c.bits)))
			for _, callers := range callers {
				b.Run(fmt.Sprintf("%d/%s/%d", c.bits, mode, callers), func(b *testing.B) {
					b.ReportAllocs()
					signTogether(b, s, callers)
				})
			}
		}
	}
}

func signTogether(b *testing.B, s crypto.Signer, callers int) {
	digest := sum(crypto.SHA256, "benchmark")
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.Sign(nil, digest, crypto.SHA256); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkBatch is the arithmetic alone: solo is one message by itself, the
// others fill the lanes of one batch.
func BenchmarkBatch(b *testing.B) {
	needIFMA(b)
	for i := range ifmaClasses {
		c := &ifmaClasses[i]
		k := newConstants(testKey(b, fmt.Sprintf("%d-a", c.bits)), c)
		for name, messages := range map[string]int{"solo": 1, "1": 1, "4": 4} {
			solo := name == "solo"
			if solo && !c.solo {
				continue
			}
			b.Run(fmt.Sprintf("%d/%s", c.bits, name), func(b *testing.B) {
				w := newWork(c, solo)
				for b.Loop() {
					w.batch = w.batch[:0]
					for range messages {
						r := &request{key: k, message: make([]byte, c.bits/8)}
						encode(r.message, digestInfo(crypto.SHA256), make([]byte, 32))
						w.batch = append(w.batch, r)
					}
					w.sign()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages), "ns/signature")
			})
		}
	}
}

func BenchmarkKernel(b *testing.B) {
	for _, y := range kinds {
		k := newBench(y)
		for range y.numbers() {
			k.set(plus(power(y.bits()), -1), power(y.bits()-3), plus(power(y.bits()), -3))
		}
		b.Run(fmt.Sprintf("multiply/%v", y), func(b *testing.B) {
			y.need(b)
			for b.Loop() {
				k.multiply(k.a, k.a, k.b)
			}
		})
		b.Run(fmt.Sprintf("square/%v", y), func(b *testing.B) {
			y.need(b)
			for b.Loop() {
				k.squareTimes(k.a, 1)
			}
		})
	}
}

// BenchmarkConstants is what a signature with a key that is not kept costs more.
func BenchmarkConstants(b *testing.B) {
	for _, mode := range []string{ModeIFMA, ModeADX} {
		e, err := New(Options{Mode: mode})
		if err != nil {
			b.Log(err)
			continue
		}
		for i := range e.classes {
			c := &e.classes[i]
			parts := partsOf(testKey(b, fmt.Sprintf("%d-a", c.bits)), c.bits/16)
			b.Run(fmt.Sprintf("%d/%s", c.bits, mode), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m := e.maker(c)
					if !m.make(&m.made, &parts, c, e.loneClass(c)) {
						b.Fatal("not of its class")
					}
					m.made.wipe()
					e.giveBack(c, m)
				}
			})
		}
	}
}
