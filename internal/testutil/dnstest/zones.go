package dnstest

import (
	"strings"

	"github.com/miekg/dns"
)

// ServeZones makes the server an authoritative one for these zones: answers have the AA
// bit, names below NS records that are not a zone of its own get a referral with glue,
// wildcards hold, aliases are followed within a zone only, and all else is REFUSED. The
// SOA record is the zone's own where there is one.
func (s *Server) ServeZones(zones ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones = nil
	for _, z := range zones {
		s.zones = append(s.zones, dns.CanonicalName(z))
	}
}

func (s *Server) isAuthoritative() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.zones != nil
}

// zoneOf is the deepest zone of ours that name lies in.
func (s *Server) zoneOf(name string) string {
	best := ""
	for _, z := range s.zones {
		if dns.IsSubDomain(z, name) && len(z) > len(best) {
			best = z
		}
	}
	return best
}

func (s *Server) answerForZone(m *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.RecursionAvailable = false
	name, qtype := dns.CanonicalName(m.Question[0].Name), m.Question[0].Qtype
	zone := s.zoneOf(name)
	if qtype == dns.TypeDS && zone == name { // the parent's matter
		if i, end := dns.NextLabel(name, 0); !end && s.zoneOf(name[i:]) != "" {
			zone = s.zoneOf(name[i:])
		} else if s.zoneOf(".") != "" {
			zone = "."
		}
	}
	if zone == "" {
		m.Rcode = dns.RcodeRefused
		return
	}
	for range maxChase {
		if s.refer(m, zone, name, qtype) {
			return
		}
		m.Authoritative = true
		owner := s.ownerFor(name, zone)
		alias := ""
		found := false
		for _, rr := range s.records[owner] {
			switch c, ok := rr.(*dns.CNAME); {
			case rr.Header().Rrtype == qtype:
				found = true
			case ok:
				alias = dns.CanonicalName(c.Target)
			default:
				continue
			}
			rr = dns.Copy(rr)
			rr.Header().Name = name
			m.Answer = append(m.Answer, rr)
		}
		if found || alias != "" && s.zoneOf(alias) == "" {
			return
		}
		if alias == "" {
			if owner == "" && !s.exists(name) {
				m.Rcode = dns.RcodeNameError
			}
			m.Ns = append(m.Ns, s.soa(zone))
			return
		}
		name, zone = alias, s.zoneOf(alias)
	}
}

// refer answers with a delegation when name lies at or below one of zone.
func (s *Server) refer(m *dns.Msg, zone, name string, qtype uint16) bool {
	for n := dns.CountLabel(zone) + 1; n <= dns.CountLabel(name); n++ {
		labels := dns.SplitDomainName(name)
		cut := dns.Fqdn(strings.Join(labels[len(labels)-n:], "."))
		if cut == name && qtype == dns.TypeDS {
			return false
		}
		for _, rr := range s.records[cut] {
			ns, ok := rr.(*dns.NS)
			if !ok {
				continue
			}
			m.Ns = append(m.Ns, dns.Copy(ns))
			for _, glue := range s.records[dns.CanonicalName(ns.Ns)] {
				if t := glue.Header().Rrtype; t == dns.TypeA || t == dns.TypeAAAA {
					m.Extra = append(m.Extra, dns.Copy(glue))
				}
			}
		}
		if len(m.Ns) > 0 {
			return true
		}
	}
	return false
}

// ownerFor is the name whose records answer for name: itself or a wildcard, "" for none.
func (s *Server) ownerFor(name, zone string) string {
	if s.exists(name) {
		return name
	}
	for above := name; above != zone; {
		i, end := dns.NextLabel(above, 0)
		if end {
			break
		}
		above = above[i:]
		if len(s.records["*."+above]) > 0 {
			return "*." + above
		}
		if s.exists(above) {
			break
		}
	}
	return ""
}

func (s *Server) soa(zone string) dns.RR {
	for _, rr := range s.records[zone] {
		if rr.Header().Rrtype == dns.TypeSOA {
			return dns.Copy(rr)
		}
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: s.negative},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: s.negative,
	}
}
