package keystore

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// maxKeyBytes bounds what is taken for a private key.
const maxKeyBytes = 64 << 10 // a PEM file of 16,384 bits has 13 kB

var errTooLong = fmt.Errorf("private key is larger than %d bytes", maxKeyBytes)

// LoadPrivateKey reads a private key: PEM (PKCS#1, PKCS#8), DER, or base64 of
// DER as tables hold it. A bare base64 of 32 bytes is an Ed25519 seed, as dkimpy
// writes it. RSA keys under 1024 or over 16,384 bits are refused.
func LoadPrivateKey(data []byte) (crypto.Signer, error) {
	if len(data) > maxKeyBytes {
		return nil, errTooLong
	}
	der, err := keyDER(data)
	if err != nil {
		return nil, err
	}
	return parseDER(der)
}

// SizeError refuses an RSA key by its size.
type SizeError struct{ Bits int }

func (e *SizeError) Error() string {
	if e.Bits < MinRSABits {
		return fmt.Sprintf("private key too small (%d bits, need at least %d)", e.Bits, MinRSABits)
	}
	return fmt.Sprintf("private key too large (%d bits, at most %d)", e.Bits, MaxRSABits)
}

// keyDER takes the wrapping off.
func keyDER(data []byte) ([]byte, error) {
	if IsWrapped(data) {
		return nil, errWrapped
	}
	if i := bytes.Index(data, []byte("-----BEGIN")); i >= 0 {
		return pemDER(data[i:])
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return nil, errors.New("private key is empty")
	}
	if der, err := decodeBase64(trimmed); err == nil {
		return der, nil
	}
	if data[0] == 0x30 && len(data) != ed25519.SeedSize { // DER; a seed stands in base64
		return data, nil
	}
	return nil, errors.New("not a private key: neither PEM nor base64")
}

// pemDER takes the first private key of PEM.
//
// Compat(opendkim 2.11): certificates, public keys and parameters before it are passed over.
func pemDER(data []byte) ([]byte, error) {
	first, rest := pem.Decode(data)
	block := first
	for block != nil && !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		block = first // of which is told what it is
	}
	kind, der := "", []byte(nil)
	if block != nil {
		kind, der = block.Type, block.Bytes
		if block.Headers["DEK-Info"] != "" {
			kind = "ENCRYPTED PRIVATE KEY"
		}
	} else {
		var err error
		if kind, der, err = foldedPEM(string(data)); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "RSA PRIVATE KEY", "PRIVATE KEY":
		return der, nil
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("private key is encrypted: remove its passphrase with `openssl pkey -in FILE -out FILE.new`")
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("holds a public key, a private key is needed")
	case "OPENSSH PRIVATE KEY":
		return nil, errors.New("is a key in OpenSSH's own format: convert a copy of it with `ssh-keygen -p -m PKCS8 -f FILE`")
	case "EC PRIVATE KEY":
		return nil, errors.New("is an elliptic curve key of a kind that DKIM does not use: make an RSA or Ed25519 key")
	}
	return nil, fmt.Errorf("holds a %.64q, not a private key", kind)
}

// foldedPEM reads PEM whose lines were joined to fit into a row of a table: with
// nothing, blanks or the two characters "\n" between them.
func foldedPEM(s string) (kind string, der []byte, err error) {
	broken := errors.New("private key has a broken PEM wrapping")
	s = strings.TrimPrefix(s, "-----BEGIN ")
	kind, s, ok := strings.Cut(s, "-----")
	if !ok {
		return "", nil, broken
	}
	body, _, ok := strings.Cut(s, "-----END "+kind+"-----")
	if !ok {
		return "", nil, broken
	}
	body = strings.ReplaceAll(strings.ReplaceAll(body, `\r`, ""), `\n`, "")
	if der, err = decodeBase64([]byte(body)); err != nil {
		return "", nil, broken
	}
	return kind, der, nil
}

func decodeBase64(data []byte) ([]byte, error) {
	clean := make([]byte, 0, len(data))
	for _, c := range data {
		if c != ' ' && (c < '\t' || c > '\r') {
			clean = append(clean, c)
		}
	}
	der := make([]byte, base64.StdEncoding.DecodedLen(len(clean)))
	n, err := base64.StdEncoding.Decode(der, clean)
	return der[:n], err
}

func parseDER(der []byte) (crypto.Signer, error) {
	if len(der) == ed25519.SeedSize { // no key in DER is as short
		return ed25519.NewKeyFromSeed(der), nil
	}
	// The library refuses small keys by a policy of its own: ours speaks first.
	if bits := rsaBits(der); bits > 0 && bits < MinRSABits {
		return nil, &SizeError{bits}
	} else if bits > MaxRSABits {
		return nil, &SizeError{bits}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("not a private key, or a damaged one")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("is a %T, DKIM uses RSA and Ed25519 keys", key)
}

// rsaBits is the size of the modulus of a PKCS#1 or PKCS#8 RSA key, else 0.
func rsaBits(der []byte) int {
	var info struct {
		Version   int
		Algorithm struct {
			OID        asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key []byte
	}
	if _, err := asn1.Unmarshal(der, &info); err == nil {
		der = info.Key
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil || outer.Tag != asn1.TagSequence {
		return 0
	}
	var version int
	rest, err := asn1.Unmarshal(outer.Bytes, &version)
	if err != nil {
		return 0
	}
	var modulus *big.Int
	if _, err := asn1.Unmarshal(rest, &modulus); err != nil || modulus.Sign() <= 0 {
		return 0
	}
	return modulus.BitLen()
}
