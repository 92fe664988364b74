package explain

import (
	"bytes"
	"crypto/rsa"
	"math/big"

	"dojang/dkim"
	"dojang/header"
)

// headerCheck tells whether a header, edited, is the one that was signed.
type headerCheck struct {
	signature *dkim.Signature
	key       *dkim.KeyRecord
	want      []byte // the hash that was signed, nil when the key does not reveal it
}

// newHeaderCheck opens an RSA signature with the public key: inside is the
// hash that was signed, so that a candidate costs one hash. wrongKey means that
// the key is not the one that signed.
//
// An Ed25519 signature does not reveal its hash: each candidate is verified.
func newHeaderCheck(s *dkim.Signature, key *dkim.KeyRecord) (c *headerCheck, wrongKey bool) {
	c = &headerCheck{signature: s, key: key}
	public, ok := key.Key.(*rsa.PublicKey)
	if !ok {
		return c, false
	}
	const maxBits = 16384 // beyond, opening it would be a denial of service
	if public.N.BitLen() > maxBits || public.N.Sign() <= 0 {
		return c, false
	}
	hash := s.Algorithm.Hash()
	value := new(big.Int).SetBytes(s.Value)
	if value.Cmp(public.N) >= 0 {
		return c, true
	}
	size := (public.N.BitLen() + 7) / 8
	opened := value.Exp(value, big.NewInt(int64(public.E)), public.N).FillBytes(make([]byte, size))
	// RFC 8017 §9.2: 00 01 FF...FF 00, then DigestInfo, whose end is the hash.
	if !bytes.HasPrefix(opened, []byte{0, 1, 0xff, 0xff}) || size < hash.Size()+11 {
		return c, true
	}
	c.want = opened[size-hash.Size():]
	return c, false
}

// signed reports whether fields, with the signature's own field at index own,
// are those that were signed.
func (c *headerCheck) signed(fields *header.List, own int) bool {
	if c.want == nil {
		return c.signature.CheckHeader(fields, own, c.key)
	}
	return bytes.Equal(c.signature.HeaderHash(fields, own), c.want)
}
