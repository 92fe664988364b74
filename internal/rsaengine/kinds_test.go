package rsaengine

import (
	"fmt"
	"math/big"
	"testing"
)

// needIFMA skips tests of the kernels on machines that cannot run them.
func needIFMA(t testing.TB) {
	t.Helper()
	if missing := missingForIFMA(); missing != "" {
		t.Skip(missing)
	}
}

// needADX is the same for those of ADX.
func needADX(t testing.TB) {
	t.Helper()
	if missing := missingForADX(); missing != "" {
		t.Skip(missing)
	}
}

// kind is what there are kernels for: a layout of IFMA's, or one number in limbs.
type kind struct {
	layout
	digit int // bits of a digit
}

var kinds = []kind{
	{layout{10, 1}, digitBits}, {layout{20, 1}, digitBits}, {layout{30, 1}, digitBits}, {layout{40, 1}, digitBits},
	{layout{60, 1}, digitBits}, {layout{80, 1}, digitBits}, {layout{20, 4}, digitBits}, {layout{40, 8}, digitBits},
	{layout{8, lanes}, limbBits}, {layout{16, lanes}, limbBits}, {layout{24, lanes}, limbBits}, {layout{32, lanes}, limbBits},
	{layout{48, lanes}, limbBits}, {layout{64, lanes}, limbBits},
}

// eachKind runs f for every kind that the machine has the kernels of.
func eachKind(t *testing.T, f func(t *testing.T, y kind)) {
	for _, y := range kinds {
		t.Run(y.String(), func(t *testing.T) {
			y.need(t)
			f(t, y)
		})
	}
}

func (y kind) need(t testing.TB) {
	t.Helper()
	if y.limbs() {
		needADX(t)
	} else {
		needIFMA(t)
	}
}

func (y kind) String() string {
	if y.limbs() {
		return fmt.Sprintf("%d limbs", y.digits)
	}
	return fmt.Sprintf("%d digits in %d lanes", y.digits, y.group)
}

func (y kind) limbs() bool { return y.digit == limbBits }

// bits of the moduli used with y.
func (y kind) bits() int {
	if y.limbs() {
		return limbBits * y.digits
	}
	return y.digits / 10 * 512
}

// radix is what the kernels divide by.
func (y kind) radix() *big.Int { return power(y.digit * y.digits) }

func (y kind) numbers() int { return lanes / y.group }

func (y kind) vector() vector {
	w := newWork(classOf(ifmaClasses, 4096), false)
	return w.table[:y.size()]
}

func (y kind) putBig(v vector, n int, x *big.Int) {
	digits := digitsOf(x, y.digits, y.digit)
	if y.limbs() {
		copy(v, digits)
		return
	}
	y.put(v, n, digits)
}

func (y kind) getBig(t testing.TB, v vector, n int) *big.Int {
	t.Helper()
	digits := make([]uint64, y.digits)
	if y.limbs() {
		copy(digits, v)
	} else {
		y.get(v, n, digits)
	}
	for j, d := range digits {
		if d > uint64(1)<<y.digit-1 {
			t.Fatalf("digit %d is %#x: more than 52 bits", j, d)
		}
	}
	return bigOf(digits, y.digit)
}

// way is a way for one message through the kernels. sign returns the working
// memory too.
type way struct {
	class *class
	sign  func(k *constants, message []byte) (ok bool, memory []uint64)
}

// eachWay runs f for all ways that the machine has.
func eachWay(t *testing.T, f func(*testing.T, way)) {
	for i := range ifmaClasses {
		c := &ifmaClasses[i]
		for _, solo := range []bool{false, true} {
			if solo && !c.solo {
				continue
			}
			t.Run(fmt.Sprintf("%d/ifma/solo=%v", c.bits, solo), func(t *testing.T) {
				needIFMA(t)
				f(t, way{class: c, sign: func(k *constants, message []byte) (bool, []uint64) {
					w := newWork(c, solo)
					r := &request{key: k, message: message}
					w.batch = append(w.batch, r)
					w.sign()
					return r.ok, w.memory
				}})
			})
		}
	}
	for i := range adxClasses {
		c := &adxClasses[i]
		t.Run(fmt.Sprintf("%d/adx", c.bits), func(t *testing.T) {
			needADX(t)
			f(t, way{class: c, sign: func(k *constants, message []byte) (bool, []uint64) {
				w := newScalar(c)
				return w.sign(k, message), w.memory
			}})
		})
	}
}
