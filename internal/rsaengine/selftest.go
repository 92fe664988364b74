package rsaengine

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"fmt"
)

// Keys made for this test alone, and the signatures of selfTestMessage that
// OpenSSL made with them: openssl dgst -sha256 -keyform DER -sign 2048.key.der.
//
//go:embed selftest
var selfTestFiles embed.FS

const selfTestMessage = "dojang RSA engine self-test"

// selfTest signs with every kernel, lanes full, compares with the known answers,
// and checks those. It takes about 5 ms.
func (e *Engine) selfTest() error {
	digest := sha256.Sum256([]byte(selfTestMessage))
	for i := range e.classes {
		c := &e.classes[i]
		key, err := selfTestFile(c, "key.der")
		if err != nil {
			return err
		}
		want, err := selfTestFile(c, "sig")
		if err != nil {
			return err
		}
		private, err := x509.ParsePKCS1PrivateKey(key)
		if err != nil {
			return err
		}
		if p := e.Public(&private.PublicKey); p != nil && !p.Verify(crypto.SHA256, digest[:], want) {
			return fmt.Errorf("self-test failed: %d bits, a good signature is refused", c.bits)
		}
		k := newConstants(private, c)
		if c.digit == limbBits {
			if err := selfTestScalar(c, k, digest[:], want); err != nil {
				return err
			}
			continue
		}
		if err := selfTestBatch(newWork(c, false), k, maxBatch, digest[:], want); err != nil {
			return err
		}
		if lone := e.loneClass(c); lone != nil {
			if err := selfTestScalar(lone, newConstants(private, lone), digest[:], want); err != nil {
				return err
			}
		}
		if !c.solo {
			continue
		}
		if err := selfTestBatch(newWork(c, true), k, 1, digest[:], want); err != nil {
			return err
		}
	}
	return nil
}

func selfTestScalar(c *class, k *constants, digest, want []byte) error {
	message := make([]byte, c.bits/8)
	encode(message, digestInfo(crypto.SHA256), digest)
	if !newScalar(c).sign(k, message) || !bytes.Equal(message, want) {
		return fmt.Errorf("self-test failed: %d bits", c.bits)
	}
	return nil
}

func selfTestBatch(w *work, k *constants, count int, digest, want []byte) error {
	for range count {
		r := &request{key: k, message: make([]byte, k.class.bits/8)}
		encode(r.message, digestInfo(crypto.SHA256), digest)
		w.batch = append(w.batch, r)
	}
	w.sign()
	for i, r := range w.batch {
		if !r.ok || !bytes.Equal(r.message, want) {
			return fmt.Errorf("self-test failed: %d bits, message %d of %d", k.class.bits, i+1, count)
		}
	}
	return nil
}

func selfTestFile(c *class, kind string) ([]byte, error) {
	return selfTestFiles.ReadFile(fmt.Sprintf("selftest/%d.%s", c.bits, kind))
}
