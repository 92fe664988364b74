package dkim

import (
	"crypto/ed25519"
	"crypto/rsa"
)

// judgeSignature applies the rules that need neither key nor body.
func (v *Verifier) judgeSignature(s *Signature) Reason {
	switch now := v.o.Now; {
	case s.Condition != "" && !v.o.Conditional:
		return ReasonVersion
	case s.HasTime && s.Time.After(now.Add(v.o.ClockDrift)):
		return ReasonFuture
	case s.HasExpire && now.After(s.Expire.Add(v.o.ClockDrift)):
		return ReasonExpired
	case s.Algorithm == RSASHA1 && !v.o.AllowSHA1:
		return ReasonSHA1
	}
	return ReasonNone
}

// judgeKey applies the key record's own restrictions and local policy.
func (v *Verifier) judgeKey(s *Signature, k *KeyRecord) Reason {
	d, ok1 := ToASCII(s.Domain)
	i, ok2 := ToASCII(s.IdentityDomain())
	switch {
	case k.Type != s.Algorithm.KeyType():
		return ReasonKeyTypeMismatch
	case !k.allowsHash(s.Algorithm):
		return ReasonKeyHashMismatch
	case k.NoSubdomains && (!ok1 || !ok2 || d != i):
		return ReasonSubdomain
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		switch {
		case k.Bits > v.o.MaximumKeyBits:
			return ReasonKeyTooLarge
		case weakRSA(key):
			return ReasonKeyWeak
		case k.Bits < v.o.MinimumKeyBits:
			return ReasonKeyTooSmall
		}
	case ed25519.PublicKey:
		if weakEd25519(key) {
			return ReasonKeyWeak
		}
	}
	return ReasonNone
}

// judgeCoverage applies local policy on what a signature covers.
func (v *Verifier) judgeCoverage(c *candidate) Reason {
	s := c.Signature
	if s.Length >= 0 && v.o.Covered != nil && !v.o.Covered(s.Length, c.CanonicalBodyLength) {
		return ReasonBodyCoverage
	}
	for _, name := range v.o.MustBeSigned {
		if s.Covers(name) == 0 && v.fields.Count(name) > 0 {
			return ReasonUnprotectedHeader
		}
	}
	if v.o.SingletonsSigned {
		for _, name := range singletons {
			if n := v.fields.Count(name); n > 1 && s.Covers(name) < n {
				return ReasonRepeatedField
			}
		}
	}
	return ReasonNone
}

// singletons are the fields that may occur once only (RFC 5322 §3.6) and that
// people see, with those that say what the body is (RFC 2045).
var singletons = [...]string{
	"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}
