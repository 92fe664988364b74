package rsaengine

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"testing"
)

func partsOf(key *rsa.PrivateKey, size int) Parts {
	p, q := key.Primes[0], key.Primes[1]
	fill := func(x *big.Int) []byte { return x.FillBytes(make([]byte, size)) }
	return Parts{
		Bits: key.N.BitLen(), P: fill(p), Q: fill(q), QInv: fill(new(big.Int).ModInverse(q, p)),
		Key: func() (*rsa.PrivateKey, error) { return key, nil },
	}
}

// TestPartsSignAsTheKey signs with the parts of keys as crypto/rsa does with the
// keys, in each mode.
func TestPartsSignAsTheKey(t *testing.T) {
	digest := sum(crypto.SHA256, "parts")
	for _, mode := range []string{ModeIFMA, ModeADX} {
		e, err := New(Options{Mode: mode})
		if errors.Is(err, ErrUnavailable) {
			t.Logf("%s: %v", mode, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range ifmaClasses {
			for _, name := range []string{"a", "b"} {
				key := testKey(t, fmt.Sprintf("%d-%s", c.bits, name))
				s := e.Signer(partsOf(key, c.bits/16))
				if s == nil {
					t.Fatalf("%s: no signer for %d bits", mode, c.bits)
				}
				want, err := key.Sign(nil, digest, crypto.SHA256)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := s.Sign(nil, digest, crypto.SHA256); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bits: another signature, %v", mode, c.bits, err)
				}
				if !key.PublicKey.Equal(s.Public()) {
					t.Errorf("%s: %d bits: another public key", mode, c.bits)
				}
				// SHA-512 is crypto/rsa's.
				long := sum(crypto.SHA512, "parts")
				want, _ = key.Sign(nil, long, crypto.SHA512)
				if got, err := s.Sign(nil, long, crypto.SHA512); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bits by crypto/rsa: another signature, %v", mode, c.bits, err)
				}
			}
		}
		if n := e.Stats().Faults; n != 0 {
			t.Errorf("%s: %d faults", mode, n)
		}
		parts := partsOf(testKey(t, "2048-a"), 128)
		parts.Bits = 2000
		if e.Signer(parts) != nil {
			t.Errorf("%s: a signer for 2000 bits", mode)
		}
		parts.Bits, parts.P = 2048, parts.P[1:]
		if e.Signer(parts) != nil {
			t.Errorf("%s: a signer for a short prime", mode)
		}
		// What does not belong together signs nothing.
		parts = partsOf(testKey(t, "2048-a"), 128)
		parts.QInv = parts.P
		if got, err := e.Signer(parts).Sign(nil, digest, crypto.SHA256); err != nil || e.Stats().Faults != 1 {
			t.Errorf("%s: %v, %d faults", mode, err, e.Stats().Faults)
		} else if rsa.VerifyPKCS1v15(&testKey(t, "2048-a").PublicKey, crypto.SHA256, digest, got) != nil {
			t.Errorf("%s: a wrong signature was let out", mode)
		}
		e.Close()
		if e.Signer(partsOf(testKey(t, "2048-a"), 128)) != nil {
			t.Errorf("%s: a signer of a closed engine", mode)
		}
	}
	if e, _ := New(Options{Mode: ModeGo}); e.Signer(partsOf(testKey(t, "2048-a"), 128)) != nil {
		t.Error("a signer of no engine")
	}
}

// TestLoneMessages has an engine with both kinds of kernels sign messages alone and
// together, with and without a fault in the kernels for lone ones.
func TestLoneMessages(t *testing.T) {
	needIFMA(t)
	if missing := missingForADX(); missing != "" {
		t.Skip(missing)
	}
	e, err := New(Options{Mode: ModeIFMA})
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	e.injectScalar = func(sp, _ []uint64) { broken++; sp[0] ^= 1 }
	for _, c := range ifmaClasses {
		key := testKey(t, fmt.Sprintf("%d-b", c.bits))
		digest := sum(crypto.SHA256, "lone")
		want, err := key.Sign(nil, digest, crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		before := e.Stats().Faults
		got, err := e.Signer(partsOf(key, c.bits/16)).Sign(nil, digest, crypto.SHA256)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bits: another signature, %v", c.bits, err)
		}
		if faults := e.Stats().Faults - before; (faults == 1) != c.lone || (broken > 0) != c.lone {
			t.Errorf("%d bits: %d faults, %d signatures by the kernels for lone messages", c.bits, faults, broken)
		}
		broken = 0
	}
}
