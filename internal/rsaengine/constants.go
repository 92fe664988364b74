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
}

// The classes of each kind of kernels. The windows are the faster ones as
// measured: larger tables leave the first-level cache.
var (
	ifmaClasses = []class{
		{bits: 1024, digit: digitBits, half: 10, full: 20, window: 5},
		{bits: 2048, digit: digitBits, half: 20, full: 40, window: 5, solo: true},
		{bits: 3072, digit: digitBits, half: 30, full: 60, window: 4},
		{bits: 4096, digit: digitBits, half: 40, full: 80, window: 4},
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
	return constantsOf(p, q, inverse, c)
}

// constantsOf computes them from the primes and 1/q modulo p. It uses math/big, as
// parsing a key does, and takes a twentieth of the time of a signature: who has
// very many keys keeps the primes and makes the rest when a message needs it.
func constantsOf(p, q, inverse *big.Int, c *class) *constants {
	n := new(big.Int).Mul(p, q)
	k := &constants{class: c, p: newPrime(p, c), q: newPrime(q, c), n: newModulus(n, c.full, c.digit)}
	scaled := new(big.Int).Lsh(inverse, uint(c.digit*c.half))
	scaled.Mod(scaled, p)
	k.inverse = digitsOf(scaled, c.half, c.digit)
	forget(scaled)
	return k
}

// newModulus takes m in digits of so many bits.
func newModulus(m *big.Int, digits, bits int) modulus {
	square := new(big.Int).Lsh(big.NewInt(1), uint(2*bits*digits))
	square.Mod(square, m)
	defer forget(square)
	d := digitsOf(m, digits, bits)
	// Newton's iteration doubles the bits that are right: an odd number is its own
	// inverse modulo 8.
	inverse := d[0]
	for range 5 {
		inverse *= 2 - d[0]*inverse
	}
	return modulus{d, digitsOf(square, digits, bits), -inverse & (1<<bits - 1)}
}

func newPrime(p *big.Int, c *class) prime {
	exponent := privateExponent(p)
	defer forget(exponent)
	return prime{newModulus(p, c.half, c.digit), windowsOf(exponent, c)}
}

// privateExponent is 1/e modulo p-1. With k = -1/(p-1) modulo e it is
// (1 + k·(p-1))/e, and e is small and prime: k is a power, by Fermat.
func privateExponent(p *big.Int) *big.Int {
	e := big.NewInt(publicExponent)
	less := new(big.Int).Sub(p, big.NewInt(1))
	base := new(big.Int).Mod(less, e).Uint64()
	inverse := base // base^(2^(i+1)-1) after i rounds
	for range 15 {
		inverse = inverse * inverse % publicExponent * base % publicExponent
	}
	less.Mul(less, new(big.Int).SetUint64(publicExponent-inverse))
	return less.Div(less.Add(less, big.NewInt(1)), e)
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
}
