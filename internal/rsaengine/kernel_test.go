package rsaengine

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// needIFMA skips tests of the kernels on machines that cannot run them.
func needIFMA(t testing.TB) {
	t.Helper()
	if missing := missingFeature(); missing != "" {
		t.Skip(missing)
	}
}

// layouts are all there are kernels for.
var layouts = []layout{{10, 1}, {20, 1}, {30, 1}, {40, 1}, {60, 1}, {80, 1}, {20, 4}, {40, 8}}

func (y layout) String() string { return fmt.Sprintf("%d digits in %d lanes", y.digits, y.group) }

// bits of the moduli used with y.
func (y layout) bits() int { return y.digits / 10 * 512 }

func (y layout) numbers() int { return lanes / y.group }

func (y layout) vector() vector {
	w := newWork(classOf(4096), false)
	return w.table[:y.size()]
}

func (y layout) putBig(v vector, n int, x *big.Int) { y.put(v, n, digitsOf(x, y.digits)) }

func (y layout) getBig(t testing.TB, v vector, n int) *big.Int {
	t.Helper()
	digits := make([]uint64, y.digits)
	y.get(v, n, digits)
	x := new(big.Int)
	for j := y.digits - 1; j >= 0; j-- {
		if digits[j] > digitMask {
			t.Fatalf("digit %d is %#x: more than 52 bits", j, digits[j])
		}
		x.Lsh(x, digitBits).Or(x, new(big.Int).SetUint64(digits[j]))
	}
	return x
}

func power(bits int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(bits)) }

func plus(x *big.Int, n int64) *big.Int { return new(big.Int).Add(x, big.NewInt(n)) }

func random(r *rand.Rand, below *big.Int) *big.Int {
	b := make([]byte, (below.BitLen()+7)/8+8)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	x := new(big.Int).SetBytes(b)
	return x.Mod(x, below)
}

// runs returns a number below m with runs of digits that are all ones or zero,
// over which carries run.
func runs(r *rand.Rand, m *big.Int) *big.Int {
	x := new(big.Int)
	for x.BitLen() < m.BitLen()-digitBits {
		d := r.Uint64() & digitMask
		switch r.IntN(5) {
		case 0, 1:
			d = 0
		case 2:
			d = digitMask
		case 3:
			d &= 63
		}
		x.Lsh(x, digitBits).Or(x, new(big.Int).SetUint64(d))
	}
	return x
}

// bench is one set of operands, a number of the layout each.
type bench struct {
	layout
	moduli
	a, b, r vector
	m       []*big.Int
	x, y    []*big.Int
}

func newBench(y layout) *bench {
	b := &bench{layout: y, moduli: moduli{layout: y}, a: y.vector(), b: y.vector(), r: y.vector()}
	b.moduli.m, b.square, b.negative = y.vector(), y.vector(), y.vector()
	b.scratch = newWork(classOf(4096), false).table[:lanes*(2*y.digits+5)]
	return b
}

// set adds one number: r = x·y/2^(52·digits) modulo m is to be computed.
func (b *bench) set(m, x, y *big.Int) {
	n := len(b.m)
	mod := newModulus(m, b.layout.digits)
	b.moduli.set(n, &mod)
	b.layout.putBig(b.a, n, x)
	b.layout.putBig(b.b, n, y)
	b.m, b.x, b.y = append(b.m, m), append(b.x, x), append(b.y, y)
}

// run compares the kernels' results with math/big's.
func (b *bench) run(t testing.TB) {
	t.Helper()
	y := b.layout
	b.multiply(b.r, b.a, b.b)
	b.compare(t, "multiply", b.r, b.x, b.y)
	copy(b.r, b.a)
	b.multiply(b.r, b.r, b.b)
	b.compare(t, "multiply onto a", b.r, b.x, b.y)
	copy(b.r, b.b)
	b.multiply(b.r, b.a, b.r)
	b.compare(t, "multiply onto b", b.r, b.x, b.y)
	copy(b.r, b.a)
	b.squareTimes(b.r, 1)
	b.compare(t, "square", b.r, b.x, b.x)
	once := make([]*big.Int, len(b.m))
	for n := range once {
		once[n] = y.getBig(t, b.r, n)
	}
	copy(b.r, b.a)
	b.squareTimes(b.r, 2)
	b.compare(t, "square twice", b.r, once, once)
}

func (b *bench) compare(t testing.TB, what string, r vector, x, y []*big.Int) {
	t.Helper()
	radix := power(digitBits * b.layout.digits)
	for n, m := range b.m {
		got := b.layout.getBig(t, r, n)
		product := new(big.Int).Mul(x[n], y[n])
		// Almost reduced: below x·y/R + m.
		bound := new(big.Int).Rsh(product, uint(digitBits*b.layout.digits))
		bound.Add(bound, m)
		if got.Cmp(bound) > 0 {
			t.Errorf("%v: %s, number %d: %x is above the bound %x", b.layout, what, n, got, bound)
		}
		want := product.Mod(product, m)
		back := new(big.Int).Mul(got, radix)
		if back.Mod(back, m).Cmp(want) != 0 {
			t.Errorf("%v: %s, number %d: got %x, which times R is %x, want %x modulo %x; operands %x and %x",
				b.layout, what, n, got, back, want, m, x[n], y[n])
		}
	}
}

// extremes returns moduli of y's size at the edges.
func (y layout) extremes(r *rand.Rand) []*big.Int {
	half := power(y.bits() - 1)
	middle := random(r, half)
	middle.Add(middle, half).SetBit(middle, 0, 1)
	return []*big.Int{
		plus(power(y.bits()), -1), // all ones
		plus(half, 1),             // the least
		middle,                    //
		new(big.Int).SetBit(random(r, power(digitBits)), y.bits()-1, 1), // nearly all digits zero
	}
}

func TestKernelsWithExtremeOperands(t *testing.T) {
	needIFMA(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, y := range layouts {
		for _, m := range y.extremes(r) {
			m.SetBit(m, 0, 1)
			twice := new(big.Int).Lsh(m, 1)
			operands := []*big.Int{
				new(big.Int), big.NewInt(1), plus(m, -1), m, plus(m, 1), plus(twice, -1),
				plus(new(big.Int).Mul(m, big.NewInt(5)), -1), random(r, m), random(r, twice),
				new(big.Int).Sub(power(m.BitLen()), m), runs(r, m),
			}
			b := newBench(y)
			for _, x1 := range operands {
				for _, x2 := range operands {
					b.set(m, x1, x2)
					if len(b.m) == y.numbers() {
						b.run(t)
						b.m, b.x, b.y = nil, nil, nil
					}
				}
			}
		}
	}
}

func TestKernelsWithARadixSizedOperand(t *testing.T) {
	needIFMA(t)
	r := rand.New(rand.NewPCG(5, 6))
	for _, y := range layouts {
		for _, m := range y.extremes(r) {
			m.SetBit(m, 0, 1)
			b := newBench(y)
			// reduceMessages multiplies any R-sized number with a reduced one.
			for range y.numbers() {
				b.set(m, plus(power(digitBits*y.digits), -1), random(r, m))
			}
			b.multiply(b.r, b.a, b.b)
			b.compare(t, "multiply", b.r, b.x, b.y)
		}
	}
}

// TestKernelsWithCarriesThatRun chooses operands whose product modulo m is a
// number with runs of digits that are zero, which is where carries have run.
func TestKernelsWithCarriesThatRun(t *testing.T) {
	needIFMA(t)
	r := rand.New(rand.NewPCG(3, 4))
	for _, y := range layouts {
		radix := power(digitBits * y.digits)
		for range 100 {
			b := newBench(y)
			for range y.numbers() {
				m := random(r, power(y.bits()-1))
				m.SetBit(m, 0, 1).SetBit(m, y.bits()-1, 1)
				var x, inverse *big.Int
				for inverse == nil {
					x = random(r, m)
					inverse = new(big.Int).ModInverse(x, m)
				}
				target := runs(r, m)
				target.Mul(target, radix).Mul(target, inverse).Mod(target, m)
				b.set(m, x, target)
			}
			b.run(t)
		}
	}
}

func TestNumbersDoNotMix(t *testing.T) {
	needIFMA(t)
	r := rand.New(rand.NewPCG(7, 8))
	for _, y := range layouts {
		for only := range y.numbers() {
			b := newBench(y)
			for n := range y.numbers() {
				m := random(r, power(y.bits()))
				m.SetBit(m, 0, 1)
				x := new(big.Int)
				if n == only {
					x = random(r, m)
				}
				b.set(m, x, random(r, m))
			}
			b.run(t)
			for n := range y.numbers() {
				if n != only && y.getBig(t, b.r, n).Sign() != 0 {
					t.Errorf("%v: number %d is not zero, number %d leaked into it", y, n, only)
				}
			}
		}
	}
}

func FuzzKernels(f *testing.F) {
	needIFMA(f)
	f.Add([]byte{1}, []byte{2}, []byte{3}, uint8(0))
	f.Add(plus(power(1024), -1).Bytes(), plus(power(1024), -1).Bytes(), plus(power(1024), -2).Bytes(), uint8(1))
	f.Add(plus(power(4096), -1).Bytes(), plus(power(4000), -1).Bytes(), plus(power(4096), -2).Bytes(), uint8(5))
	f.Add(plus(power(2048), -1).Bytes(), plus(power(2048), -1).Bytes(), plus(power(2048), -2).Bytes(), uint8(7))
	f.Fuzz(func(t *testing.T, m, a, b []byte, which uint8) {
		y := layouts[int(which)%len(layouts)]
		size := power(y.bits())
		number := func(b []byte) *big.Int { x := new(big.Int).SetBytes(b); return x.Mod(x, size) }
		modulus := number(m)
		modulus.SetBit(modulus, 0, 1)
		below := new(big.Int).Lsh(modulus, 1)
		k := newBench(y)
		for n := range y.numbers() {
			x1, x2 := plus(number(a), int64(n)), number(b)
			k.set(modulus, x1.Mod(x1, below), x2.Mod(x2, below))
		}
		k.run(t)
	})
}

func TestPickTakesEachLanesEntry(t *testing.T) {
	needIFMA(t)
	for _, y := range []layout{{10, 1}, {20, 1}, {30, 1}, {40, 1}, {20, 4}} {
		const entries = 16
		k := newBench(y)
		table := newWork(classOf(4096), false).table[:entries*y.size()]
		for i := range table {
			table[i] = uint64(i) + 1
		}
		for first := range entries {
			for l := range lanes {
				k.negative[l] = uint64(first+3*l) % entries
			}
			k.pick(k.r, table, k.negative, entries)
			for i, got := range k.r {
				entry := (first + 3*(i%lanes)) % entries
				if want := table[entry*y.size()+i]; got != want {
					t.Fatalf("%v: word %d of entry %d is %d, want %d", y, i, entry, got, want)
				}
			}
		}
	}
}
