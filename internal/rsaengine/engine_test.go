package rsaengine

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dojang/internal/testutil"
)

// testKey reads a key that `openssl genrsa -traditional` made; the primes of 2048-unequal,
// which it does not make, are of 1,040 and 1,008 bits, by `openssl prime -generate`.
func testKey(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func wrap(t testing.TB, e *Engine, key *rsa.PrivateKey) crypto.Signer {
	t.Helper()
	s, err := e.Wrap(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// standardMade are the signatures that standard made: those of 4,096 bits take long.
var standardMade sync.Map

// standard is the signature by crypto/rsa, made once for all tests that ask for it.
func standard(t testing.TB, key *rsa.PrivateKey, h crypto.Hash, digest []byte) []byte {
	t.Helper()
	what := fmt.Sprintf("%x %v %x", key.N, h, digest)
	if made, ok := standardMade.Load(what); ok {
		return made.([]byte)
	}
	signature, err := rsa.SignPKCS1v15(nil, key, h, digest)
	if err != nil {
		t.Fatal(err)
	}
	standardMade.Store(what, signature)
	return signature
}

func sum(h crypto.Hash, text string) []byte {
	d := h.New()
	d.Write([]byte(text))
	return d.Sum(nil)
}

// modes are those that the machine has.
func modes() []string {
	list := []string{ModeAuto, ModeGo}
	if missingForIFMA() == "" {
		list = append(list, ModeIFMA)
	}
	if missingForADX() == "" {
		list = append(list, ModeADX)
	}
	return list
}

func TestSignaturesAreThoseOfTheStandardLibrary(t *testing.T) {
	for _, mode := range modes() {
		e := newEngine(t, Options{Mode: mode})
		for _, c := range ifmaClasses {
			for _, name := range []string{"a", "b", "c"} {
				key := testKey(t, fmt.Sprintf("%d-%s", c.bits, name))
				s := wrap(t, e, key)
				if !key.PublicKey.Equal(s.Public()) {
					t.Errorf("%d-%s: the public key is another", c.bits, name)
				}
				for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA1, crypto.SHA512} {
					for i := range 3 {
						digest := sum(h, fmt.Sprint(name, i))
						got, err := s.Sign(rand.Reader, digest, h)
						if err != nil {
							t.Fatal(err)
						}
						if want := standard(t, key, h, digest); !bytes.Equal(got, want) {
							t.Errorf("%s: %d-%s: %v: got %x, want %x", mode, c.bits, name, h, got, want)
						}
					}
				}
			}
		}
		stats := e.Stats()
		const each = 3 * 2 * 3 // keys, accelerated hashes, messages
		want := Stats{Signatures: 4 * each, Batches: 4 * each, Lanes: (3*2 + lanes) * each, Fallbacks: 4 * 3 * 3}
		switch e.Name() {
		case ModeGo:
			want = Stats{Fallbacks: 4*each + 4*3*3}
		case ModeADX:
			want.Batches, want.Lanes = 0, 0
		}
		if stats != want {
			t.Errorf("%s (%s): stats %+v, want %+v", mode, e.Name(), stats, want)
		}
	}
}

// TestSignaturesAreThoseOfOpenSSL compares with an implementation that shares
// nothing with the standard library.
func TestSignaturesAreThoseOfOpenSSL(t *testing.T) {
	openssl := testutil.Need(t, "openssl")
	message := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(message, []byte("signed twice"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range ifmaClasses {
		for flag, h := range map[string]crypto.Hash{"-sha256": crypto.SHA256, "-sha1": crypto.SHA1} {
			name := fmt.Sprintf("%d-a", c.bits)
			want, err := exec.Command(openssl, "dgst", flag, "-sign", "testdata/"+name+".pem", message).Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range modes() {
				e := newEngine(t, Options{Mode: mode})
				got, err := wrap(t, e, testKey(t, name)).Sign(nil, sum(h, "signed twice"), h)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: %s %s: got %x, want %x", mode, name, flag, got, want)
				}
			}
		}
	}
}

// TestEncodedMessagesOfAllBits signs "encoded messages" that no hash makes: the
// arithmetic must hold for any number below the modulus.
func TestEncodedMessagesOfAllBits(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.class
		key := testKey(t, fmt.Sprintf("%d-b", c.bits))
		k := newConstants(key, c)
		for _, m := range []*big.Int{new(big.Int), big.NewInt(1), plus(key.N, -1), plus(key.N, -2),
			key.Primes[0], key.Primes[1], new(big.Int).Lsh(key.Primes[1], 7), power(c.bits - 1),
			power(c.digit * c.half), plus(power(c.digit*c.half), -1)} {
			want := new(big.Int).Exp(m, key.D, key.N)
			message := m.FillBytes(make([]byte, c.bits/8))
			ok, _ := w.sign(k, message)
			if got := new(big.Int).SetBytes(message); !ok || got.Cmp(want) != 0 {
				t.Errorf("%x: ok %v, got %x, want %x", m, ok, got, want)
			}
		}
	})
}

func TestKeysLeftToTheStandardLibrary(t *testing.T) {
	e := newEngine(t, Options{})
	for _, name := range []string{"2048-exponent3", "2048-3primes", "2048-unequal", "2056", "1536"} {
		key := testKey(t, name)
		s := wrap(t, e, key)
		got, err := s.Sign(nil, sum(crypto.SHA256, name), crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum(crypto.SHA256, name), got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := e.Stats(); got != (Stats{Fallbacks: 5}) {
		t.Errorf("stats %+v, want 5 fallbacks", got)
	}
}

func TestPSSIsTheStandardLibrarys(t *testing.T) {
	e := newEngine(t, Options{})
	key := testKey(t, "2048-a")
	digest := sum(crypto.SHA256, "pss")
	got, err := wrap(t, e, key).Sign(rand.Reader, digest, &rsa.PSSOptions{Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest, got, nil); err != nil {
		t.Error(err)
	}
}

func TestMistakesAreErrors(t *testing.T) {
	e := newEngine(t, Options{})
	if _, err := e.Wrap(nil); err == nil {
		t.Error("a nil key is wrapped")
	}
	broken := *testKey(t, "2048-a")
	broken.D = plus(broken.D, 2)
	broken.Precomputed = rsa.PrecomputedValues{}
	if _, err := e.Wrap(&broken); err == nil {
		t.Error("an inconsistent key is wrapped")
	}
	s := wrap(t, e, testKey(t, "2048-a"))
	if _, err := s.Sign(nil, make([]byte, 31), crypto.SHA256); err == nil {
		t.Error("a digest of 31 bytes is signed as SHA-256")
	}
	if _, err := New(Options{Mode: "fast"}); err == nil || !strings.Contains(err.Error(), `"fast" is unknown: use auto, go, ifma or adx`) {
		t.Errorf("mode fast: error %v", err)
	}
}

func TestModes(t *testing.T) {
	e := newEngine(t, Options{Mode: ModeGo})
	if e.Name() != "go" || e.Reason() == "" {
		t.Errorf("mode go: name %q, reason %q", e.Name(), e.Reason())
	}
	best := ModeGo
	for _, m := range []struct{ mode, missing string }{{ModeADX, missingForADX()}, {ModeIFMA, missingForIFMA()}} {
		e, err := New(Options{Mode: m.mode})
		switch {
		case m.missing == "" && err != nil:
			t.Error(err)
		case m.missing == "" && (e.Name() != m.mode || e.Reason() != ""):
			t.Errorf("mode %s: name %q, reason %q", m.mode, e.Name(), e.Reason())
		case m.missing != "" && !errors.Is(err, errUnavailable):
			t.Errorf("mode %s without %s: error %v", m.mode, m.missing, err)
		}
		if m.missing == "" {
			best = m.mode
		}
	}
	if e := newEngine(t, Options{}); e.Name() != best || (e.Reason() == "") != (best == ModeIFMA) {
		t.Errorf("mode auto: name %q, reason %q; the best is %s", e.Name(), e.Reason(), best)
	}
}

func TestClosedEngineSignsWithTheStandardLibrary(t *testing.T) {
	for _, mode := range modes() {
		e := newEngine(t, Options{Mode: mode})
		key := testKey(t, "1024-a")
		s := wrap(t, e, key)
		e.Close()
		digest := sum(crypto.SHA1, "closed")
		got, err := s.Sign(nil, digest, crypto.SHA1)
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA1, digest, got); err != nil {
			t.Error(err)
		}
		if got := e.Stats(); got != (Stats{Fallbacks: 1}) {
			t.Errorf("%s: stats %+v, want 1 fallback", mode, got)
		}
	}
}

func TestSecretsAreWiped(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		c := w.class
		k := newConstants(testKey(t, fmt.Sprintf("%d-a", c.bits)), c)
		message := make([]byte, c.bits/8)
		encode(message, digestInfo(crypto.SHA256), make([]byte, 32))
		_, memory := w.sign(k, message)
		for at, v := range memory {
			if v != 0 {
				t.Fatalf("word %d of the working memory is %#x after signing", at, v)
			}
		}
		secrets := [][]uint64{k.p.m, k.p.square, k.q.m, k.q.square, k.inverse}
		windows := append(k.p.windows, k.q.windows...)
		k.wipe()
		for _, s := range secrets {
			if bigOf(s, c.digit).Sign() != 0 {
				t.Errorf("%d bits: a secret number is left", c.bits)
			}
		}
		if bytes.Count(windows, []byte{0}) == len(windows) {
			t.Errorf("%d bits: the exponents were empty", c.bits)
		}
		for _, b := range append(k.p.windows, k.q.windows...) {
			if b != 0 {
				t.Errorf("%d bits: a window of an exponent is left", c.bits)
			}
		}
	})
}

// FuzzSign compares whole signatures of random keys' batches with crypto/rsa.
func FuzzSign(f *testing.F) {
	var engines []*Engine
	signers := map[string][]crypto.Signer{} // of each engine
	keys := map[string]*rsa.PrivateKey{}
	names := []string{"1024-a", "1024-b", "2048-a", "2048-b", "2048-c", "3072-a", "4096-a"}
	for _, mode := range modes() {
		engines = append(engines, newEngine(f, Options{Mode: mode}))
	}
	for _, name := range names {
		keys[name] = testKey(f, name)
		for _, e := range engines {
			signers[name] = append(signers[name], wrap(f, e, keys[name]))
		}
	}
	f.Add([]byte{}, uint8(0), false)
	f.Add([]byte("x"), uint8(2), true)
	f.Fuzz(func(t *testing.T, text []byte, which uint8, old bool) {
		name := names[int(which)%len(names)]
		d256, d1 := sha256.Sum256(text), sha1.Sum(text)
		digest, h := d256[:], crypto.SHA256
		if old {
			digest, h = d1[:], crypto.SHA1
		}
		want, err := rsa.SignPKCS1v15(nil, keys[name], h, digest)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range engines {
			got, err := signers[name][i].Sign(nil, digest, h)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s: %v: got %x, want %x", e.Name(), name, h, got, want)
			}
			if n := e.Stats().Faults; n != 0 {
				t.Errorf("%s: %d faults", e.Name(), n)
			}
		}
	})
}

var _ = sha512.New // for crypto.SHA512
