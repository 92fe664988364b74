package rsaengine

import (
	"crypto/rsa"
	"math/big"
	"math/bits"
)

// maker makes the constants of keys, by math/big, as parsing a key does. That takes a
// twentieth of the time of a signature: who has very many keys keeps the primes of most,
// and has the rest made when a message needs it. Its memory is wiped after use.
type maker struct {
	p, q, inverse, n big.Int // the key, inverse being 1/q modulo p
	s, t, quotient   big.Int
	words            []uint64
	digits           []uint64  // what the constants themselves are laid in
	made             constants // for one signature
}

// maker returns memory to make the constants of a key of class c in.
func (e *Engine) maker(c *class) *maker {
	if m, ok := e.makers[c].Get().(*maker); ok {
		return m
	}
	return new(maker)
}

func (e *Engine) giveBack(c *class, m *maker) {
	m.wipe()
	e.makers[c].Put(m)
}

// make makes constants of a key of class c, and those for a message alone where the
// kernels for that are of another class. It reports whether the key is of class c.
func (m *maker) make(k *constants, parts *Parts, c, lone *class) bool {
	if !m.read(parts, c) {
		return false
	}
	m.set(k, c)
	if lone != nil {
		if k.lone == nil {
			k.lone = new(constants)
		}
		m.set(k.lone, lone)
	}
	return true
}

// read takes a key, and reports whether it is of class c.
func (m *maker) read(k *Parts, c *class) bool {
	m.p.SetBytes(k.P)
	m.q.SetBytes(k.Q)
	m.inverse.SetBytes(k.QInv)
	m.n.Mul(&m.p, &m.q)
	return m.p.BitLen() == c.bits/2 && m.q.BitLen() == c.bits/2 && m.n.BitLen() == c.bits
}

// set makes the constants, for the kernels of class c, of the key that was read.
func (m *maker) set(k *constants, c *class) {
	k.lay(c)
	m.digits = k.digits
	k.p.modulus, k.q.modulus = m.modulus(&m.p, c.half, c.digit), m.modulus(&m.q, c.half, c.digit)
	k.n = m.modulus(&m.n, c.full, c.digit)
	m.t.Lsh(&m.inverse, uint(c.digit*c.half))
	m.quotient.QuoRem(&m.t, &m.p, &m.s)
	k.inverse = m.digitsOf(&m.s, c.half, c.digit)
	m.cut(k.p.windows, m.privateExponent(&m.p), c)
	m.cut(k.q.windows, m.privateExponent(&m.q), c)
	m.digits = nil
}

// wipe overwrites what was computed with.
func (m *maker) wipe() {
	for _, x := range []*big.Int{&m.p, &m.q, &m.inverse, &m.n, &m.s, &m.t, &m.quotient} {
		words := x.Bits()
		clear(words[:cap(words)]) // longer numbers may have been in it
	}
	clear(m.words)
}

// newConstants computes the constants of an acceleratable key.
func newConstants(key *rsa.PrivateKey, c *class) *constants {
	var m maker
	defer m.wipe()
	m.p.Set(key.Primes[0])
	m.q.Set(key.Primes[1])
	m.n.Set(key.N)
	m.inverse.ModInverse(&m.q, &m.p)
	k := new(constants)
	m.set(k, c)
	return k
}

// newModulus takes m in digits of so many bits.
func newModulus(x *big.Int, digits, bits int) modulus {
	m := maker{digits: make([]uint64, 2*digits)}
	return m.modulus(x, digits, bits)
}

// wordsOf are the lowest n words, of 64 bits, of x.
func (m *maker) wordsOf(x *big.Int, n int) []uint64 {
	if len(m.words) < n {
		m.words = make([]uint64, n)
	}
	clear(m.words)
	for i, w := range x.Bits() {
		m.words[i*bits.UintSize/64] |= uint64(w) << (i * bits.UintSize % 64)
	}
	return m.words[:n]
}

// cutAt is the number in so many bits, at most 64, from bit at of words on.
func cutAt(words []uint64, at, bits int) uint64 {
	i, shift := at/64, at%64
	if i >= len(words) {
		return 0
	}
	x := words[i] >> shift
	if shift+bits > 64 && i+1 < len(words) {
		x |= words[i+1] << (64 - shift)
	}
	return x & (1<<bits - 1)
}

// digitsOf takes x in n digits of so many bits.
func (m *maker) digitsOf(x *big.Int, n, digit int) []uint64 {
	d := m.digits[:n:n]
	m.digits = m.digits[n:]
	words := m.wordsOf(x, (n*digit+63)/64)
	for j := range d {
		d[j] = cutAt(words, j*digit, digit)
	}
	return d
}

// modulus takes x in digits of so many bits.
func (m *maker) modulus(x *big.Int, digits, bits int) modulus {
	m.t.SetUint64(1)
	m.t.Lsh(&m.t, uint(2*bits*digits))
	m.quotient.QuoRem(&m.t, x, &m.s)
	d := m.digitsOf(x, digits, bits)
	// Newton's iteration doubles the bits that are right: an odd number is its own
	// inverse modulo 8.
	inverse := d[0]
	for range 5 {
		inverse *= 2 - d[0]*inverse
	}
	return modulus{d, m.digitsOf(&m.s, digits, bits), -inverse & (1<<bits - 1)}
}

// privateExponent is 1/e modulo p-1. With k = -1/(p-1) modulo e it is
// (1 + k·(p-1))/e, and e is small and prime: k is a power, by Fermat.
func (m *maker) privateExponent(p *big.Int) *big.Int {
	m.t.SetUint64(1)
	m.s.Sub(p, &m.t)
	m.t.SetUint64(publicExponent)
	m.quotient.Mod(&m.s, &m.t)
	base := m.quotient.Uint64()
	inverse := base // base^(2^(i+1)-1) after i rounds
	for range 15 {
		inverse = inverse * inverse % publicExponent * base % publicExponent
	}
	m.t.SetUint64(publicExponent - inverse)
	m.quotient.Mul(&m.s, &m.t)
	m.t.SetUint64(1)
	m.s.Add(&m.quotient, &m.t)
	m.t.SetUint64(publicExponent)
	m.quotient.Quo(&m.s, &m.t)
	return &m.quotient
}

// cut cuts x, of half the bits of the class, into windows, the highest first.
func (m *maker) cut(windows []byte, x *big.Int, c *class) {
	words := m.wordsOf(x, c.bits/128)
	for w := range windows {
		windows[len(windows)-1-w] = byte(cutAt(words, w*c.window, c.window))
	}
}
