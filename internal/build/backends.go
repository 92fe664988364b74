package build

import (
	"log/slog"
	"time"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/dbset"
	"dojang/internal/dataset/httpset"
	"dojang/internal/dataset/remote"
	"dojang/internal/dataset/socketset"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/event"
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
		OnDown:      func(name string, err error) { event.DatasetDown(name, err).Write(log, "") },
		OnUp:        func(name string) { event.DatasetUp(name).Write(log, "") },
	}
	if m := parts.Metrics; m != nil {
		server.OnLookup = func(name string, o remote.Outcome, took time.Duration) { m.DatasetLookup(name, o.String(), took) }
	}
	openers := map[string]dataset.Opener{
		dataset.TypeDSN:      sqlset.Opener(sqlset.Options{}, server),
		dataset.TypeLDAP:     directoryOpener(c, server),
		dataset.TypeMemcache: memcacheOpener(server),
		dataset.TypeRedis:    redisOpener(server),
		dataset.TypeSocket:   socketset.Opener(socketset.Options{}, server),
		dataset.TypeHTTP:     httpset.Opener(httpset.Options{UserAgent: "dojang"}, server),
		dataset.TypeLua:      scriptOpener(c),
	}
	files := dbset.Opener(dbset.Options{OnReload: func(path string, err error) {
		if err != nil {
			event.DatasetUnreadable(path, err).Write(log, "")
			return
		}
		event.DatasetRead(path).Write(log, "")
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

// LeftOut names the types of data sets that this build does not have, as they begin.
func LeftOut() []string {
	names := sqlset.LeftOut()
	for _, kind := range []struct {
		name string
		has  bool
	}{{"ldap:", hasLDAP}, {"memcache:", hasMemcache}, {"redis:", hasRedis}} {
		if !kind.has {
			names = append(names, kind.name)
		}
	}
	return names
}
