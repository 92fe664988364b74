package resolver

import (
	"context"
	"net/netip"

	"github.com/miekg/dns"
)

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
		m, fail := d.ask(tryCtx, newServer(addr, false), query{name: canonicalName, qtype: q.Type, noRD: true, dnssec: q.DNSSEC},
			set.useTCP)
		cancel()
		if fail == nil {
			return m, nil
		}
		last.Kind, last.Err = fail.kind, fail.err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// QueryServer is AskServer for a server written as ParseServer reads it.
func (d *DNS) QueryServer(ctx context.Context, server string, q Question) (*dns.Msg, error) {
	addr, err := ParseServer(server)
	if err != nil {
		return nil, &Error{Name: q.Name, Kind: KindNetwork, Err: err}
	}
	return d.AskServer(ctx, addr, q)
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
