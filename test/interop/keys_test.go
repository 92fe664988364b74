package interop

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
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
	domain := fmt.Sprintf("rsa%d.example", bits)
	return key{domain: domain, algorithm: "rsa-sha256", path: p.write(t, domain, []byte(testutil.KeyPEM(private))),
		record: testutil.KeyRecord(private)}
}

func (p *place) ed25519Key(t testing.TB) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := key{domain: "ed25519.example", algorithm: "ed25519-sha256", record: testutil.KeyRecord(private)}
	k.path = p.write(t, k.domain, []byte(testutil.KeyPEM(private)))
	k.seedPath = p.write(t, k.domain+".seed", []byte(base64.StdEncoding.EncodeToString(private.Seed())))
	return k
}
