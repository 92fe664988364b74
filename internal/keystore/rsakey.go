package keystore

import (
	"crypto/rsa"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// RSAKey is an RSA key of two primes of half its size and the exponent 65537, which
// nearly all are, in as few bytes as it takes to sign without much work before. It
// is secret, and shared: do not change it.
type RSAKey struct {
	Bits    int    // of the modulus
	numbers []byte // P, Q and 1/Q modulo P
}

// P is the first prime, big-endian, half as long as the modulus.
func (k RSAKey) P() []byte { return k.number(0) }

// Q is the second prime, likewise.
func (k RSAKey) Q() []byte { return k.number(1) }

// QInv is 1/Q modulo P, likewise.
func (k RSAKey) QInv() []byte { return k.number(2) }

func (k RSAKey) number(i int) []byte {
	size := k.Bits / 16
	return k.numbers[i*size : (i+1)*size : (i+1)*size]
}

const publicExponent = 65537

// PrivateKey is the key as the standard library has it, which costs a tenth of a
// millisecond and some ten kilobytes.
func (k RSAKey) PrivateKey() (*rsa.PrivateKey, error) {
	p, q, one := new(big.Int).SetBytes(k.P()), new(big.Int).SetBytes(k.Q()), big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: publicExponent},
		D:         new(big.Int).ModInverse(big.NewInt(publicExponent), phi),
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	return key, key.Validate()
}

// parseRSA reads a key of the common kind from DER (PKCS #1 or PKCS #8), some ten
// times faster than crypto/x509 does. It is strict: what it does not take, bad or
// unusual, is left to that.
func parseRSA(der []byte) (RSAKey, bool) {
	input := cryptobyte.String(der)
	var body, inner cryptobyte.String
	var version int
	if !input.ReadASN1(&body, casn1.SEQUENCE) || !input.Empty() || !body.ReadASN1Integer(&version) || version != 0 {
		return RSAKey{}, false
	}
	if body.PeekASN1Tag(casn1.SEQUENCE) { // PKCS #8
		var algorithm, null, key cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !body.ReadASN1(&algorithm, casn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(rsaEncryption) ||
			!algorithm.ReadASN1(&null, casn1.NULL) || !null.Empty() || !algorithm.Empty() ||
			!body.ReadASN1(&key, casn1.OCTET_STRING) || !body.Empty() ||
			!key.ReadASN1(&inner, casn1.SEQUENCE) || !key.Empty() || !inner.ReadASN1Integer(&version) || version != 0 {
			return RSAKey{}, false
		}
		body = inner
	}
	var n, e, d, p, q, dp, dq, inverse big.Int
	for _, x := range []*big.Int{&n, &e, &d, &p, &q, &dp, &dq, &inverse} {
		if !body.ReadASN1Integer(x) || x.Sign() <= 0 {
			return RSAKey{}, false
		}
	}
	if !body.Empty() || !consistent(&n, &e, &d, &p, &q, &dp, &dq, &inverse) {
		return RSAKey{}, false
	}
	bits := n.BitLen()
	k := RSAKey{bits, make([]byte, 3*bits/16)}
	p.FillBytes(k.P())
	q.FillBytes(k.Q())
	inverse.FillBytes(k.QInv())
	return k, true
}

var rsaEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// consistent reports whether the numbers of a key are of the common kind and belong
// together. That p and q are primes is believed, as crypto/rsa does: a signature
// that does not fit the public key is never let out.
func consistent(n, e, d, p, q, dp, dq, inverse *big.Int) bool {
	bits := n.BitLen()
	if bits < MinRSABits || bits > MaxRSABits || bits%128 != 0 || !e.IsInt64() || e.Int64() != publicExponent ||
		p.BitLen() != bits/2 || q.BitLen() != bits/2 || p.Cmp(q) == 0 {
		return false
	}
	one, t := big.NewInt(1), new(big.Int)
	isOne := func(a, b, m *big.Int) bool { return t.Mod(t.Mul(a, b), m).Cmp(one) == 0 }
	less := func(x *big.Int) *big.Int { return new(big.Int).Sub(x, one) }
	pLess, qLess := less(p), less(q)
	return t.Mul(p, q).Cmp(n) == 0 && p.Bit(0) == 1 && q.Bit(0) == 1 &&
		inverse.Cmp(p) < 0 && isOne(e, dp, pLess) && isOne(e, dq, qLess) && isOne(q, inverse, p) &&
		t.Mod(d, pLess).Cmp(dp) == 0 && t.Mod(d, qLess).Cmp(dq) == 0
}
