package keystore

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestLoadPrivateKey compares with the public keys that OpenSSL says belong to
// the private ones.
func TestLoadPrivateKey(t *testing.T) {
	for name, public := range map[string]string{
		"rsa2048.pkcs1.pem": "rsa2048", "rsa2048.pkcs8.pem": "rsa2048", "rsa2048.der": "rsa2048", "rsa2048.base64": "rsa2048",
		"rsa2048.joined.pem": "rsa2048", "rsa2048.escaped.pem": "rsa2048",
		"ed25519.pkcs8.pem": "ed25519", "ed25519.base64": "ed25519", "ed25519.seed": "ed25519",
	} {
		signer, err := LoadPrivateKey(read(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		if got := base64.StdEncoding.EncodeToString(der); err != nil || got != string(read(t, public+".public")) {
			t.Errorf("%s: public key %s, %v", name, got, err)
		}
	}
}

// TestKeyBehindOthers: files that hold more than a key sign in OpenDKIM, whose OpenSSL takes
// the first private key of them.
func TestKeyBehindOthers(t *testing.T) {
	key, other := string(read(t, "rsa2048.pkcs8.pem")), string(read(t, "ed25519.pkcs8.pem"))
	certificate, public := string(read(t, "certificate.pem")), string(read(t, "public.pem"))
	for text, want := range map[string]string{certificate + key: "", public + key: "", certificate + public + key + other: "",
		key + certificate: "", certificate: "holds a \"CERTIFICATE\"", public + certificate: "holds a public key",
		certificate + string(read(t, "encrypted.pem")) + key: "is encrypted"} {
		signer, err := LoadPrivateKey([]byte(text))
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s:\n%s", err, want, text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v:\n%s", err, text)
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		if got := base64.StdEncoding.EncodeToString(der); err != nil || got != string(read(t, "rsa2048.public")) {
			t.Errorf("public key %s, %v", got, err)
		}
	}
}

// TestTrap11SmallAndForeignKeys: our policy speaks before the library does.
func TestTrap11SmallAndForeignKeys(t *testing.T) {
	for name, want := range map[string]string{
		"rsa512.pem":          "private key too small (512 bits, need at least 1024)",
		"rsa768.pkcs8.pem":    "private key too small (768 bits, need at least 1024)",
		"ec.pem":              "elliptic curve",
		"ec.pkcs8.pem":        "DKIM uses RSA and Ed25519 keys",
		"encrypted.pem":       "is encrypted",
		"encrypted.pkcs8.pem": "is encrypted",
		"public.pem":          "holds a public key",
		"openssh.pem":         "OpenSSH's own format",
		"truncated.pem":       "broken PEM wrapping",
		"empty.pem":           "private key is empty",
		"README.md":           "neither PEM nor base64",
	} {
		_, err := LoadPrivateKey(read(t, name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	for _, n := range []int{31, 32, 33} { // raw octets that begin as DER does are no seed
		if key, err := LoadPrivateKey(append([]byte{0x30}, bytes.Repeat([]byte{0xff}, n-1)...)); err == nil {
			t.Errorf("%d octets: %T", n, key)
		}
	}
	key := read(t, "rsa2048.pkcs8.pem")
	for n, want := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		_, err := LoadPrivateKey(append(bytes.Repeat([]byte("\n"), n-len(key)), key...))
		if (err == nil) != want {
			t.Errorf("a key in %d bytes: %v", n, err)
		}
	}
}

func FuzzLoadPrivateKey(f *testing.F) {
	names, err := filepath.Glob("testdata/*")
	if err != nil || len(names) < 10 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		signer, err := LoadPrivateKey(data)
		if (signer == nil) == (err == nil) {
			t.Fatal("neither key nor error")
		}
		if err != nil && len(err.Error()) > 600 {
			t.Fatal("long error")
		}
		if signer != nil && signer.Public() == nil {
			t.Fatal("no public key")
		}
	})
}

func BenchmarkLoadPrivateKey(b *testing.B) {
	data := read(b, "rsa2048.pkcs1.pem")
	for b.Loop() {
		if _, err := LoadPrivateKey(data); err != nil {
			b.Fatal(err)
		}
	}
}
