package rsaengine

import "unsafe"

// lanes is how many numbers a vector holds.
const lanes = 8

// vector is eight numbers, lane by lane: digit j of lane l is at 8·j+l. It
// starts at a multiple of 64 bytes, for the kernels move whole vectors.
type vector []uint64

// put sets one lane.
func (v vector) put(lane int, digits []uint64) {
	for j, d := range digits {
		v[lanes*j+lane] = d
	}
}

// get reads one lane.
func (v vector) get(lane int, digits []uint64) {
	for j := range digits {
		digits[j] = v[lanes*j+lane]
	}
}

// add adds u in each lane and carries. The sums must fit.
func (v vector) add(u vector) {
	var carry [lanes]uint64
	for i := range v {
		s := v[i] + u[i] + carry[i%lanes]
		v[i] = s & digitMask
		carry[i%lanes] = s >> digitBits
	}
}

// moduli are eight moduli and the kernels' scratch.
type moduli struct {
	digits            int
	m, square         vector
	negative, scratch vector
}

func (k *moduli) put(lane int, m *modulus) {
	k.m.put(lane, m.m)
	k.square.put(lane, m.square)
	k.negative[lane] = m.negative
}

// work is the memory of one batch. It is wiped after use.
type work struct {
	class  *class
	batch  []*request
	memory []uint64 // what all of the below but fault lies in

	primes, modulus moduli

	x, y, z vector // modulo the primes
	one     vector
	table   vector // of 1<<class.window entries
	index   vector // one digit
	s, u    vector // modulo n

	message  [maxBatch][]uint64 // what to sign, in full digits
	single   [5][]uint64        // numbers of half digits
	result   []uint64           // numbers of full digits
	subtract []uint64

	// inject, in tests, corrupts the exponentiations' results.
	inject func(vector)
}

// newWork lays out the memory for keys of class c.
func newWork(c *class) *work {
	w := &work{class: c, batch: make([]*request, 0, maxBatch)}
	w.lay(nil)
	size := len(w.memory)
	memory := make([]uint64, size+lanes)
	skip := -uintptr(unsafe.Pointer(&memory[0])) / 8 % lanes
	w.lay(memory[skip : skip+uintptr(size)])
	return w
}

// lay divides memory into w's parts; given nil it only finds the size.
func (w *work) lay(memory []uint64) {
	used := 0
	take := func(n int) []uint64 {
		start := used
		used += (n + lanes - 1) / lanes * lanes
		if memory == nil {
			return nil
		}
		return memory[start : start+n : start+n]
	}
	half, full := w.class.half, w.class.full
	for _, k := range []struct {
		*moduli
		digits int
	}{{&w.primes, half}, {&w.modulus, full}} {
		*k.moduli = moduli{k.digits, take(lanes * k.digits), take(lanes * k.digits),
			take(lanes), take(lanes * (2*k.digits + 5))}
	}
	w.table = take(lanes * half << w.class.window)
	for _, v := range []*vector{&w.x, &w.y, &w.z, &w.one} {
		*v = take(lanes * half)
	}
	w.index = take(lanes)
	w.s, w.u = take(lanes*full), take(lanes*full)
	for i := range w.message {
		w.message[i] = take(full)
	}
	for i := range w.single {
		w.single[i] = take(half)
	}
	w.result, w.subtract = take(full), take(full)
	w.memory = memory
	if memory == nil {
		w.memory = make([]uint64, used)
	}
}
