package rotate

import (
	"fmt"
	"time"

	"dojang/internal/keycheck"
)

// Resolvers cut what they keep for longer: absences at a day or less, records at a week
// or less (BIND's max-ncache-ttl and max-cache-ttl cannot be, or are not, set higher).
const (
	maxAbsence = 86400
	maxRecord  = 7 * 86400
)

// cached is how long a cache may go on having another answer than a record that all
// servers have: that there is none (SOA minimum, RFC 2308), what stood there before,
// and aliases on the way.
func cached(report *keycheck.Report, r *Record) (time.Duration, string) {
	seconds, why := int64(0), "no cache"
	most := func(n, limit int64, what string) {
		if n > limit {
			n, what = limit, fmt.Sprintf("%s, of which resolvers keep %s", what, time.Duration(limit)*time.Second)
		}
		if n > seconds {
			seconds, why = n, what
		}
	}
	absence := func(z keycheck.Zone) {
		if z.MinimumUntold {
			most(maxAbsence, maxAbsence, "a day, as a server does not tell the SOA minimum of "+z.Name)
		}
		most(z.MinimumSeconds, maxAbsence, "SOA minimum of "+z.Name)
	}
	absence(report.Zone)
	for _, a := range report.Aliases {
		absence(a.Zone)
		most(a.TTLSeconds, maxRecord, "TTL of the alias "+a.Name)
	}
	most(r.PriorTTL, maxRecord, "TTL of what stood there before")
	return time.Duration(seconds) * time.Second, why
}

// greatestTTL is how long caches may keep what stands at a name, whatever that is.
func greatestTTL(report *keycheck.Report) (seconds int64) {
	for _, a := range report.Aliases {
		seconds = max(seconds, a.TTLSeconds)
	}
	for _, s := range report.Servers {
		if len(s.Texts) > 0 && s.TTLSeconds != nil {
			seconds = max(seconds, *s.TTLSeconds)
		}
	}
	return seconds
}

// otherTTL is how long caches may keep what a server has in the place of a record.
func otherTTL(report *keycheck.Report, text string) (seconds int64) {
	for _, s := range report.Servers {
		if s.TTLSeconds != nil && len(s.Texts) > 0 && s.Texts[0].Text != text {
			seconds = max(seconds, *s.TTLSeconds)
		}
	}
	return seconds
}

// slotTTL is how long caches may keep what last stood at a key's name, and whether its
// selector is one of a ring, which will come again.
func (p *pass) slotTTL(u *Unit, k *Key) (ttl time.Duration, ring bool) {
	ttl = p.Settings.TTL
	for _, domain := range u.Domains {
		zone, _ := p.Settings.ZoneOf(domain)
		ring = ring || zone.CNAME != ""
	}
	for _, r := range k.Records {
		ttl = max(ttl, time.Duration(r.TTL)*time.Second)
	}
	return ttl, ring
}
