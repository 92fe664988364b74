package rsaengine

import (
	"crypto"
	"crypto/rsa"
)

// Public checks signatures of one public key, of 1024 or 2048 bits, with the
// kernels that spread one number over the lanes: the key's constants are
// computed once and not for every signature. It is immutable and safe for
// concurrent use. All it handles is public.
type Public struct {
	engine *Engine
	bytes  int // of the modulus
	n      modulus
	moduli moduli
}

// Public returns what checks signatures of key faster than crypto/rsa does, nil
// where nothing is faster.
func (e *Engine) Public(key *rsa.PublicKey) *Public {
	if !e.ifma || key == nil || key.E != publicExponent || key.N.Sign() <= 0 || key.N.Bit(0) == 0 {
		return nil
	}
	p := &Public{engine: e, bytes: key.N.BitLen() / 8}
	switch key.N.BitLen() {
	case 1024:
		p.moduli.layout = layout{20, lanes / 2}
	case 2048:
		p.moduli.layout = layout{40, lanes}
	default:
		return nil
	}
	p.n = newModulus(key.N, p.moduli.digits)
	for _, v := range []*vector{&p.moduli.m, &p.moduli.square, &p.moduli.negative} {
		*v = make(vector, p.moduli.size())
	}
	p.moduli.set(0, &p.n)
	return p
}

// Verify reports whether signature is the PKCS #1 v1.5 signature of digest (RFC
// 8017 §8.2.2). False may also mean that it cannot tell: whoever gets it asks
// crypto/rsa, so that a mistake here could never refuse a good signature.
func (p *Public) Verify(h crypto.Hash, digest, signature []byte) bool {
	const mostDigits, mostBytes = 40, 256
	prefix := digestInfo(h)
	if prefix == "" || len(digest) != h.Size() || len(signature) != p.bytes || p.engine.closed.Load() {
		return false
	}
	var x, s, u, want [mostDigits]uint64
	var encoded [mostBytes]byte
	k := &p.moduli
	digits := k.digits
	setBytes(x[:digits], signature)
	if !below(x[:digits], p.n.m) {
		return false
	}
	size := k.size()
	k.put(s[:size], 0, x[:digits])
	k.multiply(u[:size], s[:size], k.square) // s·R
	k.squareTimes(u[:size], 16)              // s^65536·R
	k.multiply(u[:size], u[:size], s[:size]) // s^65537
	k.get(u[:size], 0, x[:digits])
	subtractOnce(x[:digits], p.n.m, s[:digits])
	encode(encoded[:p.bytes], prefix, digest)
	setBytes(want[:digits], encoded[:p.bytes])
	return x == want
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
