package dkim

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
)

// The sizes within which crypto/rsa does the work: below it refuses by a
// policy of its own, which must not be the one that speaks, and small
// exponents other than these are left to the slower function too.
const (
	minStandardBits = 1024
	maxStandardBits = 16384
)

// maxExponentBits bounds what a hostile key's exponent can cost.
const maxExponentBits = 31

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// parseRSAPublicKey reads SubjectPublicKeyInfo or RSAPublicKey in DER. What it
// accepts need not be safe: see weakRSA.
func parseRSAPublicKey(der []byte) (*rsa.PublicKey, bool) {
	var info struct {
		Algorithm struct {
			OID        asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &info); err == nil {
		if len(rest) > 0 || !info.Algorithm.OID.Equal(oidRSA) || info.Key.BitLength%8 != 0 {
			return nil, false
		}
		der = info.Key.Bytes
	}
	var key struct{ N, E *big.Int }
	rest, err := asn1.Unmarshal(der, &key)
	if err != nil || len(rest) > 0 || key.N.Sign() <= 0 || key.E.Sign() <= 0 || key.E.BitLen() > maxExponentBits {
		return nil, false
	}
	return &rsa.PublicKey{N: key.N, E: int(key.E.Int64())}, true
}

// weakRSA tells keys whose signatures prove nothing, or which no honest
// program makes: exponent 1 or even, modulus even.
func weakRSA(key *rsa.PublicKey) bool {
	return key.E < 3 || key.E&1 == 0 || key.N.Bit(0) == 0
}

// verifyRSA checks an RSASSA-PKCS1-v1_5 signature. The key's size must have
// been judged before: the cost grows with it.
func verifyRSA(key *rsa.PublicKey, h crypto.Hash, sum, sig []byte) bool {
	if weakRSA(key) {
		return false
	}
	if n := key.N.BitLen(); n >= minStandardBits && n <= maxStandardBits {
		return rsa.VerifyPKCS1v15(key, h, sum, sig) == nil
	}
	return verifyPlainRSA(key, h, sum, sig)
}

// digestInfo is the DER that stands before the hash (RFC 8017 §9.2).
func digestInfo(h crypto.Hash) []byte {
	if h == crypto.SHA1 {
		return []byte("\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14")
	}
	return []byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
}

// verifyPlainRSA is RFC 8017 §8.2.2 for keys that crypto/rsa refuses. All
// values are public, so time need not be constant.
func verifyPlainRSA(key *rsa.PublicKey, h crypto.Hash, sum, sig []byte) bool {
	k := (key.N.BitLen() + 7) / 8
	prefix := digestInfo(h)
	s := new(big.Int).SetBytes(sig)
	if len(sig) != k || s.Cmp(key.N) >= 0 || k < len(prefix)+len(sum)+11 {
		return false
	}
	got := new(big.Int).Exp(s, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, k))
	want := bytes.Repeat([]byte{0xff}, k)
	want[0], want[1] = 0, 1
	tail := want[k-len(sum)-len(prefix)-1:]
	tail[0] = 0
	copy(tail[1:], prefix)
	copy(tail[1+len(prefix):], sum)
	return bytes.Equal(got, want)
}
