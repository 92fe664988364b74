//go:build !noldap

package build

import (
	"context"
	"os"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/ldapset"
	"dojang/internal/dataset/remote"
)

const hasLDAP = true

// directoryServer is how LDAP servers are treated. What they show depends on who
// asks.
func directoryServer(c *config.Config, o remote.Options) remote.Options {
	o.Timeout = c.LDAPTimeout.Value
	for _, text := range []string{c.LDAPAuthMechanism.Value, c.LDAPAuthName.Value, c.LDAPAuthRealm.Value,
		c.LDAPAuthUser.Value, c.LDAPBindUser.Value} {
		o.Settings += text + "\n"
	}
	if c.LDAPDisableCache.Value {
		o.TTL, o.NegativeTTL = -1, -1
	}
	return o
}

// directoryOpener opens ldap: sets. Authorities of one's own are named in the file
// of OpenLDAP's library, which only a set that needs it has to wait for.
func directoryOpener(c *config.Config, server remote.Options) dataset.Opener {
	server = directoryServer(c, server)
	return func(ctx context.Context, spec dataset.Spec, d dataset.Options) (dataset.Set, error) {
		o := ldapOptions(c)
		var err error
		if o.TLS, err = ldapset.TLSFromConf(ldapConf(), os.Getenv); err != nil {
			return nil, &dataset.Error{Set: spec.String(), Err: err}
		}
		return ldapset.Opener(o, server)(ctx, spec, d)
	}
}

// ldapConf is the LDAP library's file: Debian's, or where Red Hat has it.
func ldapConf() string {
	const debian, redHat = "/etc/ldap/ldap.conf", "/etc/openldap/ldap.conf"
	if _, err := os.Stat(debian); err != nil {
		return redHat
	}
	return debian
}

func ldapOptions(c *config.Config) ldapset.Options {
	return ldapset.Options{
		Mechanism:         c.LDAPAuthMechanism.Value,
		AuthName:          c.LDAPAuthName.Value,
		AuthRealm:         c.LDAPAuthRealm.Value,
		AuthUser:          c.LDAPAuthUser.Value,
		BindUser:          c.LDAPBindUser.Value,
		BindPassword:      c.LDAPBindPassword.Value,
		UseTLS:            c.LDAPUseTLS.Value,
		Timeout:           c.LDAPTimeout.Value,
		KeepaliveIdle:     c.LDAPKeepaliveIdle.Value,
		KeepaliveInterval: c.LDAPKeepaliveInterval.Value,
		KeepaliveProbes:   c.LDAPKeepaliveProbes.Value,
	}
}
