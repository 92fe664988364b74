package datasettest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"
)

// Certificates are files that a server over TLS and its clients need.
type Certificates struct {
	Folder string
	CA     string // of the authority
	Other  string // of an authority that has nothing to do with it
	Cert   string // the server's, for the name localhost and no other
	Key    string
}

// NewCertificates makes an authority and a server's certificate. Who runs the test
// owns the files; the folder is for AsUser.
func NewCertificates(t testing.TB) Certificates {
	t.Helper()
	dir := Folder(t, 0o755)
	c := Certificates{Folder: dir, CA: dir + "/ca.pem", Other: dir + "/other.pem", Cert: dir + "/cert.pem", Key: dir + "/key.pem"}
	authority, authorityKey := certificate(t, "test authority", nil, nil)
	write(t, c.CA, "CERTIFICATE", authority.Raw)
	other, _ := certificate(t, "other authority", nil, nil)
	write(t, c.Other, "CERTIFICATE", other.Raw)
	server, serverKey := certificate(t, "localhost", authority, authorityKey)
	write(t, c.Cert, "CERTIFICATE", server.Raw)
	der, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.Key, "PRIVATE KEY", der)
	return c
}

// Redis are the arguments of a Redis server that listens for TLS on a port.
func (c Certificates) Redis(server, port string) []string {
	return []string{server, "--tls-port", port, "--tls-cert-file", c.Cert, "--tls-key-file", c.Key,
		"--tls-ca-cert-file", c.CA, "--tls-auth-clients", "no"}
}

// certificate makes an authority without an issuer, a server with one: servers of a
// cluster are clients of each other.
func certificate(t testing.TB, name string, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), BasicConstraintsValid: true}
	if issuer == nil {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
		issuer, issuerKey = c, key
	} else {
		c.DNSNames, c.KeyUsage, c.ExtKeyUsage = []string{name}, x509.KeyUsageDigitalSignature,
			[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func write(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	mode := os.FileMode(0o644)
	if kind == "PRIVATE KEY" {
		mode = 0o600
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		t.Fatal(err)
	}
}
