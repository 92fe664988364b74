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
	for _, way := range []struct {
		name string
		need func(testing.TB)
		new  func(*testing.B) *timed
	}{
		{"ifma/solo=false", needIFMA, func(b *testing.B) *timed { return newTimed(b, false) }},
		{"ifma/solo=true", needIFMA, func(b *testing.B) *timed { return newTimed(b, true) }},
		{"adx", needADX, newTimedScalar},
	} {
		for name, second := range map[string]func(*timed){
			"same":      func(*timed) {},
			"exponents": (*timed).exponentsOfZeros,
			"primes":    (*timed).primesOfFewBits,
			"message":   (*timed).messageOfZeros,
			"control":   (*timed).sixSquaringsMore,
		} {
			b.Run(name+"/"+way.name, func(b *testing.B) {
				way.need(b)
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				x := way.new(b)
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

// timed is a key and a message that are replaced before each run.
type timed struct {
	class   *class
	k       *constants
	fixed   *constants
	message []byte
	more    int // squarings at the end

	// sign does everything up to the check, which works with public numbers.
	sign func()
}

func timedOf(b *testing.B, c *class) *timed {
	key := testKey(b, fmt.Sprintf("%d-a", c.bits))
	return &timed{class: c, k: newConstants(key, c), fixed: newConstants(key, c), message: make([]byte, c.bits/8)}
}

func newTimed(b *testing.B, solo bool) *timed {
	x := timedOf(b, classOf(ifmaClasses, 2048))
	var batch []*request
	count := maxBatch
	if solo {
		count = 1
	}
	for range count {
		batch = append(batch, &request{key: x.k, message: x.message})
	}
	w := newWork(x.class, solo)
	x.sign = func() {
		w.batch = append(w.batch[:0], batch...)
		w.load()
		w.reduceMessages()
		w.exponentiate()
		w.recombine()
		w.primes.squareTimes(w.x, x.more)
		w.wipe()
	}
	return x
}

func newTimedScalar(b *testing.B) *timed {
	x := timedOf(b, classOf(adxClasses, 2048))
	w := newScalar(x.class)
	x.sign = func() {
		setBytes(w.message, x.message, limbBits)
		w.exponentiate(w.sp, &x.k.p)
		w.exponentiate(w.sq, &x.k.q)
		w.recombine(x.k)
		x.k.p.squareTimes(w.x, w.scratch, 2*x.more) // the others square for both primes
		w.wipe()
	}
	return x
}

// time sets random inputs, changes them to the second class if asked to, and
// times sign.
func (x *timed) time(change bool, second func(*timed)) float64 {
	for _, p := range []*prime{&x.k.p, &x.k.q} {
		for i := range p.windows {
			p.windows[i] = byte(rand.IntN(1 << x.class.window))
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
	start := time.Now()
	x.sign()
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
