package app

import (
	"fmt"
	"log/slog"
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
		SoftStart:   c.Bool("SoftStart"),
		TTL:         lifetime(c, "DataSetCacheTTL"),
		NegativeTTL: lifetime(c, "DataSetNegativeTTL"),
		MaxBytes:    int64(c.Int("DataSetCacheSize")) << 20,
		Caches:      parts.Caches,
		OnDown: func(name string, err error) {
			log.Error(fmt.Sprintf("%s: no answer: %s; rows known before are used meanwhile", name, err), "event", "dataset_down", "dataset", name)
		},
		OnUp: func(name string) { log.Info(name+": answers again", "event", "dataset_up", "dataset", name) },
	}
	if m := parts.Metrics; m != nil {
		server.OnLookup = func(name string, o remote.Outcome, took time.Duration) { m.DatasetLookup(name, o.String(), took) }
	}
	directory := directoryServer(c, server)
	openers := map[string]dataset.Opener{
		dataset.TypeDSN:      sqlset.Opener(sqlset.Options{}, server),
		dataset.TypeLDAP:     ldapset.Opener(ldapOptions(c), directory),
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
func lifetime(c *config.Config, option string) time.Duration {
	if d := c.Duration(option); d > 0 {
		return d
	}
	return -1
}

// directoryServer is how LDAP servers are treated. What they show depends on who
// asks.
func directoryServer(c *config.Config, o remote.Options) remote.Options {
	o.Timeout = c.Duration("LDAPTimeout")
	for _, option := range []string{"LDAPAuthMechanism", "LDAPAuthName", "LDAPAuthRealm", "LDAPAuthUser", "LDAPBindUser"} {
		o.Settings += c.String(option) + "\n"
	}
	if c.Bool("LDAPDisableCache") {
		o.TTL, o.NegativeTTL = -1, -1
	}
	return o
}

// ldapConf is the LDAP library's file: authorities of one's own are named there.
const ldapConf = "/etc/ldap/ldap.conf"

func ldapOptions(c *config.Config) ldapset.Options {
	tls, err := ldapset.TLSFromConf(ldapConf)
	if err != nil {
		tls = nil // the system's authorities
	}
	return ldapset.Options{
		TLS:               tls,
		Mechanism:         c.String("LDAPAuthMechanism"),
		AuthName:          c.String("LDAPAuthName"),
		AuthRealm:         c.String("LDAPAuthRealm"),
		AuthUser:          c.String("LDAPAuthUser"),
		BindUser:          c.String("LDAPBindUser"),
		BindPassword:      c.String("LDAPBindPassword"),
		UseTLS:            c.Bool("LDAPUseTLS"),
		Timeout:           c.Duration("LDAPTimeout"),
		KeepaliveIdle:     c.Duration("LDAPKeepaliveIdle"),
		KeepaliveInterval: c.Duration("LDAPKeepaliveInterval"),
		KeepaliveProbes:   c.Int("LDAPKeepaliveProbes"),
	}
}
