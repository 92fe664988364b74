package rsaengine

// scalar is the memory of one signature that the ADX kernels compute, which need no
// company: one number at a time, and whoever wants a signature computes it
// itself. The steps are those of sign.go. The memory is wiped after use.
type scalar struct {
	class  *class
	memory []uint64 // what all numbers below lie in

	x, y    []uint64 // modulo a prime
	one     []uint64
	sp, sq  []uint64 // the signature modulo p and q
	table   []uint64 // of 1<<class.window entries
	message []uint64 // what to sign, in full limbs
	s, u    []uint64 // modulo n
	scratch []uint64 // twice as long as n

	// inject, in tests, corrupts the exponentiations' results.
	inject func(sp, sq []uint64)
}

func newScalar(c *class) *scalar {
	w := &scalar{class: c}
	w.memory = aligned(5*c.half + c.half<<c.window + 5*c.full)
	used := 0
	take := func(n int) []uint64 {
		used += n
		return w.memory[used-n : used : used]
	}
	w.table = take(c.half << c.window)
	for _, v := range []*[]uint64{&w.x, &w.y, &w.one, &w.sp, &w.sq} {
		*v = take(c.half)
	}
	for _, v := range []*[]uint64{&w.message, &w.s, &w.u} {
		*v = take(c.full)
	}
	w.scratch = take(2 * c.full)
	return w
}

// computeScalar replaces message, which is encoded, by its signature with key, and
// reports whether it could.
func (e *Engine) computeScalar(key *constants, message []byte) bool {
	ok := e.signScalar(key, message)
	e.signatures.Add(1)
	if !ok {
		e.faults.Add(1)
	}
	return ok
}

// signScalar is computeScalar without the counting.
func (e *Engine) signScalar(key *constants, message []byte) bool {
	pool := e.memory[key.class]
	w, _ := pool.Get().(*scalar)
	if w == nil {
		w = newScalar(key.class)
	}
	w.inject = e.injectScalar
	ok := w.sign(key, message)
	pool.Put(w)
	return ok
}

// sign replaces message by its signature if that gives the message back with the
// public key, and reports whether it does.
func (w *scalar) sign(k *constants, message []byte) bool {
	defer w.wipe()
	setBytes(w.message, message, limbBits)
	w.exponentiate(w.sp, &k.p)
	w.exponentiate(w.sq, &k.q)
	if w.inject != nil {
		w.inject(w.sp, w.sq)
	}
	w.recombine(k)
	if !w.checks(k) {
		return false
	}
	putBytes(message, w.s, limbBits)
	return true
}

// exponentiate sets r to the message's power modulo p, fully reduced, with a fixed
// window. Which entries of the table are used shows neither in time nor in
// addresses: pickLimbs reads all of them.
func (w *scalar) exponentiate(r []uint64, p *prime) {
	half, entries := w.class.half, 1<<w.class.window
	entry := func(i int) []uint64 { return w.table[i*half : (i+1)*half] }
	w.one[0] = 1
	// All is times R = 2^(64·half). The message is high·R + low.
	p.multiply(w.x, w.message[half:], p.square, w.scratch)
	addModulo(w.x, w.message[:half], p.m)
	p.multiply(w.x, w.x, p.square, w.scratch)
	p.multiply(entry(0), w.one, p.square, w.scratch)
	copy(entry(1), w.x)
	for i := 2; i < entries; i += 2 {
		copy(entry(i), entry(i/2))
		p.squareTimes(entry(i), w.scratch, 1)
		p.multiply(entry(i+1), entry(i), w.x, w.scratch)
	}
	pickLimbs(r, w.table, uint64(p.windows[0]), entries)
	for _, window := range p.windows[1:] {
		p.squareTimes(r, w.scratch, w.class.window)
		pickLimbs(w.y, w.table, uint64(window), entries)
		p.multiply(r, r, w.y, w.scratch)
	}
	p.multiply(r, r, w.one, w.scratch) // no longer times R
	reduceOnce(r, p.m, w.scratch)
}

// recombine sets s to the signature: s = s_q + q·((s_p - s_q)/q modulo p).
func (w *scalar) recombine(k *constants) {
	p := &k.p
	subtractModulo(w.x, w.sp, w.sq, p.m)
	p.multiply(w.x, w.x, k.inverse, w.scratch)
	reduceOnce(w.x, p.m, w.scratch)
	multiplyAddLimbs(w.s, w.x, k.q.m, w.sq)
}

// checks reports whether s raised to the public exponent is the message.
func (w *scalar) checks(k *constants) bool {
	k.n.publicPower(w.u, w.s, w.scratch)
	var different uint64
	for j, d := range w.u {
		different |= d ^ w.message[j]
	}
	return different == 0
}

// publicPower sets r to s^65537 modulo m, fully reduced, for s < m. t is scratch
// of twice their length.
func (m *modulus) publicPower(r, s, t []uint64) {
	m.multiply(r, s, m.square, t)
	m.squareTimes(r, t, 16)
	m.multiply(r, r, s, t)
	reduceOnce(r, m.m, t)
}

// wipe clears the memory and the vector registers.
func (w *scalar) wipe() {
	clear(w.memory)
	adxWipe()
}
