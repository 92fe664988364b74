package rsaengine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkTiming asks whether the time of the secret arithmetic depends on the
// secret, as dudect does (Reparaz, Balasch, Verbauwhede: "Dude, is my code
// constant time?"): it times two classes of input in random order and reports
// Welch's t of the two, the largest in size of several cuts of the slow tail.
// Beyond 4.5 a difference is likely, beyond 10 certain. It is a tool for a quiet
// machine, not a test: go test -run xx -bench Timing -benchtime 50000x.
func BenchmarkTiming(b *testing.B) {
	needIFMA(b)
	c := classOf(2048)
	for _, solo := range []bool{false, true} {
		for name, second := range map[string]func(*timed){
			"same":      func(*timed) {},
			"exponents": (*timed).exponentsOfZeros,
			"primes":    (*timed).primesOfFewBits,
			"message":   (*timed).messageOfZeros,
			"control":   (*timed).sixSquaringsMore,
		} {
			b.Run(fmt.Sprintf("%s/solo=%v", name, solo), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				x := newTimed(b, c, solo)
				var times [2][]float64
				for range b.N {
					which := rand.IntN(2)
					times[which] = append(times[which], x.time(which == 1, second))
				}
				b.ReportMetric(largestT(times), "t")
			})
		}
	}
}

// timed holds one request whose key and message are replaced before each run.
type timed struct {
	w       *work
	batch   []*request
	k       *constants
	fixed   *constants
	message []byte
	more    int // squarings at the end
}

func newTimed(b *testing.B, c *class, solo bool) *timed {
	key := testKey(b, fmt.Sprintf("%d-a", c.bits))
	x := &timed{w: newWork(c, solo), k: newConstants(key), fixed: newConstants(key), message: make([]byte, c.bits/8)}
	count := maxBatch
	if solo {
		count = 1
	}
	for range count {
		x.batch = append(x.batch, &request{key: x.k, message: x.message})
	}
	return x
}

// time sets random inputs, changes them to the second class if asked to, and
// times everything up to the check, which works with public numbers.
func (x *timed) time(change bool, second func(*timed)) float64 {
	for _, p := range []*prime{&x.k.p, &x.k.q} {
		for i := range p.windows {
			p.windows[i] = byte(rand.IntN(1 << x.w.class.window))
		}
	}
	copy(x.k.p.m, x.fixed.p.m)
	copy(x.k.q.m, x.fixed.q.m)
	for i := range x.message {
		x.message[i] = byte(rand.IntN(256))
	}
	x.message[0] = 0
	x.more = 1
	if change {
		second(x)
	}
	w := x.w
	w.batch = append(w.batch[:0], x.batch...)
	start := time.Now()
	w.load()
	w.reduceMessages()
	w.exponentiate()
	w.recombine()
	w.primes.squareTimes(w.x, x.more)
	w.wipe()
	return float64(time.Since(start))
}

func (x *timed) exponentsOfZeros() {
	clear(x.k.p.windows)
	clear(x.k.q.windows)
}

// primesOfFewBits leaves the digits of the primes nearly all zero. The results
// mean nothing then, but take their time.
func (x *timed) primesOfFewBits() {
	for _, m := range [][]uint64{x.k.p.m, x.k.q.m} {
		clear(m[1 : len(m)-1])
	}
}

// sixSquaringsMore shows what would be noticed: six operations more of 1300, as
// many as leaving out the multiplication for windows of zeros would save.
func (x *timed) sixSquaringsMore() { x.more = 7 }

func (x *timed) messageOfZeros() { clear(x.message) }

// largestT is the largest |t| over all samples and over those below some
// percentiles.
func largestT(times [2][]float64) float64 {
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	if len(all) < 20 {
		return 0
	}
	largest := 0.0
	for _, cut := range []float64{0.5, 0.9, 0.99, 1} {
		limit := all[int(cut*float64(len(all)-1))]
		var mean, variance, n [2]float64
		for i, samples := range times {
			for _, v := range samples {
				if v > limit {
					continue
				}
				n[i]++
				delta := v - mean[i]
				mean[i] += delta / n[i]
				variance[i] += delta * (v - mean[i])
			}
			variance[i] /= n[i] - 1
		}
		t := (mean[0] - mean[1]) / math.Sqrt(variance[0]/n[0]+variance[1]/n[1])
		largest = max(largest, math.Abs(t))
	}
	return largest
}
