package build

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/dbset"
	"dojang/internal/dataset/httpset"
	"dojang/internal/dataset/ldapset"
	"dojang/internal/dataset/memcacheset"
	"dojang/internal/dataset/redisset"
	"dojang/internal/dataset/remote"
	"dojang/internal/dataset/socketset"
	"dojang/internal/dataset/sqlset"
)

// Openers are the databases that data sets may be in, set up as the
// configuration says. Of the parts Log, Metrics and Caches count; each may be nil.
func Openers(c *config.Config, parts Parts) map[string]dataset.Opener {
	log := parts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	server := remote.Options{
		SoftStart:   c.SoftStart.Value,
		TTL:         lifetime(c.DataSetCacheTTL.Value),
		NegativeTTL: lifetime(c.DataSetNegativeTTL.Value),
		MaxBytes:    int64(c.DataSetCacheSize.Value) << 20,
		Caches:      parts.Caches,
		OnDown: func(name string, err error) {
			log.Error(fmt.Sprintf("%s: no answer: %s; rows known before are used meanwhile", name, err), "event", "dataset_down", "dataset", name)
		},
		OnUp: func(name string) { log.Info(name+": answers again", "event", "dataset_up", "dataset", name) },
	}
	if m := parts.Metrics; m != nil {
		server.OnLookup = func(name string, o remote.Outcome, took time.Duration) { m.DatasetLookup(name, o.String(), took) }
	}
	openers := map[string]dataset.Opener{
		dataset.TypeDSN:      sqlset.Opener(sqlset.Options{}, server),
		dataset.TypeLDAP:     directoryOpener(c, directoryServer(c, server)),
		dataset.TypeMemcache: memcacheset.Opener(memcacheset.Options{}, server),
		dataset.TypeRedis:    redisset.Opener(redisset.Options{}, server),
		dataset.TypeSocket:   socketset.Opener(socketset.Options{}, server),
		dataset.TypeHTTP:     httpset.Opener(httpset.Options{UserAgent: "dojang"}, server),
		dataset.TypeLua:      scriptOpener(c),
	}
	files := dbset.Opener(dbset.Options{OnReload: func(path string, err error) {
		if err != nil {
			log.Error(fmt.Sprintf("%s changed and cannot be read: %s; the rows read before stay", path, err), "event", "dataset_unreadable")
			return
		}
		log.Info(path+" was read again", "event", "dataset_read")
	}})
	openers[dataset.TypeDB], openers[dataset.TypeMDB] = files, files
	return openers
}

// lifetime is an option's time, below 0 for none.
func lifetime(d time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return -1
}

// directoryServer is how LDAP servers are treated. What they show depends on who
// asks.
func directoryServer(c *config.Config, o remote.Options) remote.Options {
	o.Timeout = c.LDAPTimeout.Value
	for _, text := range []string{c.LDAPAuthMechanism.Value, c.LDAPAuthName.Value, c.LDAPAuthRealm.Value, c.LDAPAuthUser.Value, c.LDAPBindUser.Value} {
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
