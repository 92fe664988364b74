package rsaengine

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"testing"
)

// verifies compares with crypto/rsa's verdict.
func verifies(t *testing.T, p *Public, key *rsa.PublicKey, h crypto.Hash, digest, signature []byte) bool {
	t.Helper()
	want := rsa.VerifyPKCS1v15(key, h, digest, signature) == nil
	if got := p.Verify(h, digest, signature); got != want {
		t.Fatalf("%d bits: Verify is %v, crypto/rsa says %v; modulus %x, digest %x, signature %x",
			key.N.BitLen(), got, want, key.N, digest, signature)
	}
	return want
}

// publicEngines are those that check by themselves, and what sizes.
func publicEngines(t *testing.T) map[*Engine][]int {
	engines := map[*Engine][]int{}
	if missingForIFMA() == "" {
		e := newEngine(t, Options{Mode: ModeIFMA})
		engines[e] = []int{1024, 2048}
		if missingForADX() == "" {
			engines[e] = []int{1024, 2048, 3072, 4096}
		}
	}
	if missingForADX() == "" {
		engines[newEngine(t, Options{Mode: ModeADX})] = []int{1024, 2048, 3072, 4096}
	}
	if len(engines) == 0 {
		t.Skip("no kernels on this machine")
	}
	return engines
}

func TestPublicAgreesWithCryptoRSA(t *testing.T) {
	for e, sizes := range publicEngines(t) {
		publicAgrees(t, e, sizes)
	}
}

func publicAgrees(t *testing.T, e *Engine, sizes []int) {
	r := mathrand.New(mathrand.NewPCG(11, 12))
	work := 200 * 1024
	if testing.Short() {
		work /= 10
	}
	for _, bits := range sizes {
		keys := []*rsa.PrivateKey{testKey(t, fmt.Sprintf("%d-a", bits)), testKey(t, fmt.Sprintf("%d-b", bits))}
		if bits <= 2048 && !testing.Short() { // larger ones take long to make
			key, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		for _, key := range keys {
			p := e.Public(&key.PublicKey)
			if p == nil {
				t.Fatalf("no fast check of %d bits", bits)
			}
			for i := range work / bits {
				one, two := sha256.Sum256([]byte{byte(i)}), sha1.Sum([]byte{byte(i)})
				h, digest := crypto.SHA256, one[:]
				if i%2 == 1 {
					h, digest = crypto.SHA1, two[:]
				}
				signature := standard(t, key, h, digest)
				if !verifies(t, p, &key.PublicKey, h, digest, signature) {
					t.Fatal("a good signature is bad")
				}
				bad := append([]byte(nil), signature...)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				if verifies(t, p, &key.PublicKey, h, digest, bad) {
					t.Fatal("a bad signature is good")
				}
				digest[r.IntN(len(digest))] ^= 1 << r.IntN(8)
				verifies(t, p, &key.PublicKey, h, digest, signature)
			}
		}
	}
}

// TestPublicRefusesWhatIsOutOfRange: s and s+n have the same power, only s is a
// signature (RFC 8017 §5.2.2).
func TestPublicRefusesWhatIsOutOfRange(t *testing.T) {
	for e := range publicEngines(t) {
		publicRefuses(t, e)
	}
}

func publicRefuses(t *testing.T, e *Engine) {
	key := testKey(t, "1024-a")
	p := e.Public(&key.PublicKey)
	found := 0
	for i := 0; found < 3 && i < 200; i++ {
		digest := sha256.Sum256([]byte{byte(i)})
		signature := standard(t, key, crypto.SHA256, digest[:])
		above := new(big.Int).Add(new(big.Int).SetBytes(signature), key.N)
		if above.BitLen() > 1024 {
			continue
		}
		found++
		if verifies(t, p, &key.PublicKey, crypto.SHA256, digest[:], above.FillBytes(make([]byte, 128))) {
			t.Fatal("a signature above the modulus is good")
		}
		for _, n := range []*big.Int{new(big.Int), big.NewInt(1), plus(key.N, -1), key.N} {
			verifies(t, p, &key.PublicKey, crypto.SHA256, digest[:], n.FillBytes(make([]byte, 128)))
		}
		for _, wrong := range [][]byte{nil, signature[1:], append([]byte{0}, signature...)} {
			verifies(t, p, &key.PublicKey, crypto.SHA256, digest[:], wrong)
		}
	}
	if found == 0 {
		t.Fatal("no signature had room above itself")
	}
}

func TestPublicLeavesOtherKeysAlone(t *testing.T) {
	odd := func(bits int) *big.Int { return plus(power(bits-1), 1) }
	for e, sizes := range publicEngines(t) {
		for _, key := range []*rsa.PublicKey{nil, {N: odd(1024), E: 3}, {N: odd(1023), E: 65537},
			{N: odd(8192), E: 65537}, {N: power(2047), E: 65537}, {N: new(big.Int), E: 65537}} {
			if e.Public(key) != nil {
				t.Errorf("%s: a fast check for %v", e.Name(), key)
			}
		}
		for _, bits := range []int{3072, 4096} {
			if got, want := e.Public(&rsa.PublicKey{N: odd(bits), E: 65537}) != nil, slices.Contains(sizes, bits); got != want {
				t.Errorf("%s: a fast check for %d bits: %v, want %v", e.Name(), bits, got, want)
			}
		}
	}
	off, err := New(Options{Mode: ModeGo})
	if err != nil {
		t.Fatal(err)
	}
	if off.Public(&rsa.PublicKey{N: odd(2048), E: 65537}) != nil {
		t.Error("SigningEngine go still computes by itself")
	}
}

func BenchmarkPublic(b *testing.B) {
	digest := sha256.Sum256(nil)
	for _, mode := range []string{ModeIFMA, ModeADX, ModeGo} {
		e, err := New(Options{Mode: mode})
		if err != nil {
			b.Log(err)
			continue
		}
		for _, c := range ifmaClasses {
			key := testKey(b, fmt.Sprintf("%d-a", c.bits))
			signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
			if err != nil {
				b.Fatal(err)
			}
			p := e.Public(&key.PublicKey)
			if p == nil && mode != ModeGo {
				continue
			}
			b.Run(fmt.Sprintf("%d/%s", c.bits, mode), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if p == nil {
						err = rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature)
					}
					if err != nil || p != nil && !p.Verify(crypto.SHA256, digest[:], signature) {
						b.Fatal("bad")
					}
				}
			})
		}
	}
}
