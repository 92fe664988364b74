package dataset

import (
	"context"
	"errors"
	"net/netip"
	"strings"
)

// HostSet answers whether a client belongs to a list of hosts, by the rules of
// opendkim.conf(5) PeerList. It does not own its Set.
type HostSet struct {
	set Set
}

// NewHostSet makes a HostSet of a set of host names, ".domain" names, addresses
// and networks.
func NewHostSet(ctx context.Context, set Set) (*HostSet, error) {
	return &HostSet{set: set}, nil
}

// Match reports whether the client is in the set. Either of hostname and addr
// may be missing. Names are tried first, then the address, from the most to the
// least precise; the first entry that matches decides, "!" entries against.
func (h *HostSet) Match(ctx context.Context, hostname string, addr netip.Addr) (bool, error) {
	for _, key := range hostKeys(hostname) {
		if in, found, err := h.ask(ctx, key); found || err != nil {
			return in, err
		}
	}
	if !addr.IsValid() {
		return false, nil
	}
	addr = addr.Unmap().WithZone("")
	for bits := addr.BitLen(); bits >= 0; bits-- {
		for _, key := range addrKeys(addr, bits) {
			if in, found, err := h.ask(ctx, key); found || err != nil {
				return in, err
			}
		}
	}
	return false, nil
}

func (h *HostSet) ask(ctx context.Context, key string) (in, found bool, err error) {
	for _, k := range [...]string{"!" + key, key} {
		_, err := h.set.Lookup(ctx, k, 0)
		if err == nil {
			return k == key, true, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return false, false, err
		}
	}
	return false, false, nil
}

func hostKeys(hostname string) []string {
	hostname = fold(strings.TrimSuffix(hostname, "."))
	if hostname == "" {
		return nil
	}
	keys := []string{hostname}
	for d := parent(hostname); d != ""; d = parent(d[1:]) {
		keys = append(keys, d)
	}
	return keys
}

func addrKeys(addr netip.Addr, bits int) []string {
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return nil
	}
	network := prefix.Addr().String()
	length := prefix.String()[len(network):]
	keys := []string{network + length, "[" + network + "]" + length}
	if bits == addr.BitLen() {
		keys = append([]string{network, "[" + network + "]"}, keys...)
	}
	return keys
}
