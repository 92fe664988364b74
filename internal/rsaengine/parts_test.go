package rsaengine

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
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
// keys, in each mode, with constants that are kept and with passing ones.
func TestPartsSignAsTheKey(t *testing.T) {
	for _, mode := range []string{ModeIFMA, ModeADX} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, kept %t", mode, keep), func(t *testing.T) { signWithParts(t, mode, keep) })
		}
	}
	if e, _ := New(Options{Mode: ModeGo}); e.Signer(partsOf(testKey(t, "2048-a"), 128), true) != nil {
		t.Error("a signer of no engine")
	}
}

func signWithParts(t *testing.T, mode string, keep bool) {
	digest := sum(crypto.SHA256, "parts")
	e, err := New(Options{Mode: mode})
	if errors.Is(err, errUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range ifmaClasses {
		for _, name := range []string{"a", "b"} {
			key := testKey(t, fmt.Sprintf("%d-%s", c.bits, name))
			s := e.Signer(partsOf(key, c.bits/16), keep)
			if s == nil {
				t.Fatalf("no signer for %d bits", c.bits)
			}
			want := standard(t, key, crypto.SHA256, digest)
			for range 2 {
				if got, err := s.Sign(nil, digest, crypto.SHA256); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bits: another signature, %v", c.bits, err)
				}
			}
			if !key.PublicKey.Equal(s.Public()) {
				t.Errorf("%d bits: another public key", c.bits)
			}
			// SHA-512 is crypto/rsa's.
			long := sum(crypto.SHA512, "parts")
			want = standard(t, key, crypto.SHA512, long)
			if got, err := s.Sign(nil, long, crypto.SHA512); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bits by crypto/rsa: another signature, %v", c.bits, err)
			}
		}
	}
	if n := e.Stats().Faults; n != 0 {
		t.Errorf("%d faults", n)
	}
	parts := partsOf(testKey(t, "2048-a"), 128)
	parts.Bits = 2000
	if e.Signer(parts, keep) != nil {
		t.Error("a signer for 2000 bits")
	}
	parts.Bits, parts.P = 2048, parts.P[1:]
	if e.Signer(parts, keep) != nil {
		t.Error("a signer for a short prime")
	}
	// What does not belong together signs nothing.
	parts = partsOf(testKey(t, "2048-a"), 128)
	parts.QInv = parts.P
	if got, err := e.Signer(parts, keep).Sign(nil, digest, crypto.SHA256); err != nil || e.Stats().Faults != 1 {
		t.Errorf("%v, %d faults", err, e.Stats().Faults)
	} else if rsa.VerifyPKCS1v15(&testKey(t, "2048-a").PublicKey, crypto.SHA256, digest, got) != nil {
		t.Error("a wrong signature was let out")
	}
	e.Close()
	if e.Signer(partsOf(testKey(t, "2048-a"), 128), keep) != nil {
		t.Error("a signer of a closed engine")
	}
}

// TestPassingConstantsAreWiped signs with many keys that are not kept, side by side:
// what they were made in holds nothing afterwards.
func TestPassingConstantsAreWiped(t *testing.T) {
	for _, mode := range []string{ModeIFMA, ModeADX} {
		e, err := New(Options{Mode: mode})
		if errors.Is(err, errUnavailable) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		digest := sum(crypto.SHA256, "passing")
		var group sync.WaitGroup
		for i := range 64 {
			c := e.classes[i%len(e.classes)]
			key := testKey(t, fmt.Sprintf("%d-%s", c.bits, string("abc"[i/4%3])))
			group.Go(func() {
				got, err := e.Signer(partsOf(key, c.bits/16), false).Sign(nil, digest, crypto.SHA256)
				if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest, got) != nil {
					t.Errorf("%s: %d bits: a wrong signature, %v", mode, c.bits, err)
				}
			})
		}
		group.Wait()
		seen := 0
		for i := range e.classes {
			for m, ok := e.makers[&e.classes[i]].Get().(*maker); ok; m, ok = e.makers[&e.classes[i]].Get().(*maker) {
				seen++
				leftIn(t, m)
			}
		}
		t.Logf("%s: looked at %d", mode, seen)
	}
}

// leftIn tells of secrets that are left in m.
func leftIn(t *testing.T, m *maker) {
	t.Helper()
	for i, x := range []*big.Int{&m.p, &m.q, &m.inverse, &m.n, &m.s, &m.t, &m.quotient} {
		words := x.Bits()
		for _, w := range words[:cap(words)] {
			if w != 0 {
				t.Fatalf("number %d is left", i)
			}
		}
	}
	for k := &m.made; k != nil; k = k.lone {
		if len(k.digits) == 0 {
			t.Fatal("no constants were made")
		}
		if slices.Max(k.digits) != 0 || slices.Max(k.p.windows) != 0 || slices.Max(k.q.windows) != 0 {
			t.Fatal("constants are left")
		}
	}
	if slices.Max(m.words) != 0 {
		t.Fatal("words are left")
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
		want := standard(t, key, crypto.SHA256, digest)
		before := e.Stats().Faults
		got, err := e.Signer(partsOf(key, c.bits/16), true).Sign(nil, digest, crypto.SHA256)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bits: another signature, %v", c.bits, err)
		}
		if faults := e.Stats().Faults - before; (faults == 1) != c.lone || (broken > 0) != c.lone {
			t.Errorf("%d bits: %d faults, %d signatures by the kernels for lone messages", c.bits, faults, broken)
		}
		broken = 0
	}
}
