package resolver

import (
	"context"
	"net/netip"

	"github.com/miekg/dns"
)

// MX is one mail exchanger.
type MX struct {
	Preference uint16
	Host       string // without the final dot; "" is the null MX of RFC 7505
}

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

// LookupPTR finds the names an address claims, without their final dots.
func (d *DNS) LookupPTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, &Error{Name: addr.String(), Kind: KindBadName, Err: err}
	}
	return collect(ctx, d, name, dns.TypePTR, func(rr dns.RR) (string, bool) {
		ptr, ok := rr.(*dns.PTR)
		if !ok {
			return "", false
		}
		return displayName(dns.CanonicalName(ptr.Ptr)), true
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

// LookupMX finds a domain's mail exchangers in the order of the answer.
func (d *DNS) LookupMX(ctx context.Context, name string) ([]MX, error) {
	return collect(ctx, d, name, dns.TypeMX, func(rr dns.RR) (MX, bool) {
		mx, ok := rr.(*dns.MX)
		if !ok {
			return MX{}, false
		}
		host := dns.CanonicalName(mx.Mx)
		if host == "." {
			return MX{Preference: mx.Preference}, true
		}
		return MX{Preference: mx.Preference, Host: displayName(host)}, true
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
