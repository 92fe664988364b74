package rsaengine

// sign replaces each message of the batch by its signature and says so in ok.
// The signature that does not give the message back with the public key is
// not let out.
func (w *work) sign() {
	defer w.wipe()
	w.load()
	w.reduceMessages()
	w.exponentiate()
	if w.inject != nil {
		w.inject(w.x)
	}
	w.recombine()
	w.check()
}

// load sets the moduli: number 2i is message i's p, number 2i+1 its q. Lanes
// that nobody uses stay zero.
func (w *work) load() {
	one := []uint64{1}
	for i, r := range w.batch {
		w.primes.set(2*i, &r.key.p.modulus)
		w.primes.set(2*i+1, &r.key.q.modulus)
		w.primes.put(w.one, 2*i, one)
		w.primes.put(w.one, 2*i+1, one)
		w.modulus.set(i, &r.key.n)
		setBytes(w.message[i], r.message, digitBits)
		p, q := w.primes.bytes(2*i), w.primes.bytes(2*i+1)
		for j := range w.indexes {
			w.indexes[j] |= uint64(r.key.p.windows[j])*p | uint64(r.key.q.windows[j])*q
		}
	}
}

// reduceMessages sets x to the messages modulo the primes, times R = 2^(52·half)
// as all of the exponentiation is. With message = high·R + low that is
// high·R² + low·R.
func (w *work) reduceMessages() {
	k, half := &w.primes, w.class.half
	for n := range 2 * len(w.batch) {
		k.put(w.x, n, w.message[n/2][half:])
		k.put(w.y, n, w.message[n/2][:half])
	}
	k.multiply(w.y, w.y, k.square)      // low·R
	k.multiply(w.z, k.square, k.square) // R³
	k.multiply(w.x, w.x, w.z)           // high·R²
	high, low := w.single[0], w.single[1]
	for n := range 2 * len(w.batch) {
		k.get(w.x, n, high)
		k.get(w.y, n, low)
		add(high, low)
		k.put(w.x, n, high)
	}
}

// exponentiate raises x to the private exponents, each lane its own, with a
// fixed window. Which entries of the table are used shows neither in time nor
// in addresses: pick reads all of them.
func (w *work) exponentiate() {
	k, size := &w.primes, w.primes.size()
	entry := func(i int) vector { return w.table[i*size : (i+1)*size] }
	entries := 1 << w.class.window
	k.multiply(entry(0), w.one, k.square)
	copy(entry(1), w.x)
	for i := 2; i < entries; i += 2 {
		copy(entry(i), entry(i/2))
		k.squareTimes(entry(i), 1)
		k.multiply(entry(i+1), entry(i), w.x)
	}
	for i := range w.indexes {
		if i == 0 {
			k.pick(w.x, w.table, &w.indexes[i], entries)
			continue
		}
		k.squareTimes(w.x, w.class.window)
		k.pick(w.y, w.table, &w.indexes[i], entries)
		k.multiply(w.x, w.x, w.y)
	}
}

// recombine sets number i of s to the signature of message i, from its
// remainders for p and q in x: s = s_q + q·((s_p - s_q)/q modulo p).
func (w *work) recombine() {
	k := &w.primes
	sp, sq, h, t := w.single[0], w.single[1], w.single[2], w.single[3]
	k.multiply(w.x, w.x, w.one) // no longer times R
	clear(w.y)
	clear(w.z)
	for i, r := range w.batch {
		p, q := &r.key.p, &r.key.q
		k.get(w.x, 2*i, sp)
		k.get(w.x, 2*i+1, sq)
		subtractOnce(sq, q.m, t)
		k.put(w.x, 2*i+1, sq)
		difference(h, sp, sq, p.m)
		k.put(w.y, 2*i, h)
		k.put(w.z, 2*i, r.key.inverse)
	}
	k.multiply(w.y, w.y, w.z)
	for i, r := range w.batch {
		k.get(w.x, 2*i+1, sq)
		k.get(w.y, 2*i, h)
		subtractOnce(h, r.key.p.m, t)
		multiplyAdd(w.result, h, r.key.q.m, sq)
		w.modulus.put(w.s, i, w.result)
	}
}

// check raises s to the public exponent 65537 = 2^16 + 1 and lets out what
// gives the message back.
func (w *work) check() {
	k := &w.modulus
	k.multiply(w.u, w.s, k.square)
	k.squareTimes(w.u, 16)
	k.multiply(w.u, w.u, w.s)
	for i, r := range w.batch {
		k.get(w.u, i, w.result)
		subtractOnce(w.result, r.key.n.m, w.subtract)
		var different uint64
		for j, d := range w.result {
			different |= d ^ w.message[i][j]
		}
		if different != 0 {
			continue
		}
		k.get(w.s, i, w.result)
		putBytes(r.message, w.result, digitBits)
		r.ok = true
	}
}

// wipe clears the memory of the batch and the vector registers.
func (w *work) wipe() {
	clear(w.memory)
	wipe()
}
