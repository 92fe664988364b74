package rsaengine

import (
	"crypto"
	"crypto/rsa"
	"io"
	"math/big"
)

// signer is a crypto.Signer that signs with the engine's kernels.
type signer struct {
	engine    *Engine
	key       func() (*rsa.PrivateKey, error)
	public    func() *rsa.PublicKey
	constants *constants // nil: crypto/rsa signs
}

func (s *signer) Public() crypto.PublicKey { return s.public() }

// publicKey is the public key of constants.
func (k *constants) publicKey() *rsa.PublicKey {
	b := make([]byte, k.class.bits/8)
	putBytes(b, k.n.m, k.class.digit)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(b), E: publicExponent}
}

// Sign signs digest as crypto/rsa's PrivateKey.Sign does, byte for byte. PKCS #1
// v1.5 signatures of SHA-256 and SHA-1 are accelerated; the rest, PSS included,
// is crypto/rsa's. random is used by PSS alone.
func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.constants == nil || s.engine.closed.Load() {
		return s.standard(random, digest, opts)
	}
	if _, pss := opts.(*rsa.PSSOptions); pss || opts == nil {
		return s.standard(random, digest, opts)
	}
	prefix := digestInfo(opts.HashFunc())
	if prefix == "" || len(digest) != opts.HashFunc().Size() {
		return s.standard(random, digest, opts)
	}
	signature := make([]byte, s.constants.class.bits/8)
	encode(signature, prefix, digest)
	if !s.compute(signature) {
		return s.standard(random, digest, opts)
	}
	return signature, nil
}

// compute replaces message, which is encoded, by its signature, and reports whether
// it could.
func (s *signer) compute(message []byte) bool {
	if s.engine.name == ModeADX {
		return s.engine.computeScalar(s.constants, message)
	}
	return s.engine.computeInBatch(s.constants, message)
}

func (s *signer) standard(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.engine.fallbacks.Add(1)
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	return key.Sign(random, digest, opts)
}

// digestInfo is the DER that precedes a digest of h in the encoded message,
// RFC 8017 §9.2 note 1; "" for a hash that DKIM does not use.
func digestInfo(h crypto.Hash) string {
	switch h {
	case crypto.SHA256:
		return "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
	case crypto.SHA1:
		return "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"
	}
	return ""
}

// encode fills message with EMSA-PKCS1-v1_5, RFC 8017 §9.2: 00 01 FF…FF 00
// DigestInfo.
func encode(message []byte, prefix string, digest []byte) {
	end := len(message) - len(prefix) - len(digest)
	message[0], message[1] = 0, 1
	for i := 2; i < end-1; i++ {
		message[i] = 0xff
	}
	message[end-1] = 0
	copy(message[end:], prefix)
	copy(message[end+len(prefix):], digest)
}
