package ldapset

import (
	"os"
	"path/filepath"
	"testing"
)

// Which servers are checked is as ldap.conf(5) has it. "try" ends a session with a bad
// certificate; only a server without one passes.
func TestTLSFromConf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ldap.conf")
	for _, c := range []struct {
		text    string
		environ map[string]string
		checks  bool
	}{
		{"", nil, true},
		{"TLS_REQCERT demand\n", nil, true},
		{"TLS_REQCERT hard\n", nil, true},
		{"TLS_REQCERT try\n", nil, true},
		{"tls_reqcert\tAllow\n", nil, false},
		{"TLS_REQCERT never\n", nil, false},
		{"#TLS_REQCERT never\n", nil, true},
		{"TLS_REQCERT never\n", map[string]string{"LDAPTLS_REQCERT": "demand"}, true},
		{"TLS_CACERT /nowhere/ca.pem\n", map[string]string{"LDAPTLS_REQCERT": "never"}, false},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := TLSFromConf(path, func(name string) string { return c.environ[name] })
		if err != nil || config.InsecureSkipVerify == c.checks || config.RootCAs != nil {
			t.Errorf("%q %v: %+v, %v", c.text, c.environ, config, err)
		}
	}
	for _, environ := range []map[string]string{{"LDAPTLS_CACERT": "/nowhere/ca.pem"}, {"LDAPTLS_CACERT": path},
		{"LDAPTLS_CERT": path, "LDAPTLS_KEY": path}} {
		if _, err := TLSFromConf(path, func(name string) string { return environ[name] }); err == nil {
			t.Errorf("%v: no error", environ)
		}
	}
}
