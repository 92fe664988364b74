package ldapset

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// TLSFromConf reads the TLS lines of ldap.conf(5), which OpenLDAP's library and
// so OpenDKIM obey: TLS_CACERT, TLS_CERT, TLS_KEY and TLS_REQCERT. A missing
// file is no error.
func TLSFromConf(path string) (*tls.Config, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var cert, key string
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 2 {
			continue
		}
		switch value := fields[1]; strings.ToUpper(fields[0]) {
		case "TLS_CACERT":
			pem, err := os.ReadFile(value)
			if os.IsNotExist(err) {
				continue // Debian's file names one that may not be installed
			}
			if err != nil {
				return nil, err
			}
			config.RootCAs = x509.NewCertPool()
			if !config.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s: no certificate in it", value)
			}
		case "TLS_REQCERT":
			switch strings.ToLower(value) {
			case "never", "allow", "try":
				config.InsecureSkipVerify = true
			}
		case "TLS_CERT":
			cert = value
		case "TLS_KEY":
			key = value
		}
	}
	if cert != "" && key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
