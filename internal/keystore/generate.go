package keystore

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
)

// Sizes of RSA keys in bits.
const (
	// MinRSABits is the size below which receivers must not accept a key (RFC 8301
	// §3.2), and nothing here signs with one.
	MinRSABits = 1024
	// MaxRSABits is the size of the largest key that is read or made.
	MaxRSABits = 16384
	// minMadeBits is the size of the smallest key that is made, for those who
	// insist.
	minMadeBits = 512
)

// Pair is a new key.
type Pair struct {
	PEM         []byte           // the private key in PKCS#8, secret
	Public      crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey
	Description string           // "2048-bit RSA", "Ed25519"
}

// GenerateRSA makes an RSA key of 512 to MaxRSABits bits.
func GenerateRSA(bits int) (Pair, error) {
	if bits < minMadeBits || bits > MaxRSABits {
		return Pair{}, fmt.Errorf("an RSA key of %d bits cannot be made: use %d to %d", bits, minMadeBits, MaxRSABits)
	}
	var key *rsa.PrivateKey
	var err error
	if bits < MinRSABits { // which the standard library refuses
		key, err = weakRSA(bits)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		return Pair{}, err
	}
	return pair(key, &key.PublicKey, fmt.Sprintf("%d-bit RSA", bits))
}

func weakRSA(bits int) (*rsa.PrivateKey, error) {
	const exponent = 65537
	one := big.NewInt(1)
	for {
		p, err := rand.Prime(rand.Reader, bits-bits/2)
		if err != nil {
			return nil, err
		}
		q, err := rand.Prime(rand.Reader, bits/2)
		if err != nil {
			return nil, err
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(exponent), phi)
		if n.BitLen() != bits || p.Cmp(q) == 0 || d == nil {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: exponent}, D: d, Primes: []*big.Int{p, q}}
		return key, nil
	}
}

// GenerateEd25519 makes an Ed25519 key (RFC 8463).
func GenerateEd25519() (Pair, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	return pair(private, public, "Ed25519")
}

func pair(private crypto.PrivateKey, public crypto.PublicKey, description string) (Pair, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Pair{}, err
	}
	return Pair{PEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), Public: public, Description: description}, nil
}
