//go:build !noldap

package build

import (
	"testing"
	"time"

	"dojang/internal/dataset/remote"
	"dojang/internal/testutil/configtest"
)

func TestLDAPDisableCache(t *testing.T) {
	if got := directoryServer(configtest.Read(t, "Mode v\n"), remote.Options{}); got.TTL < 0 {
		t.Errorf("without it: %v", got.TTL)
	}
	got := directoryServer(configtest.Read(t, "Mode v\nLDAPDisableCache yes\n"), remote.Options{})
	if got.TTL >= 0 || got.NegativeTTL >= 0 {
		t.Errorf("with it: %v, %v", got.TTL, got.NegativeTTL)
	}
}

// TestLDAPOptions holds that each option reaches the LDAP client; what the client
// does with it is shown in internal/dataset/ldapset.
func TestLDAPOptions(t *testing.T) {
	o := ldapOptions(configtest.Read(t, `Mode v
LDAPAuthMechanism DIGEST-MD5
LDAPAuthName name
LDAPAuthRealm realm
LDAPAuthUser user
LDAPBindUser cn=reader,dc=test
LDAPBindPassword secret
LDAPUseTLS yes
LDAPKeepaliveIdle 11
LDAPKeepaliveInterval 12
LDAPKeepaliveProbes 13
`))
	if o.Mechanism != "DIGEST-MD5" || o.AuthName != "name" || o.AuthRealm != "realm" || o.AuthUser != "user" ||
		o.BindUser != "cn=reader,dc=test" ||
		string(o.BindPassword) != "secret" || !o.UseTLS || o.KeepaliveIdle != 11*time.Second ||
		o.KeepaliveInterval != 12*time.Second || o.KeepaliveProbes != 13 {
		t.Errorf("%+v", o)
	}
}
