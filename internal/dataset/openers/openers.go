// Package openers gathers the back-ends of data sets that need more than a file:
// one place for a program to give them their options.
package openers

import (
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

// Options of all back-ends. The zero value is usable.
type Options struct {
	Remote   remote.Options // of every set on a server
	SQL      sqlset.Options
	LDAP     ldapset.Options
	Memcache memcacheset.Options
	Redis    redisset.Options
	DB       dbset.Options
	Socket   socketset.Options
	HTTP     httpset.Options
}

// All returns an opener for each type of data set, for dataset.Options.Openers.
// lua: is not among them: scripts are their own package's.
func All(o Options) map[string]dataset.Opener {
	files := dbset.Opener(o.DB)
	return map[string]dataset.Opener{
		dataset.TypeDSN:      sqlset.Opener(o.SQL, o.Remote),
		dataset.TypeLDAP:     ldapset.Opener(o.LDAP, o.ldapRemote()),
		dataset.TypeMemcache: memcacheset.Opener(o.Memcache, o.Remote),
		dataset.TypeRedis:    redisset.Opener(o.Redis, o.Remote),
		dataset.TypeDB:       files,
		dataset.TypeMDB:      files,
		dataset.TypeSocket:   socketset.Opener(o.Socket, o.Remote),
		dataset.TypeHTTP:     httpset.Opener(o.HTTP, o.Remote),
	}
}

// ldapRemote applies LDAPDisableCache.
func (o Options) ldapRemote() remote.Options {
	r := o.Remote
	if o.LDAP.DisableCache {
		r.TTL, r.NegativeTTL = -1, -1
	}
	return r
}
