package dataset

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"
	"strings"
)

// HostSet answers whether a client belongs to a list of hosts, by the rules of
// opendkim.conf(5) PeerList. It does not own its Set.
//
// Sets held in memory are compiled: one look-up for each length of prefix that
// occurs. Others are asked for each name and network in turn, or for all
// of them at once if they can.
type HostSet struct {
	set   Set        // nil when compiled
	hosts *hostIndex // nil when not
}

// hostIndex is a compiled list.
type hostIndex struct {
	names    names
	networks networks
	// with asterisks, from refile: sets
	in, out *patterns
}

// NewHostSet makes a HostSet of a set of host names, ".domain" names, addresses
// and networks. It reads the set only if it is Local.
func NewHostSet(_ context.Context, set Set) (*HostSet, error) {
	local, ok := set.(interface{ all() *rows })
	if !ok {
		return &HostSet{set: set}, nil
	}
	r := local.all()
	x := &hostIndex{names: names{r, newIndex(r.Len())}}
	_, hasPatterns := set.(PatternSet)
	var in, out rows
	var entries []network
	for i := range int32(r.Len()) {
		entry := r.key(i)
		key, not := strings.CutPrefix(entry, "!")
		if hasPatterns && strings.Contains(key, "*") {
			to := &in
			if not {
				to = &out
			}
			to.take(r, i, len(entry)-len(key))
		} else if p, err := parseHostEntry(key); err == nil {
			entries = append(entries, networkOf(p, !not))
		} else {
			x.names.add(i)
		}
	}
	x.in, x.out = compile(&in), compile(&out)
	x.networks = newNetworks(entries)
	return &HostSet{hosts: x}, nil
}

// names are the rows that are host names, found with and without the "!".
type names struct {
	rows *rows
	index
}

func (n *names) same(row int32, name string) bool { return equalFolded(n.rows.key(row), name) }

func (n *names) add(i int32) {
	key := n.rows.key(i)
	hash := n.hashFolded(key)
	if slot, found := n.find(hash, func(row int32) bool { return n.same(row, key) }); !found {
		n.set(slot, hash, i)
	}
}

// has reports whether a name is there, and whether as one that is in. An entry with
// "!" beats the same entry without.
func (n *names) has(name string) (in, found bool) {
	if n.tags == nil {
		return false, false
	}
	var space [260]byte
	not := append(append(space[:0], '!'), name...)
	if _, found := n.find(n.hashFolded(string(not)), func(row int32) bool { return n.same(row, string(not)) }); found {
		return false, true
	}
	_, found = n.find(n.hashFolded(name), func(row int32) bool { return n.same(row, name) })
	return true, found
}

// network is an address or network entry: its bits, and how many of them count.
type network struct {
	high, low uint64
	bits      uint8
	is4, in   bool
}

func networkOf(p netip.Prefix, in bool) network {
	b := p.Addr().As16()
	return network{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), uint8(p.Bits()), p.Addr().Is4(), in}
}

// networks are found by all that they have but in.
type networks struct {
	list         []network
	index        index
	bits4, bits6 []int // lengths that occur, the longest first
}

func newNetworks(list []network) networks {
	x := networks{list: list, index: newIndex(len(list))}
	var seen [2][129]bool
	for i, n := range list {
		hash := x.hash(n)
		slot, found := x.index.find(hash, func(row int32) bool { return x.same(row, n) })
		if !found {
			x.index.set(slot, hash, int32(i))
		} else if !n.in {
			x.list[x.index.rows[slot]].in = false
		}
		family := 0
		if n.is4 {
			family = 1
		}
		seen[family][n.bits] = true
	}
	for bits := 128; bits >= 0; bits-- {
		if seen[1][bits] {
			x.bits4 = append(x.bits4, bits)
		}
		if seen[0][bits] {
			x.bits6 = append(x.bits6, bits)
		}
	}
	return x
}

func (x *networks) hash(n network) uint64 {
	n.in = false
	return maphash.Comparable(x.index.seed, n)
}

func (x *networks) same(row int32, n network) bool {
	have := x.list[row]
	have.in = n.in
	return have == n
}

// has reports whether a network is there, and whether as one that is in.
func (x *networks) has(p netip.Prefix) (in, found bool) {
	if len(x.list) == 0 {
		return false, false
	}
	n := networkOf(p, false)
	slot, found := x.index.find(x.hash(n), func(row int32) bool { return x.same(row, n) })
	if !found {
		return false, false
	}
	return x.list[x.index.rows[slot]].in, true
}

// errHostBits is a network whose address has bits set beyond its length.
var errHostBits = errors.New("address has bits beyond the length of the prefix")

// parseHostEntry reads an address or network entry: 192.0.2.1, 192.0.2.0/24,
// 2001:db8::/32, with or without brackets around the address. An IPv4-mapped one
// counts as IPv4. A single address has the full length.
//
// Compat(opendkim 2.11): a network with host bits set (192.0.2.1/24) and a mask
// with dots match nothing there, so they are errors here.
func parseHostEntry(s string) (netip.Prefix, error) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		inner, tail, closed := strings.Cut(rest, "]")
		if !closed || strings.Contains(inner, "/") || tail != "" && tail[0] != '/' {
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
	hostname = Fold(strings.TrimSuffix(hostname, "."))
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
		if in, ok := x.names.has(hostname); ok {
			return in
		}
		if in, ok := x.pattern(hostname); ok {
			return in
		}
		for d := parent(hostname); d != ""; d = parent(d[1:]) {
			if in, ok := x.names.has(d); ok {
				return in
			}
		}
	}
	if !addr.IsValid() {
		return false
	}
	lengths := x.networks.bits6
	if addr.Is4() {
		lengths = x.networks.bits4
	}
	full := addr.BitLen()
	if in, ok := x.networks.has(netip.PrefixFrom(addr, full)); ok {
		return in
	}
	if x.in.Len()+x.out.Len() > 0 {
		if in, ok := x.pattern(addr.String()); ok {
			return in
		}
	}
	for _, bits := range lengths {
		if p, err := addr.Prefix(bits); err == nil {
			if in, ok := x.networks.has(p); ok {
				return in
			}
		}
	}
	return false
}

func (x *hostIndex) pattern(text string) (in, found bool) {
	for _, p := range [...]*patterns{x.out, x.in} {
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
	i, _, err := LookupFirst(ctx, h.set, keys, 0)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && keys[i][0] != '!', err
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
