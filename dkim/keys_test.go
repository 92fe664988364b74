package dkim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"dojang/header"
	"dojang/taglist"
)

// TestHashesAndTypesOfKeys: a record's h= and the type of its key say what may be verified by it
// (RFC 6376 §3.6.1).
func TestHashesAndTypesOfKeys(t *testing.T) {
	for hashes, want := range map[string]map[Algorithm]bool{
		"":               {RSASHA1: true, RSASHA256: true, Ed25519SHA256: true},
		"h=sha1; ":       {RSASHA1: true, RSASHA256: false, Ed25519SHA256: false},
		"h=SHA256; ":     {RSASHA1: false, RSASHA256: true, Ed25519SHA256: true},
		"h=sha1:sha256;": {RSASHA1: true, RSASHA256: true, Ed25519SHA256: true},
	} {
		k, err := ParseKeyRecord(hashes + strings.TrimPrefix(testRecords(t)["rsa1024"], "v=DKIM1; "))
		if err != nil {
			t.Fatal(err)
		}
		for a, allowed := range want {
			if k.allowsHash(a) != allowed {
				t.Errorf("%s allows %v: %v", hashes, a, !allowed)
			}
		}
	}
	sum := sha256.Sum256([]byte("x"))
	for name, a := range map[string]Algorithm{"rsa1024": RSASHA256, "ed25519": Ed25519SHA256} {
		k, err := ParseKeyRecord(testRecords(t)[name])
		if err != nil {
			t.Fatal(err)
		}
		hash := crypto.SHA256
		if a == Ed25519SHA256 {
			hash = 0 // RFC 8463 §3: the hash is what is signed
		}
		value, err := testKeys(t)[name].Sign(rand.Reader, sum[:], hash)
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range []Algorithm{RSASHA256, Ed25519SHA256} {
			want := ReasonNone
			if said != a {
				want = ReasonKeyTypeMismatch
			}
			if got := k.verify(said, sum[:], value, nil); got != want {
				t.Errorf("%s for %v: %v", name, said, got)
			}
		}
	}
	for value, want := range map[string]Reason{"YWJj": ReasonNone, "YWJ": ReasonNone,
		"=": ReasonSignatureCorrupt, "YW!j": ReasonSignatureCorrupt} {
		tags, err := taglist.Parse([]byte("b=" + value))
		if got := (&Signature{Encoded: value, Tags: tags}).readValue(); got != want || err != nil {
			t.Errorf("b=%s: %v, %v, want %v", value, got, err, want)
		}
	}
}

// TestSizesOfKeys: what of RSA is looked at by default has 1024 bits (RFC 8301 §3.2) to 8192.
func TestSizesOfKeys(t *testing.T) {
	l := signed(t, []string{from}, "", func(o *SignOptions) { o.Key = testKeys(t)["rsa1024"] })
	for bits, want := range map[int]Reason{1023: ReasonKeyTooSmall, 1024: ReasonBadSignature, 8192: ReasonBadSignature,
		8193: ReasonKeyTooLarge} {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		p := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: n, E: 65537}))
		got := check(t, l, "", VerifyOptions{}, func(string) KeyAnswer { return KeyAnswer{Texts: []string{"p=" + p}} })[0]
		if got.Reason != want || got.KeyBits != bits {
			t.Errorf("%d bits: %v of %d", bits, got.Reason, got.KeyBits)
		}
	}
}

// TestWholeMessagesThatCannotBe signed or verified are errors of whoever is to blame.
func TestWholeMessagesThatCannotBe(t *testing.T) {
	const message = "From: joe@example.com\r\n\r\nx\r\n"
	good := SignOptions{Domain: "example.com", Selector: "sel", Key: testKeys(t)["ed25519"]}
	if field, err := Sign([]byte(message), good); err != nil || !strings.HasPrefix(string(field), "DKIM-Signature:") {
		t.Errorf("%s, %v", field, err)
	}
	broken := good
	broken.Key = noSigner{good.Key.Public()}
	for name, c := range map[string]struct {
		message string
		o       SignOptions
		want    error
	}{
		"no header": {"", good, header.ErrNoFields}, "no options": {message, SignOptions{}, nil}, "no signature": {message, broken, errNoSigner},
	} {
		if field, err := Sign([]byte(c.message), c.o); err == nil || field != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %s, %v", name, field, err)
		}
	}
	if _, err := Verify(t.Context(), nil, VerifyOptions{}, nil); !errors.Is(err, header.ErrNoFields) {
		t.Error(err)
	}
}

var errNoSigner = errors.New("the token is not there")

// noSigner is a key that cannot be used now.
type noSigner struct{ public crypto.PublicKey }

func (n noSigner) Public() crypto.PublicKey                                { return n.public }
func (noSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errNoSigner }
