package rsaengine

import "unsafe"

// lanes is how many numbers a vector holds.
const lanes = 8

// vector is memory that the kernels read and write, 64 bytes at a time: eight
// lanes of 64 bits. It starts at a multiple of 64 bytes, which is faster.
type vector []uint64

// layout says where in a vector the digits of several numbers lie. With a group
// of one lane, digit d of number l is in lane l of the 64 bytes at 64·d. With a
// larger group a number is spread over that many lanes, and the lane above has
// the higher digits.
type layout struct {
	digits int
	group  int
}

// size is the length of a vector of numbers.
func (y layout) size() int { return lanes * y.digits / y.group }

// put sets number n of v.
func (y layout) put(v vector, n int, digits []uint64) {
	width := y.digits / y.group
	for g := range y.group {
		lane := n*y.group + g
		for j, d := range digits[min(g*width, len(digits)):min((g+1)*width, len(digits))] {
			v[lanes*j+lane] = d
		}
	}
}

// get reads number n of v.
func (y layout) get(v vector, n int, digits []uint64) {
	width := y.digits / y.group
	for g := range y.group {
		lane := n*y.group + g
		for j := range width {
			digits[g*width+j] = v[lanes*j+lane]
		}
	}
}

// fill sets all lanes of number n of v, one digit high, to d.
func (y layout) fill(v vector, n int, d uint64) {
	for g := range y.group {
		v[n*y.group+g] = d
	}
}

// bytes are the lowest bits of the bytes of the lanes of number n.
func (y layout) bytes(n int) uint64 {
	var ones uint64
	for g := range y.group {
		ones |= 1 << (8 * (n*y.group + g))
	}
	return ones
}

// moduli are the moduli that the kernels compute with, and their scratch.
type moduli struct {
	layout
	m, square         vector
	negative, scratch vector
}

func (k *moduli) set(n int, m *modulus) {
	k.put(k.m, n, m.m)
	k.put(k.square, n, m.square)
	k.fill(k.negative, n, m.negative)
}

// work is the memory of one batch. It is wiped after use.
type work struct {
	class  *class
	solo   bool // for one message alone
	batch  []*request
	memory []uint64 // what all numbers below lie in

	primes, modulus moduli

	x, y, z vector // modulo the primes
	one     vector
	table   vector   // of 1<<class.window entries
	indexes []uint64 // of each window of the exponents: a byte for each lane
	s, u    vector   // modulo n

	message  [maxBatch][]uint64 // what to sign, in full digits
	single   [4][]uint64        // numbers of half digits
	result   []uint64           // a number of full digits
	subtract []uint64           // scratch of subtractOnce for it

	// inject, in tests, corrupts the exponentiations' results.
	inject func(vector)
}

// newWork lays out the memory for keys of class c: for a batch, or for one
// message alone.
func newWork(c *class, solo bool) *work {
	w := &work{class: c, solo: solo, batch: make([]*request, 0, maxBatch)}
	w.primes.layout, w.modulus.layout = layout{c.half, 1}, layout{c.full, 1}
	if solo {
		w.primes.layout, w.modulus.layout = layout{c.half, lanes / 2}, layout{c.full, lanes}
	}
	size := w.lay(nil)
	w.lay(aligned(size))
	return w
}

// aligned returns memory that starts at a multiple of 64 bytes.
func aligned(size int) []uint64 {
	memory := make([]uint64, size+lanes)
	skip := -uintptr(unsafe.Pointer(&memory[0])) / 8 % lanes
	return memory[skip : skip+uintptr(size)]
}

// lay divides memory into w's parts; given nil it only tells the size.
func (w *work) lay(memory []uint64) int {
	used := 0
	take := func(n int) []uint64 {
		start := used
		used += (n + lanes - 1) / lanes * lanes
		if memory == nil {
			return nil
		}
		return memory[start : start+n : start+n]
	}
	for _, k := range []*moduli{&w.primes, &w.modulus} {
		k.m, k.square, k.negative = take(k.size()), take(k.size()), take(lanes)
		k.scratch = take(lanes * (2*k.digits + 5))
	}
	w.table = take(w.primes.size() << w.class.window)
	for _, v := range []*vector{&w.x, &w.y, &w.z, &w.one} {
		*v = take(w.primes.size())
	}
	w.indexes = take((w.class.bits/2 + w.class.window - 1) / w.class.window)
	w.s, w.u = take(w.modulus.size()), take(w.modulus.size())
	for i := range w.message {
		w.message[i] = take(w.class.full)
	}
	for i := range w.single {
		w.single[i] = take(w.class.half)
	}
	w.result, w.subtract = take(w.class.full), take(w.class.full)
	w.memory = memory
	return used
}
