package rotate

import (
	"fmt"
	"strings"
	"time"

	"dojang/internal/keycheck"
	"dojang/internal/keyrecord"
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

// serversSay names the servers that do not have what is expected, and why.
func serversSay(report *keycheck.Report) string {
	var lines []string
	have, counted := 0, 0
	for _, s := range report.Servers {
		if s.Ignored {
			continue
		}
		counted++
		where := s.Name
		if s.Address != "" {
			where += " (" + s.Address + ")"
		}
		switch s.State {
		case keycheck.Same:
			if have++; s.Signature != "" && s.Signature != keycheck.SignatureValid {
				lines = append(lines, where+": signature "+string(s.Signature))
			}
		case keycheck.Missing:
			lines = append(lines, where+" has no record")
		case keycheck.Differs:
			lines = append(lines, where+" has another record")
		case keycheck.NoAnswer:
			lines = append(lines, where+": "+string(s.Error))
		}
	}
	for _, f := range report.Faults {
		if f.Code == keyrecord.FaultAliasMissing {
			lines = append(lines, "the alias is not there")
		}
	}
	if len(lines) > 4 {
		lines = append(lines[:4], fmt.Sprintf("and %d more", len(lines)-4))
	}
	text := strings.Join(lines, ", ")
	if counted > 0 {
		text += fmt.Sprintf(" (%d of %d have it)", have, counted)
	}
	return text
}
