package rsaengine

import "crypto/rsa"

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
	class  *class
	digits []uint64 // what all numbers below lie in
	p, q   prime
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

// lay divides the memory of constants of class c, unless that is done.
func (k *constants) lay(c *class) {
	if k.class == c {
		return
	}
	count := (c.bits/2 + c.window - 1) / c.window
	windows := make([]byte, 2*count)
	k.class, k.digits = c, make([]uint64, 5*c.half+2*c.full)
	k.p.windows, k.q.windows = windows[:count:count], windows[count:]
}

// wipe overwrites the secrets.
func (k *constants) wipe() {
	clear(k.digits)
	clear(k.p.windows)
	clear(k.q.windows)
	k.p.negative, k.q.negative = 0, 0
	if k.lone != nil {
		k.lone.wipe()
	}
}
