package rsaengine

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func bigOf(digits []uint64, digit int) *big.Int {
	x := new(big.Int)
	for j := len(digits) - 1; j >= 0; j-- {
		x.Lsh(x, uint(digit)).Add(x, new(big.Int).SetUint64(digits[j]))
	}
	return x
}

func TestDigitsAreTheBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, c := range slices.Concat(ifmaClasses, adxClasses) {
		for _, size := range []int{c.bits / 8, c.bits / 16} {
			n := c.full * size * 8 / c.bits
			want := random(r, power(size*8))
			b := want.FillBytes(make([]byte, size))
			digits := make([]uint64, n)
			setBytes(digits, b, c.digit)
			if got := bigOf(digits, c.digit); got.Cmp(want) != 0 {
				t.Errorf("%d bytes: digits %x, want %x", size, got, want)
			}
			back := make([]byte, size)
			putBytes(back, digits, c.digit)
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
		power(52), plus(power(52), -1), random(r, m), random(r, m), runs(r, m, digitBits)}
	dm := digitsOf(m, n, digitBits)
	for _, a := range numbers {
		reduced, scratch := digitsOf(a, n, digitBits), make([]uint64, n)
		subtractOnce(reduced, dm, scratch)
		want := new(big.Int).Set(a)
		if a.Cmp(m) >= 0 {
			want.Sub(a, m)
		}
		if got := bigOf(reduced, digitBits); got.Cmp(want) != 0 {
			t.Errorf("subtractOnce(%x) = %x, want %x", a, got, want)
		}
		for _, b := range numbers {
			da, db := digitsOf(a, n, digitBits), digitsOf(b, n, digitBits)
			got := make([]uint64, n)
			difference(got, da, db, dm)
			want := new(big.Int).Sub(a, b)
			want.Add(want, m).Add(want, m)
			if bigOf(got, digitBits).Cmp(want) != 0 {
				t.Errorf("difference(%x, %x) = %x, want %x", a, b, bigOf(got, digitBits), want)
			}
			add(got, da)
			if want.Add(want, a); bigOf(got, digitBits).Cmp(want) != 0 {
				t.Errorf("add(…, %x) = %x, want %x", a, bigOf(got, digitBits), want)
			}
			for _, c := range numbers {
				product := make([]uint64, 2*n)
				multiplyAdd(product, da, db, digitsOf(c, n, digitBits))
				want := new(big.Int).Mul(a, b)
				if want.Add(want, c); bigOf(product, digitBits).Cmp(want) != 0 {
					t.Errorf("multiplyAdd(%x, %x, %x) = %x, want %x", a, b, c, bigOf(product, digitBits), want)
				}
			}
		}
	}
}

func TestLimbArithmetic(t *testing.T) {
	const n = 16
	limbs := func(x *big.Int) []uint64 { return digitsOf(x, n, limbBits) }
	r := rand.New(rand.NewPCG(11, 11))
	random1 := random(r, power(1023))
	for _, m := range []*big.Int{plus(power(1024), -1), plus(power(1023), 1), random1.SetBit(random1, 1023, 1)} {
		dm := limbs(m)
		numbers := []*big.Int{new(big.Int), big.NewInt(1), plus(m, -1), m, plus(power(1024), -1), plus(power(1023), -1),
			power(64), plus(power(64), -1), random(r, m), random(r, m), runs(r, m, limbBits)}
		for _, a := range numbers {
			reduced := limbs(a)
			reduceOnce(reduced, dm, make([]uint64, n))
			want := new(big.Int).Set(a)
			if a.Cmp(m) >= 0 {
				want.Sub(a, m)
			}
			if got := bigOf(reduced, limbBits); got.Cmp(want) != 0 {
				t.Errorf("reduceOnce(%x, %x) = %x, want %x", a, m, got, want)
			}
			for _, b := range numbers {
				sum := limbs(a)
				addModulo(sum, limbs(b), dm)
				got, want := bigOf(sum, limbBits), new(big.Int).Add(a, b)
				if got.Mod(got, m).Cmp(want.Mod(want, m)) != 0 {
					t.Errorf("addModulo(%x, %x, %x) = %x, want %x", a, b, m, got, want)
				}
				if a.Cmp(m) < 0 {
					difference := make([]uint64, n)
					subtractModulo(difference, limbs(a), limbs(b), dm)
					want := new(big.Int).Sub(a, b)
					if got := bigOf(difference, limbBits); got.Cmp(want.Mod(want, m)) != 0 {
						t.Errorf("subtractModulo(%x, %x, %x) = %x, want %x", a, b, m, got, want)
					}
				}
				for _, c := range numbers {
					product := make([]uint64, 2*n)
					product[n] = 1 // is overwritten
					multiplyAddLimbs(product, limbs(a), limbs(b), limbs(c))
					want := new(big.Int).Mul(a, b)
					if want.Add(want, c); bigOf(product, limbBits).Cmp(want) != 0 {
						t.Errorf("multiplyAddLimbs(%x, %x, %x) = %x, want %x", a, b, c, bigOf(product, limbBits), want)
					}
				}
			}
		}
	}
}

// digitsOf returns x in n digits of so many bits.
func digitsOf(x *big.Int, n, digit int) []uint64 {
	b := make([]byte, (n*digit+63)/64*8)
	d := make([]uint64, n)
	setBytes(d, x.FillBytes(b), digit)
	return d
}
