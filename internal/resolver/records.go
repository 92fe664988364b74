package resolver

import (
	"context"
	"net/netip"

	"github.com/miekg/dns"
)

// LookupA finds the IPv4 addresses of a host.
func (d *DNS) LookupA(ctx context.Context, name string) ([]netip.Addr, error) {
	return collect(ctx, d, name, dns.TypeA, func(rr dns.RR) (netip.Addr, bool) {
		a, ok := rr.(*dns.A)
		if !ok {
			return netip.Addr{}, false
		}
		addr, ok := netip.AddrFromSlice(a.A.To4())
		return addr, ok
	})
}

// LookupAAAA finds the IPv6 addresses of a host.
func (d *DNS) LookupAAAA(ctx context.Context, name string) ([]netip.Addr, error) {
	return collect(ctx, d, name, dns.TypeAAAA, func(rr dns.RR) (netip.Addr, bool) {
		a, ok := rr.(*dns.AAAA)
		if !ok {
			return netip.Addr{}, false
		}
		return netip.AddrFromSlice(a.AAAA)
	})
}

// LookupNS finds the names of a zone's servers, without their final dots.
func (d *DNS) LookupNS(ctx context.Context, name string) ([]string, error) {
	return collect(ctx, d, name, dns.TypeNS, func(rr dns.RR) (string, bool) {
		ns, ok := rr.(*dns.NS)
		if !ok {
			return "", false
		}
		return displayName(dns.CanonicalName(ns.Ns)), true
	})
}

// collect looks records up and picks what is wanted from each.
func collect[T any](ctx context.Context, d *DNS, name string, qtype uint16, pick func(dns.RR) (T, bool)) ([]T, error) {
	r, _, _ := d.lookup(ctx, name, qtype)
	if r.err != nil {
		return nil, r.err
	}
	list := make([]T, 0, len(r.records))
	for _, rr := range r.records {
		if v, ok := pick(rr); ok {
			list = append(list, v)
		}
	}
	return list, nil
}
