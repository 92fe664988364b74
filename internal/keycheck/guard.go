package keycheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

var errForbidden = errors.New("this address is not asked")

// guarded refuses addresses at the moment a socket is opened to them. A server's
// address is asked as it was checked: nothing is looked up in between.
func guarded(dial func(context.Context, string, string) (net.Conn, error), allow func(netip.Addr) bool) func(context.Context,
	string, string) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if allow == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		addr, err := netip.ParseAddrPort(address)
		if err != nil || !allow(addr.Addr().Unmap()) {
			return nil, errForbidden
		}
		return dial(ctx, network, address)
	}
}

// inner are the networks that are global unicast by their form and yet nobody's on the
// Internet, or that lead to any address inside (RFC 6890 and its successors).
var inner = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("::/96"),
}

// Global reports whether an address is one of the public Internet: what a check made
// for strangers may send packets to.
func Global(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Zone() != "" {
		return false
	}
	for _, p := range inner {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// budget bounds the queries of one check.
type budget struct {
	most int64
	left atomic.Int64
}

func newBudget(queries int) *budget {
	b := &budget{most: int64(queries)}
	b.left.Store(b.most)
	return b
}

// take reports whether one more query may be made.
func (b *budget) take() bool { return b.left.Add(-1) >= 0 }

func (b *budget) used() int { return int(b.most - max(b.left.Load(), 0)) }

func (b *budget) empty() bool { return b.left.Load() <= 0 }
