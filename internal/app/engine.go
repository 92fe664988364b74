package app

import (
	"crypto"
	"crypto/rsa"

	"dojang/internal/keystore"
	"dojang/internal/rsaengine"
)

// fastRSA checks signatures by the engine too.
func fastRSA(e *rsaengine.Engine) func(*rsa.PublicKey) func(crypto.Hash, []byte, []byte) bool {
	return func(key *rsa.PublicKey) func(crypto.Hash, []byte, []byte) bool {
		if p := e.Public(key); p != nil {
			return p.Verify
		}
		return nil
	}
}

// engineFor hands RSA keys to the engine.
func engineFor(e *rsaengine.Engine) func(keystore.RSAKey, bool) crypto.Signer {
	return func(k keystore.RSAKey, keep bool) crypto.Signer {
		return e.Signer(rsaengine.Parts{Bits: k.Bits, P: k.P(), Q: k.Q(), QInv: k.QInv(), Key: k.PrivateKey}, keep)
	}
}
