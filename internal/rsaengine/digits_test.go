package rsaengine

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"
)

func bigOf(digits []uint64) *big.Int {
	x := new(big.Int)
	for j := len(digits) - 1; j >= 0; j-- {
		x.Lsh(x, digitBits).Add(x, new(big.Int).SetUint64(digits[j]))
	}
	return x
}

func TestDigitsAreTheBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, c := range classes {
		for _, size := range []int{c.bits / 8, c.bits / 16} {
			n := c.full * size * 8 / c.bits
			want := random(r, power(size*8))
			b := want.FillBytes(make([]byte, size))
			digits := make([]uint64, n)
			setBytes(digits, b)
			if got := bigOf(digits); got.Cmp(want) != 0 {
				t.Errorf("%d bytes: digits %x, want %x", size, got, want)
			}
			back := make([]byte, size)
			putBytes(back, digits)
			if !bytes.Equal(back, b) {
				t.Errorf("%d bytes: back %x, want %x", size, back, b)
			}
		}
	}
}

func TestDigitArithmetic(t *testing.T) {
	const n = 20
	r := rand.New(rand.NewPCG(10, 10))
	m := random(r, power(1023))
	m.SetBit(m, 1023, 1)
	top := plus(power(1024), -1)
	numbers := []*big.Int{new(big.Int), big.NewInt(1), plus(m, -1), m, plus(m, 1), top,
		power(52), plus(power(52), -1), random(r, m), random(r, m), runs(r, m)}
	dm := digitsOf(m, n)
	for _, a := range numbers {
		reduced, scratch := digitsOf(a, n), make([]uint64, n)
		subtractOnce(reduced, dm, scratch)
		want := new(big.Int).Set(a)
		if a.Cmp(m) >= 0 {
			want.Sub(a, m)
		}
		if got := bigOf(reduced); got.Cmp(want) != 0 {
			t.Errorf("subtractOnce(%x) = %x, want %x", a, got, want)
		}
		for _, b := range numbers {
			da, db := digitsOf(a, n), digitsOf(b, n)
			got := make([]uint64, n)
			difference(got, da, db, dm)
			want := new(big.Int).Sub(a, b)
			want.Add(want, m).Add(want, m)
			if bigOf(got).Cmp(want) != 0 {
				t.Errorf("difference(%x, %x) = %x, want %x", a, b, bigOf(got), want)
			}
			add(got, da)
			if want.Add(want, a); bigOf(got).Cmp(want) != 0 {
				t.Errorf("add(…, %x) = %x, want %x", a, bigOf(got), want)
			}
			for _, c := range numbers {
				product := make([]uint64, 2*n)
				multiplyAdd(product, da, db, digitsOf(c, n))
				want := new(big.Int).Mul(a, b)
				if want.Add(want, c); bigOf(product).Cmp(want) != 0 {
					t.Errorf("multiplyAdd(%x, %x, %x) = %x, want %x", a, b, c, bigOf(product), want)
				}
			}
		}
	}
}
