package dataset

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// HostSet answers whether a client belongs to a list of hosts, by the rules of
// opendkim.conf(5) PeerList. It does not own its Set.
//
// Sets held in memory are compiled: one map look-up for each length of prefix
// that occurs. Others are asked for each name and network in turn, or for all
// of them at once if they can.
type HostSet struct {
	set   Set        // nil when compiled
	hosts *hostIndex // nil when not
}

// hostIndex is a compiled list. In each map false stands for a "!" entry, which
// beats the same entry without.
type hostIndex struct {
	names    map[string]bool
	prefixes map[netip.Prefix]bool
	bits4    []int // lengths that occur, the longest first
	bits6    []int
	// with asterisks, from refile: sets
	in, out *patterns
}

// NewHostSet makes a HostSet of a set of host names, ".domain" names, addresses
// and networks. It walks the set only if it is Local.
func NewHostSet(ctx context.Context, set Set) (*HostSet, error) {
	local, ok := set.(Local)
	if !ok {
		return &HostSet{set: set}, nil
	}
	x := &hostIndex{names: map[string]bool{}, prefixes: map[netip.Prefix]bool{}}
	_, hasPatterns := set.(PatternSet)
	var in, out []row
	err := local.Walk(ctx, func(e Entry) error {
		key, not := strings.CutPrefix(e.Key, "!")
		switch {
		case !hasPatterns || !strings.Contains(key, "*"):
			x.add(key, !not)
		case not:
			out = append(out, row{key: key})
		default:
			in = append(in, row{key: key})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	x.in, x.out = compile("", in), compile("", out)
	x.bits4, x.bits6 = x.lengths()
	return &HostSet{hosts: x}, nil
}

func (x *hostIndex) add(key string, in bool) {
	if p, err := ParseHostEntry(key); err == nil {
		if have, ok := x.prefixes[p]; !ok || have {
			x.prefixes[p] = in
		}
		return
	}
	key = fold(key)
	if have, ok := x.names[key]; !ok || have {
		x.names[key] = in
	}
}

func (x *hostIndex) lengths() (bits4, bits6 []int) {
	var seen4 [33]bool
	var seen6 [129]bool
	for p := range x.prefixes {
		if p.Addr().Is4() {
			seen4[p.Bits()] = true
		} else {
			seen6[p.Bits()] = true
		}
	}
	for i, s := range slices.Backward(seen4[:]) {
		if s {
			bits4 = append(bits4, i)
		}
	}
	for i, s := range slices.Backward(seen6[:]) {
		if s {
			bits6 = append(bits6, i)
		}
	}
	return bits4, bits6
}

// errHostBits is a network whose address has bits set beyond its length.
var errHostBits = errors.New("address has bits beyond the length of the prefix")

// ParseHostEntry reads an address or network entry: 192.0.2.1, 192.0.2.0/24,
// 2001:db8::/32, with or without brackets around the address. An IPv4-mapped one
// counts as IPv4. A single address has the full length.
//
// Compat(opendkim 2.11): a network with host bits set (192.0.2.1/24) and a mask
// with dots match nothing there, so they are errors here.
func ParseHostEntry(s string) (netip.Prefix, error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		inner, tail, closed := strings.Cut(rest, "]")
		if !closed || strings.Contains(inner, "/") {
			return netip.Prefix{}, errors.New("brackets belong around the address")
		}
		s = inner + tail
	}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return p, errHostBits
	}
	return p, nil
}

// Match reports whether the client is in the set. Either of hostname and addr
// may be missing. The host name is tried first, then its superdomains with their
// leading dot, then the address and its networks from the most to the least
// precise; the first entry that matches decides, "!" entries against.
//
// Compat(opendkim 2.11): there a pattern with an asterisk also matches the text
// "!name" that is asked first, so that it never lets anyone in. Here it does.
func (h *HostSet) Match(ctx context.Context, hostname string, addr netip.Addr) (bool, error) {
	hostname = fold(strings.TrimSuffix(hostname, "."))
	if addr.IsValid() {
		addr = addr.Unmap().WithZone("")
	}
	if h.hosts != nil {
		return h.hosts.match(hostname, addr), nil
	}
	return h.ask(ctx, hostname, addr)
}

func (x *hostIndex) match(hostname string, addr netip.Addr) bool {
	if hostname != "" {
		if in, ok := x.names[hostname]; ok {
			return in
		}
		if in, ok := x.pattern(hostname); ok {
			return in
		}
		for d := parent(hostname); d != ""; d = parent(d[1:]) {
			if in, ok := x.names[d]; ok {
				return in
			}
		}
	}
	if !addr.IsValid() {
		return false
	}
	lengths := x.bits6
	if addr.Is4() {
		lengths = x.bits4
	}
	full := addr.BitLen()
	if in, ok := x.prefixes[netip.PrefixFrom(addr, full)]; ok {
		return in
	}
	if x.in.Len()+x.out.Len() > 0 {
		if in, ok := x.pattern(addr.String()); ok {
			return in
		}
	}
	for _, bits := range lengths {
		if p, err := addr.Prefix(bits); err == nil {
			if in, ok := x.prefixes[p]; ok {
				return in
			}
		}
	}
	return false
}

func (x *hostIndex) pattern(text string) (in, found bool) {
	for _, p := range [...]*patterns{x.out, x.in} {
		if p.Len() == 0 {
			continue
		}
		p.match(text, func(int32) bool { found = true; return false })
		if found {
			return p == x.in, true
		}
	}
	return false, false
}

// ask looks a client up in a set that cannot be compiled.
func (h *HostSet) ask(ctx context.Context, hostname string, addr netip.Addr) (bool, error) {
	keys := hostKeys(hostname, addr)
	if b, ok := h.set.(BatchSet); ok {
		rows, err := b.LookupBatch(ctx, keys, 0)
		if err != nil {
			return false, err
		}
		for i, r := range rows {
			if r != nil {
				return keys[i][0] != '!', nil
			}
		}
		return false, nil
	}
	for _, key := range keys {
		_, err := h.set.Lookup(ctx, key, 0)
		if err == nil {
			return key[0] != '!', nil
		}
		if !errors.Is(err, ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}

// hostKeys are the texts a client is looked up by, in order, each after itself
// with a bang.
func hostKeys(hostname string, addr netip.Addr) []string {
	var keys []string
	add := func(key string) { keys = append(keys, "!"+key, key) }
	if hostname != "" {
		add(hostname)
		for d := parent(hostname); d != ""; d = parent(d[1:]) {
			add(d)
		}
	}
	if !addr.IsValid() {
		return keys
	}
	add(addr.String())
	add("[" + addr.String() + "]")
	if addr.Is4() {
		add("::ffff:" + addr.String())
	}
	for bits := addr.BitLen(); bits >= 0; bits-- {
		if p, err := addr.Prefix(bits); err == nil {
			network := p.Addr().String()
			length := p.String()[len(network):]
			add(network + length)
			add("[" + network + "]" + length)
		}
	}
	return keys
}
