package remote

import (
	"crypto/x509"
	"fmt"
	"strings"

	"dojang/internal/privilege"
)

// Authorities reads the certificates of a PEM file, against which a server's is
// checked. "" is nil: the system's own.
func Authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := privilege.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", path)
	}
	return pool, nil
}

// CertificateHint is what to type when a server's certificate was refused, ""
// for other errors; authority is how this kind of data set names a file for
// Authorities. It goes by the words of crypto/x509, since some clients pass on
// nothing else.
func CertificateHint(err error, authority string) string {
	text := err.Error()
	switch {
	case authority == "" || !strings.Contains(text, "x509: "):
		return ""
	case strings.Contains(text, "unknown authority"):
		return "name the file that has the certificate of the server's authority: " + authority
	case strings.Contains(text, "certificate is valid for"), strings.Contains(text, "certificate is not valid for"),
		strings.Contains(text, "cannot validate certificate for"):
		return "write the server's name as its certificate has it, or have a certificate made for this name"
	case strings.Contains(text, "expired"):
		return "renew the server's certificate; if it is in order, look at the clock: date"
	}
	return ""
}
