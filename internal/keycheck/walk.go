package keycheck

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
)

const (
	maxHosts     = 16 // name servers of a zone that are asked
	maxAddresses = 8  // of one name server
	maxCuts      = 12 // zones gone down through to one name
	walkServers  = 3  // of a zone on the way, whose word is enough
	walkTime     = 1500 * time.Millisecond
)

// host is a name server of a zone.
type host struct {
	name string
	glue []netip.Addr // as the parent zone gives them
}

// place is a zone and the servers that its parent, or a cache, says it is on.
// It is not changed once others may see it.
type place struct {
	zone     string
	hosts    []host
	parent   *place   // nil when the zone was found by a cache
	parentNS []string // of referrals: empty when the parent's servers serve this zone too
}

// topZones remembers the servers of the root and of public suffixes, so that many
// checks do not ask the root's servers each time.
type topZones struct {
	mu    sync.Mutex
	zones map[string]topZone
}

type topZone struct {
	place *place // nil: its servers do not answer
	until time.Time
}

const (
	topTime = 5 * time.Minute
	maxTops = 1000
)

func newTopZones() *topZones { return &topZones{zones: make(map[string]topZone)} }

func (t *topZones) get(zone string, now time.Time) (topZone, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	z, ok := t.zones[zone]
	return z, ok && now.Before(z.until)
}

func (t *topZones) put(zone string, p *place, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.zones) >= maxTops {
		clear(t.zones)
	}
	t.zones[zone] = topZone{p, now.Add(topTime)}
}

// locate finds the zone that a name lies in, from the root down by the word of
// authoritative servers. Where the root's cannot be asked, or know nothing of it as in
// networks with names of their own, the resolver is asked who serves the domain: for
// no name longer than the one that somebody registered. nil: nobody knows.
func (r *run) locate(ctx context.Context, name string) *place {
	owner := registered(ownerOf(name))
	for n := labels(owner) - 1; n > 0; n-- {
		if known, ok := r.tops.get(lastLabels(owner, n), r.options.Now()); ok && known.place != nil {
			if p, answered := r.descend(ctx, known.place, name); answered && labels(p.zone) >= labels(owner) {
				return p
			}
			break
		}
	}
	var last *place
	for n := 0; n <= labels(owner); n++ {
		top, silent := r.top(ctx, lastLabels(owner, n))
		if top == nil && !silent {
			continue
		}
		answered := false
		if top != nil {
			var p *place
			if p, answered = r.descend(ctx, top, name); answered && labels(p.zone) >= labels(owner) {
				return p
			} else if answered || p != top || n == labels(owner) {
				last = p
			} else {
				r.tops.put(top.zone, nil, r.options.Now())
			}
		}
		if !answered && n < labels(owner) {
			n = labels(owner) - 1 // who is let to no server of the root's is let to none of com's
		}
	}
	return last
}

// ownerOf is what follows the labels of a name that begin with an underscore: no zone
// of a domain's owner begins above.
func ownerOf(name string) string {
	owner := name
	for n := labels(name); n > 0; n-- {
		if l := lastLabels(name, n); l[0] == '_' {
			owner = lastLabels(name, n-1)
		}
	}
	return owner
}

// top is a zone as the resolver knows it, nil when it knows none or, which silent says,
// its servers have not answered lately.
func (r *run) top(ctx context.Context, zone string) (p *place, silent bool) {
	if known, ok := r.tops.get(zone, r.options.Now()); ok {
		return known.place, known.place == nil
	}
	if !r.budget.take() {
		return nil, false
	}
	names, err := r.dns.LookupNS(ctx, zone)
	if err != nil || len(names) == 0 {
		return nil, false
	}
	p = &place{zone: zone}
	for _, n := range names[:min(len(names), maxHosts)] {
		p.hosts = append(p.hosts, host{name: fromWire(n)})
	}
	return p, false
}

// descend goes down from a zone to that of name. It reports whether the last one's
// servers answered; if not, it is the zone that was delegated to them.
func (r *run) descend(ctx context.Context, at *place, name string) (p *place, answered bool) {
	for range maxCuts {
		answers := r.askSome(ctx, at, resolver.Question{Name: name, Type: dns.TypeSOA})
		if len(answers) == 0 {
			return at, false
		}
		next := r.nextCut(ctx, at, name, answers)
		if next == nil {
			return at, true
		}
		if labels(next.zone) < labels(registered(ownerOf(name))) {
			r.tops.put(next.zone, next, r.options.Now())
		}
		at = next
	}
	return at, true
}

// direct is what one server said while we were on our way.
type direct struct {
	addr netip.Addr
	msg  *dns.Msg
	cut  string // the zone that it speaks of, "" when nothing can be learned
}

// askSome puts one question to some servers of a zone side by side, and returns the
// answers that lead on: those of authority, and referrals to a zone below.
func (r *run) askSome(ctx context.Context, p *place, q resolver.Question) []direct {
	ctx, cancel := context.WithTimeout(ctx, walkTime)
	defer cancel()
	slots := make([]direct, min(len(p.hosts), maxHosts))
	for from := 0; from < len(slots); from += walkServers {
		var wait sync.WaitGroup
		to := min(from+walkServers, len(slots))
		for i := from; i < to; i++ {
			wait.Go(func() { slots[i] = r.askHost(ctx, p, p.hosts[i], q) })
		}
		wait.Wait()
		found := slices.DeleteFunc(slices.Clone(slots[from:to]), func(d direct) bool { return d.cut == "" })
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

func (r *run) askHost(ctx context.Context, p *place, h host, q resolver.Question) direct {
	addrs := h.glue
	if len(addrs) == 0 {
		addrs, _ = r.addressesOf(ctx, h)
	}
	for _, addr := range addrs[:min(len(addrs), 2)] {
		m, _, err := r.ask(ctx, addr, q)
		if err != nil {
			continue
		}
		if cut := cutIn(m, p.zone, q.Name); cut != "" {
			return direct{addr, m, cut}
		}
	}
	return direct{}
}

// cutIn is the zone that an answer about name speaks of, to someone who knows zone:
// one below it that the server refers to, or is itself in charge of; else zone. It is
// "" for an answer that nothing can be learned from.
func cutIn(m *dns.Msg, zone, name string) string {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return ""
	}
	if m.Authoritative {
		for _, rr := range slices.Concat(m.Answer, m.Ns) {
			if rr.Header().Rrtype == dns.TypeCNAME {
				break // what follows is about another name
			}
			if soa, ok := rr.(*dns.SOA); ok {
				if owner := fromWire(soa.Hdr.Name); isBelow(name, owner) && isBelow(owner, zone) {
					return owner
				}
			}
		}
		return zone
	}
	for _, rr := range m.Ns {
		if ns, ok := rr.(*dns.NS); ok {
			if owner := fromWire(ns.Hdr.Name); owner != zone && isBelow(name, owner) && isBelow(owner, zone) {
				return owner
			}
		}
	}
	return ""
}

// nextCut is the zone one cut below, by answers of at's servers; nil when there is none.
func (r *run) nextCut(ctx context.Context, at *place, name string, answers []direct) *place {
	cut := ""
	for _, a := range answers {
		c := a.cut
		if c == at.zone && hasAlias(a.msg) {
			c = r.cutAbove(ctx, at, a, name)
		}
		if c != at.zone && (cut == "" || labels(c) < labels(cut)) {
			cut = c
		}
	}
	if cut == "" {
		return nil
	}
	next := &place{zone: cut, parent: at}
	for _, a := range answers {
		if !a.msg.Authoritative && a.cut == cut {
			next.refer(a.msg)
			continue
		}
		// It serves the child as well, or knows a zone still further down.
		if m, _, err := r.ask(ctx, a.addr, resolver.Question{Name: cut, Type: dns.TypeNS}); err == nil {
			if m.Authoritative {
				next.addHosts(m.Answer, m.Extra)
			} else if cutIn(m, at.zone, cut) == cut {
				next.refer(m)
			}
		}
	}
	if len(next.hosts) == 0 {
		return nil
	}
	return next
}

// cutAbove asks, since an alias stands at name and hides the SOA record of its zone,
// for those of the names above.
func (r *run) cutAbove(ctx context.Context, at *place, a direct, name string) string {
	for n := labels(name) - 1; n > labels(at.zone); n-- {
		above := lastLabels(name, n)
		m, _, err := r.ask(ctx, a.addr, resolver.Question{Name: above, Type: dns.TypeSOA})
		if err != nil {
			break
		}
		if cut := cutIn(m, at.zone, above); cut != "" && !hasAlias(m) {
			return cut
		}
	}
	return at.zone
}

func hasAlias(m *dns.Msg) bool {
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeCNAME })
}

// refer takes the parent's word for the servers of the zone.
func (p *place) refer(m *dns.Msg) {
	for _, name := range p.addHosts(m.Ns, m.Extra) {
		if !slices.Contains(p.parentNS, name) {
			p.parentNS = append(p.parentNS, name)
		}
	}
}

// addHosts adds the servers that NS records of the zone name, and returns their names.
func (p *place) addHosts(records, extra []dns.RR) []string {
	var names []string
	for _, rr := range records {
		ns, ok := rr.(*dns.NS)
		if !ok || fromWire(ns.Hdr.Name) != p.zone || len(names) == maxHosts {
			continue
		}
		name := fromWire(ns.Ns)
		names = append(names, name)
		i := slices.IndexFunc(p.hosts, func(h host) bool { return h.name == name })
		if i < 0 {
			if len(p.hosts) == maxHosts {
				continue
			}
			i = len(p.hosts)
			p.hosts = append(p.hosts, host{name: name})
		}
		for _, addr := range glueFor(name, extra) {
			if h := &p.hosts[i]; !slices.Contains(h.glue, addr) && len(h.glue) < maxAddresses {
				h.glue = append(h.glue, addr)
			}
		}
	}
	return names
}

func glueFor(name string, extra []dns.RR) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range extra {
		if fromWire(rr.Header().Name) != name {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			if addr, ok := netip.AddrFromSlice(rr.A.To4()); ok {
				addrs = append(addrs, addr)
			}
		case *dns.AAAA:
			if addr, ok := netip.AddrFromSlice(rr.AAAA); ok {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// addressesOf is every address of a server: by its own zone, and by the glue.
func (r *run) addressesOf(ctx context.Context, h host) ([]netip.Addr, error) {
	addrs := slices.Clone(h.glue)
	var firstErr error
	for _, lookup := range []func(context.Context, string) ([]netip.Addr, error){r.dns.LookupA, r.dns.LookupAAAA} {
		if !r.budget.take() {
			return addrs, errLimit
		}
		found, err := lookup(ctx, h.name)
		if firstErr == nil {
			firstErr = err
		}
		for _, addr := range found {
			if !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs[:min(len(addrs), maxAddresses)], firstErr
}
