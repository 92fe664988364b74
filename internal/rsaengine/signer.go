package rsaengine

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"runtime"
	"sync"
)

// signer is a crypto.Signer that signs with the engine's kernels.
type signer struct {
	engine    *Engine
	class     *class // nil: crypto/rsa signs
	parts     Parts
	constants *constants // nil: made of the parts for each signature
	whole     func() (*rsa.PrivateKey, error)
	public    func() *rsa.PublicKey
}

// Wrap returns a signer with key. It computes what depends only on the key, so
// wrap each key once. The signer keeps key, which must not be changed. Keys of
// 1024, 2048, 3072 and 4096 bits, of two primes of half that length and with
// the public exponent 65537 are accelerated; others are signed by crypto/rsa.
// A key that is inconsistent is an error.
func (e *Engine) Wrap(key *rsa.PrivateKey) (crypto.Signer, error) {
	if key == nil {
		return nil, errors.New("rsaengine: no key")
	}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	s := &signer{
		engine: e,
		class:  acceleratable(e.classes, key),
		whole:  func() (*rsa.PrivateKey, error) { return key, nil },
		public: func() *rsa.PublicKey { return &key.PublicKey },
	}
	if s.class != nil {
		k := newConstants(key, s.class)
		if lone := e.loneClass(s.class); lone != nil {
			k.lone = newConstants(key, lone)
		}
		s.keep(k)
	}
	return s, nil
}

// Parts is a key of two primes of half its size and with the public exponent 65537,
// all numbers big-endian.
type Parts struct {
	Bits int
	// P, Q and 1/Q modulo P
	P, Q, QInv []byte
	// Key makes the whole key, for what crypto/rsa has to sign.
	Key func() (*rsa.PrivateKey, error)
}

// Signer returns a signer with a key, and nil where crypto/rsa would sign anyway.
// What the kernels need beside the parts takes a twentieth of the time of a
// signature. With keep it is computed now and kept with the signer; without, for each
// signature, in memory that all keys share. Whether the parts belong together is for
// the caller to know: a signature that does not fit P·Q is not let out.
func (e *Engine) Signer(k Parts, keep bool) crypto.Signer {
	c := classOf(e.classes, k.Bits)
	if c == nil || e.closed.Load() || !isPrimeOf(c, k.P) || !isPrimeOf(c, k.Q) {
		return nil
	}
	s := &signer{engine: e, class: c, parts: k, whole: sync.OnceValues(k.Key), public: sync.OnceValue(k.publicKey)}
	if !keep {
		return s
	}
	m := e.maker(c)
	defer e.giveBack(c, m)
	made := new(constants)
	if !m.make(made, &k, c, e.loneClass(c)) {
		return nil
	}
	s.keep(made)
	return s
}

// isPrimeOf reports whether p is as long as the primes of class c.
func isPrimeOf(c *class, p []byte) bool { return len(p) == c.bits/16 && p[0]&0x80 != 0 }

// keep has the signer sign with constants, which are wiped when it is unreachable.
func (s *signer) keep(k *constants) {
	s.constants = k
	runtime.AddCleanup(s, (*constants).wipe, k)
}

func (k *Parts) publicKey() *rsa.PublicKey {
	p, q := new(big.Int).SetBytes(k.P), new(big.Int).SetBytes(k.Q)
	defer forget(p, q)
	return &rsa.PublicKey{N: new(big.Int).Mul(p, q), E: publicExponent}
}

// forget overwrites numbers that are no longer needed.
func forget(numbers ...*big.Int) {
	for _, x := range numbers {
		clear(x.Bits())
	}
}

func (s *signer) Public() crypto.PublicKey { return s.public() }

// Sign signs digest as crypto/rsa's PrivateKey.Sign does, byte for byte. PKCS #1
// v1.5 signatures of SHA-256 and SHA-1 are accelerated; the rest, PSS included,
// is crypto/rsa's. random is used by PSS alone.
func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.class == nil || s.engine.closed.Load() {
		return s.standard(random, digest, opts)
	}
	if _, pss := opts.(*rsa.PSSOptions); pss || opts == nil {
		return s.standard(random, digest, opts)
	}
	prefix := digestInfo(opts.HashFunc())
	if prefix == "" || len(digest) != opts.HashFunc().Size() {
		return s.standard(random, digest, opts)
	}
	signature := make([]byte, s.class.bits/8)
	encode(signature, prefix, digest)
	if !s.compute(signature) {
		return s.standard(random, digest, opts)
	}
	return signature, nil
}

// compute replaces message, which is encoded, by its signature, and reports whether
// it could.
func (s *signer) compute(message []byte) bool {
	k := s.constants
	if k == nil {
		m := s.engine.maker(s.class)
		defer s.engine.giveBack(s.class, m)
		defer m.made.wipe()
		if k = &m.made; !m.make(k, &s.parts, s.class, s.engine.loneClass(s.class)) {
			return false
		}
	}
	if s.engine.name == ModeADX {
		return s.engine.computeScalar(k, message)
	}
	return s.engine.computeInBatch(k, message)
}

func (s *signer) standard(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.engine.fallbacks.Add(1)
	key, err := s.whole()
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
