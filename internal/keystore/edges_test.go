package keystore

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFoldedPEM: what stands between the lines of the wrapping is base64, or nothing.
func TestFoldedPEM(t *testing.T) {
	for text, want := range map[string]string{
		"-----BEGIN PRIVATE KEY-----QU JD-----END PRIVATE KEY-----":        "ABC",
		`-----BEGIN PRIVATE KEY-----\r\nQUJD\r\n-----END PRIVATE KEY-----`: "ABC",
		"-----BEGIN PRIVATE KEY-----QUJ-----END PRIVATE KEY-----":          "",
		"-----BEGIN PRIVATE KEY-----QUJD!-----END PRIVATE KEY-----":        "",
		"-----BEGIN PRIVATE KEY-----QUJD-----END PUBLIC KEY-----":          "",
		"-----BEGIN PRIVATE KEY":                                           "",
	} {
		der, err := pemDER([]byte(text))
		if broken := err != nil && strings.Contains(err.Error(), "broken PEM wrapping"); string(der) != want || broken != (want == "") {
			t.Errorf("%s: %q, %v", text, der, err)
		}
	}
}

// TestKeysAreKnownByHash where their column is long, so that no key is held twice.
func TestKeysAreKnownByHash(t *testing.T) {
	for key, hashed := range map[string]bool{
		"/" + strings.Repeat("k", 254): false, "/" + strings.Repeat("k", 255): true, "./" + strings.Repeat("k", 100): false,
		strings.Repeat("k", 63): false, strings.Repeat("k", 64): true, strings.Repeat("k", 200): true,
	} {
		if id := idOf(key); id.hashed != hashed || hashed && len(id.text) != 32 || !hashed && id.text != key {
			t.Errorf("%d bytes: %+v", len(key), id)
		}
	}
}

// TestUnknownSenders have no path and no domain.
func TestUnknownSenders(t *testing.T) {
	for _, row := range []Row{{Domain: "example.com", Selector: "s", Key: "/keys/%/k"}, {Domain: "%", Selector: "s", Key: "/k"}} {
		if got, err := row.ForSender(""); err == nil || errors.Is(err, ErrSender) {
			t.Errorf("%+v: %+v, %v", row, got, err)
		}
	}
}

// TestErrorsNameTheRow that was asked for, though another's key was read.
func TestErrorsNameTheRow(t *testing.T) {
	s := New(nil, Options{UID: os.Getuid()})
	for _, name := range []string{"a", "b", "b", "a"} {
		_, err := s.Load(t.Context(), name, Row{Domain: "example.com", Selector: "s", Key: "garbage!"})
		var e *Error
		if !errors.As(err, &e) || e.Name != name || !strings.Contains(e.Text, `"`+name+`"`) || !e.Undecodable {
			t.Errorf("%s: %+v", name, err)
		}
	}
	if n := s.Stats().Loads; n != 1 {
		t.Errorf("read %d times", n)
	}
}

// TestMissingFilesAreNoKeyData: only what was read can be undecodable.
func TestMissingFilesAreNoKeyData(t *testing.T) {
	_, err := New(nil, Options{UID: os.Getuid()}).Load(t.Context(), "k", Row{Key: filepath.Join(t.TempDir(), "none")})
	var e *Error
	if !errors.As(err, &e) || e.Undecodable || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%+v", err)
	}
}

// TestWhatCouldBeAKeyIsNotShown from 16 letters of base64 in a row on.
func TestWhatCouldBeAKeyIsNotShown(t *testing.T) {
	for text, shows := range map[string]bool{
		strings.Repeat("a", 15): true, strings.Repeat("a", 16): false,
		"keys/" + strings.Repeat("a", 15): true, strings.Repeat("a", 15) + "-" + strings.Repeat("a", 15): true,
	} {
		if got := guarded(text); strings.Contains(got, text) != shows {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestWhoComesLateReadsNothing: a key that another read just before is taken as it is.
func TestWhoComesLateReadsNothing(t *testing.T) {
	s := New(nil, Options{UID: os.Getuid()})
	row := Row{Domain: "example.com", Selector: "s", Key: strings.TrimSpace(string(read(t, "rsa2048.base64")))}
	key, err := s.Load(t.Context(), "k", row)
	if err != nil {
		t.Fatal(err)
	}
	before := s.cache.peek(idOf(row.Key))
	m, err := s.load(t.Context(), idOf(row.Key), nil, time.Now(), "k", row)
	if err != nil || m != before || s.Stats().Loads != 1 {
		t.Errorf("%p for %p, %v, %+v", m, before, err, s.Stats())
	}
	if again, err := s.Load(t.Context(), "k", row); err != nil || again.Signer != key.Signer {
		t.Errorf("what signs is made again: %v", err)
	}
	if key, err := parsedKey(t, row.Key).PrivateKey(); err != nil || key.Precomputed.Dp == nil {
		t.Errorf("what every signature needs is not computed: %v", err)
	}
}

func parsedKey(t *testing.T, column string) RSAKey {
	t.Helper()
	der, err := keyDER([]byte(column))
	if err != nil {
		t.Fatal(err)
	}
	k, ok := parseRSA(der)
	if !ok {
		t.Fatal("not a common key")
	}
	return k
}

// TestCompositeFactors has a key whose numbers fit together and whose p is no prime.
func TestCompositeFactors(t *testing.T) {
	der := x509.MarshalPKCS1PrivateKey(compositeKey(t))
	if _, ok := parseRSA(der); !ok {
		t.Fatal("the numbers do not fit together")
	}
	row := Row{Domain: "example.com", Selector: "s", Key: base64.StdEncoding.EncodeToString(der)}
	_, err := New(nil, Options{UID: os.Getuid()}).Load(t.Context(), "k", row)
	var e *Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Text, `can't load key "k" from its KeyTable row: `) || !e.Undecodable {
		t.Errorf("%+v", err)
	}
}

func compositeKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(publicExponent)
	prime := func(bits int) *big.Int {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for {
		p, q := new(big.Int).Mul(prime(256), prime(256)), prime(512)
		pLess, qLess := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		n, d := new(big.Int).Mul(p, q), new(big.Int).ModInverse(e, new(big.Int).Mul(pLess, qLess))
		inverse := new(big.Int).ModInverse(q, p)
		if p.BitLen() != 512 || n.BitLen() != 1024 || d == nil || inverse == nil {
			continue
		}
		return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: publicExponent}, D: d, Primes: []*big.Int{p, q},
			Precomputed: rsa.PrecomputedValues{Dp: new(big.Int).Mod(d, pLess), Dq: new(big.Int).Mod(d, qLess), Qinv: inverse}}
	}
}
