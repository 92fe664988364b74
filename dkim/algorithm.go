package dkim

import (
	"crypto"
	"fmt"
	"strings"
)

// Canonicalization is how header or body are brought into a form that
// survives small changes on the way (RFC 6376 §3.4).
type Canonicalization uint8

// The canonicalizations. Simple is the default of RFC 6376.
const (
	Simple Canonicalization = iota
	Relaxed
)

// String returns the name used in c=.
func (c Canonicalization) String() string {
	switch c {
	case Simple:
		return "simple"
	case Relaxed:
		return "relaxed"
	}
	return fmt.Sprintf("Canonicalization(%d)", uint8(c))
}

// parseCanonicalization reads one name, in any case of letters.
func parseCanonicalization(s string) (Canonicalization, error) {
	switch {
	case strings.EqualFold(s, "simple"):
		return Simple, nil
	case strings.EqualFold(s, "relaxed"):
		return Relaxed, nil
	}
	return 0, fmt.Errorf("unknown canonicalization %.256q", s)
}

// ParseCanonicalizations reads the value of c=, "header/body". Without the
// second part the body's is simple (RFC 6376 §3.5).
func ParseCanonicalizations(s string) (header, body Canonicalization, err error) {
	h, b, two := strings.Cut(s, "/")
	if header, err = parseCanonicalization(h); err != nil {
		return 0, 0, err
	}
	if two {
		if body, err = parseCanonicalization(b); err != nil {
			return 0, 0, err
		}
	}
	return header, body, nil
}

// Algorithm is a signing algorithm. The zero Algorithm stands for none.
type Algorithm uint8

// The algorithms. RSASHA1 is verified only where it is allowed (RFC 8301 §3.1)
// and is there for signing because OpenDKIM can.
const (
	RSASHA256     Algorithm = iota + 1
	Ed25519SHA256           // RFC 8463
	RSASHA1
)

// String returns the name used in a=.
func (a Algorithm) String() string {
	switch a {
	case RSASHA1:
		return "rsa-sha1"
	case RSASHA256:
		return "rsa-sha256"
	case Ed25519SHA256:
		return "ed25519-sha256"
	}
	return fmt.Sprintf("Algorithm(%d)", uint8(a))
}

// ParseAlgorithm reads the name used in a=, in any case of letters.
func ParseAlgorithm(s string) (Algorithm, error) {
	for _, a := range []Algorithm{RSASHA256, Ed25519SHA256, RSASHA1} {
		if strings.EqualFold(s, a.String()) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown signature algorithm %.256q", s)
}

// Hash returns the hash function of the algorithm.
func (a Algorithm) Hash() crypto.Hash {
	if a == RSASHA1 {
		return crypto.SHA1
	}
	return crypto.SHA256
}

// hashName returns the hash function's name in h= of a key record.
func (a Algorithm) hashName() string {
	if a == RSASHA1 {
		return "sha1"
	}
	return "sha256"
}

// KeyType returns the name of the algorithm's keys in k= of a key record.
func (a Algorithm) KeyType() string {
	if a == Ed25519SHA256 {
		return "ed25519"
	}
	return "rsa"
}
