package rsaengine

import (
	"crypto"
	"crypto/rsa"
	"slices"
)

// Public checks signatures of one public key with the kernels: those that spread
// one number over the lanes, or those of ADX. The key's constants are computed once and not for every signature. It is
// immutable and safe for concurrent use. All it handles is public.
type Public struct {
	engine *Engine
	class  *class
	n      modulus
	moduli moduli // n, of IFMA
}

// Public returns what checks signatures of key faster than crypto/rsa does, nil
// where nothing is faster.
func (e *Engine) Public(key *rsa.PublicKey) *Public {
	if key == nil || key.E != publicExponent || key.N.Sign() <= 0 || key.N.Bit(0) == 0 {
		return nil
	}
	c := classOf(e.public, key.N.BitLen())
	if c == nil {
		return nil
	}
	p := &Public{engine: e, class: c, n: newModulus(key.N, c.full, c.digit)}
	if c.digit == limbBits {
		return p
	}
	p.moduli.layout = layout{c.full, lanes * c.bits / 2048}
	for _, v := range []*vector{&p.moduli.m, &p.moduli.square, &p.moduli.negative} {
		*v = make(vector, p.moduli.size())
	}
	p.moduli.set(0, &p.n)
	return p
}

// ifmaPublic are the sizes that IFMA checks. For the larger ones no kernels spread
// a number over the lanes: ADX checks those, where it is there too.
func ifmaPublic() []class {
	public := ifmaClasses[:2]
	if missingForADX() == "" {
		public = slices.Concat(public, adxClasses[2:])
	}
	return public
}

// Verify reports whether signature is the PKCS #1 v1.5 signature of digest (RFC
// 8017 §8.2.2). False may also mean that it cannot tell: whoever gets it asks
// crypto/rsa, so that a mistake here could never refuse a good signature.
func (p *Public) Verify(h crypto.Hash, digest, signature []byte) bool {
	const mostDigits, mostBytes = 64, 512
	prefix := digestInfo(h)
	if prefix == "" || len(digest) != h.Size() || len(signature) != p.class.bits/8 || p.engine.closed.Load() {
		return false
	}
	var signed, want [mostDigits]uint64
	var encoded [mostBytes]byte
	x, e := signed[:p.class.full], encoded[:p.class.bits/8]
	setBytes(x, signature, p.class.digit)
	if !below(x, p.n.m) {
		return false
	}
	if p.class.digit == limbBits {
		var s [mostDigits]uint64
		var scratch [2 * mostDigits]uint64
		p.n.publicPower(x, s[:copy(s[:], x)], scratch[:])
	} else {
		p.powerInLanes(x)
	}
	encode(e, prefix, digest)
	setBytes(want[:len(x)], e, p.class.digit)
	return signed == want
}

// powerInLanes raises x to the public exponent.
func (p *Public) powerInLanes(x []uint64) {
	const most = 40
	var s, u, t [most]uint64
	k := &p.moduli
	size := k.size()
	k.put(s[:size], 0, x)
	k.multiply(u[:size], s[:size], k.square) // s·R
	k.squareTimes(u[:size], 16)              // s^65536·R
	k.multiply(u[:size], u[:size], s[:size]) // s^65537
	k.get(u[:size], 0, x)
	subtractOnce(x, p.n.m, t[:len(x)])
}

// below reports whether x < m.
func below(x, m []uint64) bool {
	for j := len(x) - 1; j >= 0; j-- {
		if x[j] != m[j] {
			return x[j] < m[j]
		}
	}
	return false
}
