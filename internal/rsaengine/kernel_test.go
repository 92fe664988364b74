package rsaengine

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

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
func runs(r *rand.Rand, m *big.Int, digit int) *big.Int {
	x := new(big.Int)
	for x.BitLen() < m.BitLen()-digit {
		mask := uint64(1)<<digit - 1
		d := r.Uint64() & mask
		switch r.IntN(5) {
		case 0, 1:
			d = 0
		case 2:
			d = mask
		case 3:
			d &= 63
		}
		x.Lsh(x, uint(digit)).Or(x, new(big.Int).SetUint64(d))
	}
	return x
}

// bench is one set of operands, a number of the kind each.
type bench struct {
	kind
	moduli
	single  modulus // in limbs
	a, b, r vector
	m       []*big.Int
	x, y    []*big.Int
}

func newBench(y kind) *bench {
	b := &bench{kind: y, moduli: moduli{layout: y.layout}, a: y.vector(), b: y.vector(), r: y.vector()}
	b.moduli.m, b.square, b.negative = y.vector(), y.vector(), y.vector()
	b.scratch = newWork(classOf(ifmaClasses, 4096), false).table[:lanes*(2*y.digits+5)]
	return b
}

// set adds one number: r = x·y/radix modulo m is to be computed.
func (b *bench) set(m, x, y *big.Int) {
	n := len(b.m)
	mod := newModulus(m, b.kind.digits, b.digit)
	if b.limbs() {
		b.single = mod
	} else {
		b.moduli.set(n, &mod)
	}
	b.putBig(b.a, n, x)
	b.putBig(b.b, n, y)
	b.m, b.x, b.y = append(b.m, m), append(b.x, x), append(b.y, y)
}

func (b *bench) multiply(r, x, y vector) {
	if b.limbs() {
		b.single.multiply(r, x, y, b.scratch)
		return
	}
	b.moduli.multiply(r, x, y)
}

func (b *bench) squareTimes(x vector, n int) {
	if b.limbs() {
		b.single.squareTimes(x, b.scratch, n)
		return
	}
	b.moduli.squareTimes(x, n)
}

// run compares the kernels' results with math/big's.
func (b *bench) run(t testing.TB) {
	t.Helper()
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
		once[n] = b.getBig(t, b.r, n)
	}
	copy(b.r, b.a)
	b.squareTimes(b.r, 2)
	b.compare(t, "square twice", b.r, once, once)
}

func (b *bench) compare(t testing.TB, what string, r vector, x, y []*big.Int) {
	t.Helper()
	radix := b.radix()
	for n, m := range b.m {
		got := b.getBig(t, r, n)
		product := new(big.Int).Mul(x[n], y[n])
		// Almost reduced: below x·y/R + m. Limbs hold no more than R.
		bound := new(big.Int).Div(product, radix)
		bound.Add(bound, m)
		if got.Cmp(bound) > 0 {
			t.Errorf("%v: %s, number %d: %x is above the bound %x", b.kind, what, n, got, bound)
		}
		want := product.Mod(product, m)
		back := new(big.Int).Mul(got, radix)
		if back.Mod(back, m).Cmp(want) != 0 {
			t.Errorf("%v: %s, number %d: got %x, which times R is %x, want %x modulo %x; operands %x and %x",
				b.kind, what, n, got, back, want, m, x[n], y[n])
		}
	}
}

// extremes returns moduli of y's size at the edges.
func (y kind) extremes(r *rand.Rand) []*big.Int {
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
	r := rand.New(rand.NewPCG(1, 2))
	eachKind(t, func(t *testing.T, y kind) {
		for _, m := range y.extremes(r) {
			m.SetBit(m, 0, 1)
			twice := new(big.Int).Lsh(m, 1)
			operands := []*big.Int{
				new(big.Int), big.NewInt(1), plus(m, -1), m, plus(m, 1), plus(twice, -1),
				plus(new(big.Int).Mul(m, big.NewInt(5)), -1), random(r, m), random(r, twice),
				new(big.Int).Sub(power(m.BitLen()), m), runs(r, m, y.digit),
			}
			if y.limbs() { // they may be anything below R, and hold nothing above
				operands = append(operands, plus(y.radix(), -1), plus(y.radix(), -2), random(r, y.radix()))
				operands = slices.DeleteFunc(operands, func(x *big.Int) bool { return x.Cmp(y.radix()) >= 0 })
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
	})
}

func TestKernelsWithARadixSizedOperand(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	eachKind(t, func(t *testing.T, y kind) {
		for _, m := range y.extremes(r) {
			m.SetBit(m, 0, 1)
			b := newBench(y)
			// reduceMessages multiplies any R-sized number with a reduced one.
			for range y.numbers() {
				b.set(m, plus(y.radix(), -1), random(r, m))
			}
			b.multiply(b.r, b.a, b.b)
			b.compare(t, "multiply", b.r, b.x, b.y)
		}
	})
}

// TestKernelsWithCarriesThatRun chooses operands whose product modulo m is a
// number with runs of digits that are zero, which is where carries have run.
func TestKernelsWithCarriesThatRun(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	products := 100
	if testing.Short() {
		products = 20
	}
	eachKind(t, func(t *testing.T, y kind) {
		radix := y.radix()
		for range products {
			b := newBench(y)
			for range y.numbers() {
				m := random(r, power(y.bits()-1))
				m.SetBit(m, 0, 1).SetBit(m, y.bits()-1, 1)
				var x, inverse *big.Int
				for inverse == nil {
					x = random(r, m)
					inverse = new(big.Int).ModInverse(x, m)
				}
				target := runs(r, m, y.digit)
				target.Mul(target, radix).Mul(target, inverse).Mod(target, m)
				b.set(m, x, target)
			}
			b.run(t)
		}
	})
}

func TestNumbersDoNotMix(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	eachKind(t, func(t *testing.T, y kind) {
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
	})
}

func FuzzKernels(f *testing.F) {
	f.Add([]byte{1}, []byte{2}, []byte{3}, uint8(0))
	f.Add(plus(power(1024), -1).Bytes(), plus(power(1024), -1).Bytes(), plus(power(1024), -2).Bytes(), uint8(1))
	f.Add(plus(power(4096), -1).Bytes(), plus(power(4000), -1).Bytes(), plus(power(4096), -2).Bytes(), uint8(5))
	f.Add(plus(power(2048), -1).Bytes(), plus(power(2048), -1).Bytes(), plus(power(2048), -2).Bytes(), uint8(7))
	f.Add(plus(power(1024), -1).Bytes(), plus(power(1024), -1).Bytes(), plus(power(1024), -2).Bytes(), uint8(9))
	f.Add([]byte{1}, plus(power(2048), -1).Bytes(), plus(power(2048), -1).Bytes(), uint8(11))
	f.Fuzz(func(t *testing.T, m, a, b []byte, which uint8) {
		y := kinds[int(which)%len(kinds)]
		y.need(t)
		size := power(y.bits())
		number := func(b []byte) *big.Int { x := new(big.Int).SetBytes(b); return x.Mod(x, size) }
		modulus := number(m)
		modulus.SetBit(modulus, 0, 1)
		below := new(big.Int).Lsh(modulus, 1)
		if y.limbs() {
			below = size
		}
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
		k := newBench(kind{y, digitBits})
		table := newWork(classOf(ifmaClasses, 4096), false).table[:entries*y.size()]
		for i := range table {
			table[i] = uint64(i) + 1
		}
		for first := range entries {
			var index uint64
			for l := range lanes {
				index |= uint64(first+3*l) % entries << (8 * l)
			}
			k.moduli.pick(k.r, table, &index, entries)
			for i, got := range k.r {
				entry := (first + 3*(i%lanes)) % entries
				if want := table[entry*y.size()+i]; got != want {
					t.Fatalf("%v: word %d of entry %d is %d, want %d", y, i, entry, got, want)
				}
			}
		}
	}
}

func TestPickLimbsTakesTheEntry(t *testing.T) {
	needADX(t)
	for _, c := range adxClasses {
		w := newScalar(&c)
		entries := 1 << c.window
		for i := range w.table {
			w.table[i] = uint64(i) + 1
		}
		for index := range entries {
			pickLimbs(w.x, w.table, uint64(index), entries)
			if want := w.table[index*c.half:][:c.half]; !slices.Equal(w.x, want) {
				t.Fatalf("%d limbs: entry %d is %d, want %d", c.half, index, w.x, want)
			}
		}
	}
}
