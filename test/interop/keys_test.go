package interop

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// key is a domain with its signing key; the domain's name tells the kind.
type key struct {
	domain    string
	algorithm string
	path      string // PEM
	seedPath  string // of Ed25519 keys: base64 of the seed, as dkimpy reads it
	record    string
}

const selector = "sel"

// bothDomain is signed for with two keys, an RSA and an Ed25519 one, whose
// selectors are their algorithms.
const bothDomain = "both.example"

func (k key) name() string { return selector + "._domainkey." + k.domain }

// place is what all tests of this package share: keys, and where they are
// published, as a name server and as a TestPublicKeys file.
type place struct {
	dir        string
	keys       []key
	publicKeys string
	dns        *dnstest.Server
}

func newPlace(t testing.TB) *place {
	t.Helper()
	testutil.NeedRoot(t)
	p := &place{dir: testutil.SecureDir(t), dns: dnstest.New(t, "")}
	p.publicKeys = filepath.Join(p.dir, "public")
	p.keys = []key{p.rsaKey(t, 1024), p.rsaKey(t, 2048), p.ed25519Key(t)}
	var published strings.Builder
	publish := func(name, record string) {
		fmt.Fprintf(&published, "%s %s\n", name, record)
		p.dns.AddTXT(name, record)
	}
	for _, k := range p.keys {
		publish(k.name(), k.record)
	}
	for _, k := range p.both() {
		publish(k.algorithm+"._domainkey."+bothDomain, k.record)
	}
	p.write(t, "public", []byte(published.String()))
	return p
}

// both are the keys of bothDomain.
func (p *place) both() []key { return p.keys[1:] }

func (p *place) write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (p *place) rsaKey(t testing.TB, bits int) key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	k := key{domain: fmt.Sprintf("rsa%d.example", bits), algorithm: "rsa-sha256"}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	k.path = p.write(t, k.domain, block)
	k.record = "v=DKIM1; k=rsa; p=" + publicKey(t, private.Public())
	return k
}

func (p *place) ed25519Key(t testing.TB) key {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	k := key{domain: "ed25519.example", algorithm: "ed25519-sha256"}
	k.path = p.write(t, k.domain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	k.seedPath = p.write(t, k.domain+".seed", []byte(base64.StdEncoding.EncodeToString(private.Seed())))
	k.record = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	return k
}

func publicKey(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}
