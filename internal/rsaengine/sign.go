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

// load fills the lanes: lane 2i is message i modulo p, lane 2i+1 modulo q.
// Lanes that nobody uses stay zero.
func (w *work) load() {
	for i, r := range w.batch {
		w.primes.put(2*i, &r.key.p.modulus)
		w.primes.put(2*i+1, &r.key.q.modulus)
		w.modulus.put(i, &r.key.n)
		setBytes(w.message[i], r.message)
	}
	for l := range lanes {
		w.one[l] = 1
	}
}

// reduceMessages sets x to the messages modulo the primes, times R = 2^(52·half)
// as all of the exponentiation is. With message = high·R + low that is
// high·R² + low·R.
func (w *work) reduceMessages() {
	half := w.class.half
	for i := range w.batch {
		for l := 2 * i; l <= 2*i+1; l++ {
			w.x.put(l, w.message[i][half:])
			w.y.put(l, w.message[i][:half])
		}
	}
	k := &w.primes
	k.multiply(w.y, w.y, k.square)      // low·R
	k.multiply(w.z, k.square, k.square) // R³
	k.multiply(w.x, w.x, w.z)           // high·R²
	w.x.add(w.y)
}

// exponentiate raises x to the private exponents, lane by lane, with a fixed
// window. Which entries of the table are used shows neither in time nor in
// addresses: pick reads all of them.
func (w *work) exponentiate() {
	k, size := &w.primes, lanes*w.class.half
	entry := func(i int) vector { return w.table[i*size : (i+1)*size] }
	entries := 1 << w.class.window
	k.multiply(entry(0), w.one, k.square)
	copy(entry(1), w.x)
	for i := 2; i < entries; i += 2 {
		copy(entry(i), entry(i/2))
		k.squareTimes(entry(i), 1)
		k.multiply(entry(i+1), entry(i), w.x)
	}
	var windows [lanes][]byte
	for i, r := range w.batch {
		windows[2*i], windows[2*i+1] = r.key.p.windows, r.key.q.windows
	}
	for n := range windows[0] {
		for l, b := range windows[:2*len(w.batch)] {
			w.index[l] = uint64(b[n])
		}
		if n == 0 {
			k.pick(w.x, w.table, w.index, entries)
			continue
		}
		k.squareTimes(w.x, w.class.window)
		k.pick(w.y, w.table, w.index, entries)
		k.multiply(w.x, w.x, w.y)
	}
}

// recombine sets lane i of s to the signature of message i, from its remainders
// for p and q in x: s = s_q + q·((s_p - s_q)/q modulo p).
func (w *work) recombine() {
	k := &w.primes
	sp, h, t := w.single[0], w.single[1], w.single[2]
	k.multiply(w.x, w.x, w.one) // no longer times R
	clear(w.y)
	clear(w.z)
	for i, r := range w.batch {
		key, sq := r.key, w.single[3]
		w.x.get(2*i, sp)
		w.x.get(2*i+1, sq)
		subtractOnce(sq, key.q.m, t)
		w.x.put(2*i+1, sq)
		difference(h, sp, sq, key.p.m)
		w.y.put(2*i, h)
		w.z.put(2*i, key.inverse)
	}
	k.multiply(w.y, w.y, w.z)
	for i, r := range w.batch {
		key, sq := r.key, w.single[3]
		w.x.get(2*i+1, sq)
		w.y.get(2*i, h)
		subtractOnce(h, key.p.m, t)
		multiplyAdd(w.result, h, key.q.m, sq)
		w.s.put(i, w.result)
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
		w.u.get(i, w.result)
		subtractOnce(w.result, r.key.n.m, w.subtract)
		var different uint64
		for j, d := range w.result {
			different |= d ^ w.message[i][j]
		}
		if different != 0 {
			continue
		}
		w.s.get(i, w.result)
		putBytes(r.message, w.result)
		r.ok = true
	}
}

// wipe clears the memory of the batch and the vector registers.
func (w *work) wipe() {
	clear(w.memory)
	wipe()
}
