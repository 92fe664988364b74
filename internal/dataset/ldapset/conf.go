package ldapset

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"strings"

	"dojang/internal/dataset/remote"
	"dojang/internal/privilege"
)

// TLSFromConf reads the TLS lines of ldap.conf(5), which OpenLDAP's library and
// so OpenDKIM obey: TLS_CACERT, TLS_CERT, TLS_KEY and TLS_REQCERT. getenv, os.Getenv
// as a rule, tells the variables that win over them, LDAPTLS_CACERT and so on. A
// missing file is no error.
func TLSFromConf(path string, getenv func(string) string) (*tls.Config, error) {
	set, err := readConf(path)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"TLS_CACERT", "TLS_CERT", "TLS_KEY", "TLS_REQCERT"} {
		if value := getenv("LDAP" + name); value != "" {
			set[name] = value
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if config.RootCAs, err = remote.Authorities(set["TLS_CACERT"]); err != nil {
		return nil, err
	}
	// "try" lets a server without a certificate pass, which TLS does not know.
	switch strings.ToLower(set["TLS_REQCERT"]) {
	case "never", "allow":
		config.InsecureSkipVerify = true
	}
	if cert, key := set["TLS_CERT"], set["TLS_KEY"]; cert != "" && key != "" {
		pair, err := keyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func readConf(path string) (map[string]string, error) {
	set := map[string]string{}
	f, err := privilege.Open(path)
	if os.IsNotExist(err) {
		return set, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if fields := strings.Fields(s.Text()); len(fields) >= 2 {
			set[strings.ToUpper(fields[0])] = fields[1]
		}
	}
	// Debian's file names authorities that may not be installed.
	if _, err := os.Stat(set["TLS_CACERT"]); errors.Is(err, fs.ErrNotExist) {
		delete(set, "TLS_CACERT")
	}
	return set, s.Err()
}

func keyPair(cert, key string) (tls.Certificate, error) {
	chain, err := privilege.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := privilege.ReadFile(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, private)
}
