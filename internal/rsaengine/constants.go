package rsaengine

import (
	"crypto/rsa"
	"math/big"
	"slices"
)

// class is a size of key that the kernels know.
type class struct {
	bits   int  // of the modulus
	digit  int  // bits of a digit
	half   int  // digits of a prime
	full   int  // digits of the modulus
	window int  // bits of the exponent for one look-up in the table
	solo   bool // has kernels that compute one message alone sooner
	lone   bool // ADX computes one message alone sooner, where the CPU has both
}

// The classes of each kind of kernels. The windows are the faster ones as
// measured: larger tables leave the first-level cache.
var (
	ifmaClasses = []class{
		{bits: 1024, digit: digitBits, half: 10, full: 20, window: 5},
		{bits: 2048, digit: digitBits, half: 20, full: 40, window: 5, solo: true},
		{bits: 3072, digit: digitBits, half: 30, full: 60, window: 4, lone: true},
		{bits: 4096, digit: digitBits, half: 40, full: 80, window: 4, lone: true},
	}
	adxClasses = []class{
		{bits: 1024, digit: limbBits, half: 8, full: 16, window: 5},
		{bits: 2048, digit: limbBits, half: 16, full: 32, window: 5},
		{bits: 3072, digit: limbBits, half: 24, full: 48, window: 5},
		{bits: 4096, digit: limbBits, half: 32, full: 64, window: 5},
	}
)

// classOf returns the class for moduli of so many bits, nil if there is none.
func classOf(classes []class, bits int) *class {
	for i := range classes {
		if classes[i].bits == bits {
			return &classes[i]
		}
	}
	return nil
}

// constants are what the kernels need of one key, secret but for n.
type constants struct {
	class *class
	p, q  prime
	// inverse is 1/q modulo p, times 2^(digit·half).
	inverse []uint64
	n       modulus
	// lone are those of the kernels for a message alone; nil for the same.
	lone *constants
}

// modulus is a number to compute modulo of, in d digits.
type modulus struct {
	m        []uint64
	square   []uint64 // 2^(2·digit·d) modulo m
	negative uint64   // -1/m modulo 2^digit
}

// prime is one of the two primes and the private exponent for it.
type prime struct {
	modulus
	windows []byte // the exponent, a window of bits to a byte, highest first
}

const publicExponent = 65537

// acceleratable returns the class of key, nil if it is not of the kind the
// kernels compute.
func acceleratable(classes []class, key *rsa.PrivateKey) *class {
	c := classOf(classes, key.N.BitLen())
	if c != nil && key.E == publicExponent && len(key.Primes) == 2 &&
		key.Primes[0].BitLen() == c.bits/2 && key.Primes[1].BitLen() == c.bits/2 {
		return c
	}
	return nil
}

// newConstants computes the constants of an acceleratable key.
func newConstants(key *rsa.PrivateKey, c *class) *constants {
	p, q := key.Primes[0], key.Primes[1]
	inverse := new(big.Int).ModInverse(q, p)
	defer forget(inverse)
	return new(maker).constants(p, q, inverse, c)
}

// constants computes them from the primes and 1/q modulo p. It uses math/big, as
// parsing a key does, and takes a twentieth of the time of a signature: who has
// very many keys keeps the primes and makes the rest when a message needs it.
func (m *maker) constants(p, q, inverse *big.Int, c *class) *constants {
	defer m.forget()
	m.digits = make([]uint64, 5*c.half+2*c.full)
	m.n.Mul(p, q)
	k := &constants{class: c, p: m.prime(p, c), q: m.prime(q, c), n: m.modulus(&m.n, c.full, c.digit)}
	m.t.Lsh(inverse, uint(c.digit*c.half))
	m.t.Mod(&m.t, p)
	k.inverse = m.digitsOf(&m.t, c.half, c.digit)
	return k
}

// maker is the memory that constants are made in: with very many keys they are made
// for nearly every message. It is wiped after use.
type maker struct {
	n, s, t, quotient big.Int
	bytes             []byte
	digits            []uint64 // what the constants themselves are laid in
}

func (m *maker) forget() {
	for _, x := range []*big.Int{&m.n, &m.s, &m.t, &m.quotient} {
		words := x.Bits()
		clear(words[:cap(words)]) // longer numbers may have been in it
	}
	clear(m.bytes)
	m.digits = nil
}

// digitsOf takes x in n digits of so many bits.
func (m *maker) digitsOf(x *big.Int, n, digit int) []uint64 {
	if size := (n*digit + 63) / 64 * 8; len(m.bytes) < size {
		m.bytes = make([]byte, size)
	}
	d := m.digits[:n:n]
	m.digits = m.digits[n:]
	setBytes(d, x.FillBytes(m.bytes[:(n*digit+63)/64*8]), digit)
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

func (m *maker) prime(p *big.Int, c *class) prime {
	of := m.modulus(p, c.half, c.digit)
	return prime{of, windowsOf(m.privateExponent(p), c)}
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

// newModulus takes m in digits of so many bits.
func newModulus(x *big.Int, digits, bits int) modulus {
	m := maker{digits: make([]uint64, 2*digits)}
	return m.modulus(x, digits, bits)
}

// windowsOf cuts x, of half the bits of the class, into windows.
func windowsOf(x *big.Int, c *class) []byte {
	// Lowest byte first, with room for the two that a window may lie in.
	b := make([]byte, c.bits/16+2)
	defer clear(b)
	x.FillBytes(b[:c.bits/16])
	slices.Reverse(b[:c.bits/16])
	count := (c.bits/2 + c.window - 1) / c.window
	windows := make([]byte, count)
	for w := range windows {
		at := (count - 1 - w) * c.window
		two := uint(b[at/8]) | uint(b[at/8+1])<<8
		windows[w] = byte(two >> (at % 8) & (1<<c.window - 1))
	}
	return windows
}

// forget overwrites numbers that are no longer needed.
func forget(numbers ...*big.Int) {
	for _, x := range numbers {
		clear(x.Bits())
	}
}

// wipe overwrites the secrets. It runs when the signer is unreachable.
func (k *constants) wipe() {
	for _, p := range []*prime{&k.p, &k.q} {
		clear(p.m)
		clear(p.square)
		clear(p.windows)
		p.negative = 0
	}
	clear(k.inverse)
	if k.lone != nil {
		k.lone.wipe()
	}
}
