package resolver

import (
	"context"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	// maxZoneServers and maxServerAddrs bound what one zone can make a tool ask.
	maxZoneServers = 16
	maxServerAddrs = 8
)

// AuthoritativeServer is a name server of a zone.
type AuthoritativeServer struct {
	Name  string           // without the final dot
	Addrs []netip.AddrPort // empty when Err is set
	Err   error            // why the addresses are not known
}

// AuthoritativeServers finds the zone a name lies in and the servers that zone is
// published on. The name need not exist; aliases are not followed.
func (d *DNS) AuthoritativeServers(ctx context.Context, name string) (zone string, servers []AuthoritativeServer, err error) {
	canonicalName, err := canonical(name)
	if err != nil {
		return "", nil, &Error{Name: name, Kind: KindBadName, Err: err}
	}
	zone, hosts, fail := d.zoneOf(ctx, canonicalName)
	if fail != nil {
		return "", nil, fail
	}
	for _, host := range hosts[:min(len(hosts), maxZoneServers)] {
		servers = append(servers, d.addressesOf(ctx, host))
	}
	return displayName(zone), servers, nil
}

// zoneOf goes up from name to the first that has NS records of its own.
func (d *DNS) zoneOf(ctx context.Context, name string) (zone string, hosts []string, fail *Error) {
	for zone = name; ; {
		m, _, fail := d.exchange(ctx, query{name: zone, qtype: dns.TypeNS})
		if fail != nil {
			return "", nil, fail
		}
		for _, rr := range m.Answer {
			if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == zone {
				hosts = append(hosts, displayName(dns.CanonicalName(ns.Ns)))
			}
		}
		if len(hosts) > 0 {
			return zone, hosts, nil
		}
		if zone == "." {
			return "", nil, &Error{Name: displayName(name), Kind: KindNoData}
		}
		zone = parentOf(zone)
	}
}

func (d *DNS) addressesOf(ctx context.Context, host string) AuthoritativeServer {
	s := AuthoritativeServer{Name: host}
	addrs, err4 := d.LookupA(ctx, host)
	addrs6, err6 := d.LookupAAAA(ctx, host)
	addrs = append(addrs, addrs6...)
	for _, addr := range addrs[:min(len(addrs), maxServerAddrs)] {
		s.Addrs = append(s.Addrs, netip.AddrPortFrom(addr, d.options.AuthoritativePort))
	}
	if len(s.Addrs) == 0 {
		if s.Err = err4; err4 == nil {
			s.Err = err6
		}
	}
	return s
}

// parentOf takes the first label off a canonical name.
func parentOf(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// Question is what one name server is asked.
type Question struct {
	Name   string // with or without the final dot, A-labels
	Type   uint16
	DNSSEC bool // with signatures (DO); they are not judged
}

// AskServer puts a question to one server and returns its whole answer, whatever its
// code: over TCP when it was cut short. Neither the cache nor another server takes
// part, and recursion is not desired, as authoritative servers are asked. It tries
// Options.Attempts times, all within the context. Every error is an *Error.
func (d *DNS) AskServer(ctx context.Context, addr netip.AddrPort, q Question) (*dns.Msg, error) {
	canonicalName, err := canonical(q.Name)
	if err != nil {
		return nil, &Error{Name: q.Name, Kind: KindBadName, Err: err}
	}
	set := d.servers()
	last := &Error{Name: q.Name, Kind: KindTimeout, Server: serverName(addr)}
	for try := range set.attempts {
		tryCtx, cancel := context.WithTimeout(ctx, tryTime(ctx, set.timeout, set.attempts-try))
		m, fail := d.ask(tryCtx, newServer(addr, false), query{name: canonicalName, qtype: q.Type, noRD: true, dnssec: q.DNSSEC}, set.useTCP)
		cancel()
		d.stats.queries.Add(1)
		if fail == nil {
			return m, nil
		}
		d.stats.failures.Add(1)
		last.Kind, last.Err = fail.kind, fail.err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// QueryServer is AskServer for a server written as ParseServer reads it.
func (d *DNS) QueryServer(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	addr, err := ParseServer(server)
	if err != nil {
		return nil, &Error{Name: name, Kind: KindNetwork, Err: err}
	}
	return d.AskServer(ctx, addr, Question{Name: name, Type: qtype})
}

// Strings returns the character-strings of a TXT record as they were on the wire, with
// miekg/dns's presentation escapes undone.
func Strings(rr *dns.TXT) []string {
	list := make([]string, len(rr.Txt))
	for i, s := range rr.Txt {
		list[i] = unescape(s)
	}
	return list
}

// LookupTXTAt asks one server for TXT records as QueryServer does. An alias whose
// target the server does not hold is KindNoData with an *AliasError inside.
func (d *DNS) LookupTXTAt(ctx context.Context, server, name string) (Answer, error) {
	m, err := d.QueryServer(ctx, server, name, dns.TypeTXT)
	if err != nil {
		return Answer{}, err
	}
	e := &Error{Name: name, Kind: KindNoData, Server: server}
	if fail := failureOf(m, false); fail != nil {
		e.Kind, e.Err = fail.kind, fail.err
		return Answer{}, e
	}
	at, _ := canonical(name)
	a := Answer{}
	for range d.options.MaxCNAMEs + 1 {
		h, err := hopAt(m, at, dns.TypeTXT)
		switch {
		case err != nil:
			e.Kind, e.Err = KindLoop, err
			return a, e
		case h.records != nil:
			a.Texts = texts(h.records)
			a.TTL = time.Duration(minTTL(h.records)) * time.Second
			return a, nil
		case h.alias == nil && at != dns.CanonicalName(name):
			e.Err = &AliasError{Target: displayName(at)}
			return a, e
		case h.alias == nil:
			if m.Rcode == dns.RcodeNameError {
				e.Kind = KindNotFound
			}
			return a, e
		}
		at = h.target
		a.CNAMEs++
	}
	e.Kind, e.Err = KindLoop, errLoop
	return a, e
}

// AliasError tells where an alias leads that the server asked says no more about.
type AliasError struct{ Target string }

func (a *AliasError) Error() string { return "it is an alias (CNAME) of " + quote(a.Target) }
