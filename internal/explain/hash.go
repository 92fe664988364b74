package explain

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"hash"
	"math/big"

	"dojang/dkim"
	"dojang/header"
)

// headerCheck reports whether a header, edited, is the one that was signed.
type headerCheck struct {
	signature *dkim.Signature
	key       *dkim.KeyRecord
	want      []byte // the hash that was signed, nil when the key does not reveal it
	own       []byte // the signature's own field as it is hashed
	hash      hash.Hash
	sum       [64]byte
}

// newHeaderCheck opens an RSA signature with the public key: inside is the
// hash that was signed, so that a candidate costs one hash. wrongKey means that
// the key is not the one that signed.
//
// An Ed25519 signature does not reveal its hash: each candidate is verified.
func newHeaderCheck(r *dkim.Result, fields *header.List) (c *headerCheck, wrongKey bool) {
	s := r.Signature
	c = &headerCheck{signature: s, key: r.Key, own: ownText(s, fields.At(r.FieldIndex).Raw)}
	public, ok := r.Key.Key.(*rsa.PublicKey)
	if !ok {
		return c, false
	}
	const maxBits = 16384 // beyond, opening it would be a denial of service
	if public.N.BitLen() > maxBits || public.N.Sign() <= 0 {
		return c, false
	}
	size := (public.N.BitLen() + 7) / 8
	value := new(big.Int).SetBytes(s.Value)
	if value.Cmp(public.N) >= 0 {
		return c, true
	}
	opened := value.Exp(value, big.NewInt(int64(public.E)), public.N).FillBytes(make([]byte, size))
	// RFC 8017 §9.2: 00 01 FF...FF 00, then DigestInfo, whose end is the hash.
	if !bytes.HasPrefix(opened, []byte{0, 1, 0xff, 0xff}) || size < s.Algorithm.Hash().Size()+11 {
		return c, true
	}
	c.want = opened[size-s.Algorithm.Hash().Size():]
	return c, false
}

// ownText is the canonical form of a signature's own field raw, b='s value left out.
func ownText(s *dkim.Signature, raw []byte) []byte {
	var alone header.List
	alone.AddRaw(raw)
	return s.CanonicalHeader(&alone, 0)
}

// signed reports whether the text, without the signature's own field, is what was signed.
func (c *headerCheck) signed(text []byte) bool {
	if c.hash == nil {
		c.hash = c.signature.Algorithm.Hash().New()
	}
	c.hash.Reset()
	c.hash.Write(text)
	c.hash.Write(c.own)
	sum := c.hash.Sum(c.sum[:0])
	if c.want != nil {
		return bytes.Equal(sum, c.want)
	}
	key, ok := c.key.Key.(ed25519.PublicKey)
	return ok && ed25519.Verify(key, sum, c.signature.Value) // RFC 8463 §3: over the hash
}

// fits reports whether bh= is the hash of a body, in pieces, with CRLF line ends.
func fits(s *dkim.Signature, pieces ...[]byte) bool {
	var bodies dkim.BodyHashes
	h := bodies.Want(s.BodyCanonicalization, s.Algorithm.Hash(), s.Length)
	for _, p := range pieces {
		bodies.Write(p)
	}
	bodies.Close()
	return s.Length <= h.CanonicalLength() && bytes.Equal(h.Sum(), s.BodyHash)
}
