package keycheck

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/keyrecord"
	"dojang/internal/resolver"
)

const (
	maxAliases   = 8
	maxAtOnce    = 16   // questions of one check on their way
	maxTexts     = 8    // TXT records kept of one answer
	maxTextBytes = 4096 // kept of one record
)

var errLimit = errors.New("the check has asked as much as it may")

// ask puts a question to one server of a zone.
func (r *run) ask(ctx context.Context, addr netip.Addr, q resolver.Question) (*dns.Msg, time.Duration, error) {
	if !r.budget.take() {
		return nil, 0, errLimit
	}
	port := r.options.Resolver.AuthoritativePort
	if port == 0 {
		port = 53
	}
	start := r.options.Now()
	m, err := r.direct.AskServer(ctx, netip.AddrPortFrom(addr, port), q)
	return m, r.options.Now().Sub(start), err
}

// step is one name on the way: the record's, or an alias's.
type step struct {
	name    string
	place   *place
	zone    Zone
	answers []*answer
	alias   string // what most of the servers have there
	keys    []*dns.DNSKEY
}

// answer is what the server at one address says at the name.
type answer struct {
	Server
	addr    netip.Addr
	msg     *dns.Msg
	texts   []Text // uncut
	records []dns.RR
}

// follow asks the servers of the record's zone, and those of each zone that aliases
// lead to.
func (r *run) follow(ctx context.Context) {
	name := r.name
	seen := map[string]bool{}
	for range maxAliases + 1 {
		if seen[name] {
			break
		}
		seen[name] = true
		p := r.locate(ctx, name)
		if p == nil {
			r.steps = append(r.steps, &step{name: name})
			return
		}
		s := &step{name: name, place: p, zone: Zone{Name: p.zone, ParentNS: slices.Sorted(slices.Values(p.parentNS))}}
		r.steps = append(r.steps, s)
		r.askAll(ctx, s)
		r.validate(ctx, s)
		if s.alias = s.commonAlias(); s.alias == "" {
			return
		}
		name = s.alias
	}
	r.report.Lookup = Looped
}

// last is the step at the record itself.
func (r *run) last() *step { return r.steps[len(r.steps)-1] }

// askAll asks every server of the step's zone at every address, those that the zone
// itself names too.
func (r *run) askAll(ctx context.Context, s *step) {
	hosts := slices.Clone(s.place.hosts)
	slots := make(chan struct{}, maxAtOnce)
	var mu sync.Mutex
	for asked := 0; asked < len(hosts); {
		var child []string
		var wait sync.WaitGroup
		for _, h := range hosts[asked:] {
			wait.Go(func() {
				answers, ns := r.askEach(ctx, s, h, slots)
				mu.Lock()
				defer mu.Unlock()
				s.answers = append(s.answers, answers...)
				child = append(child, ns...)
			})
		}
		wait.Wait()
		asked = len(hosts)
		for _, name := range child {
			if !slices.Contains(s.zone.ChildNS, name) {
				s.zone.ChildNS = append(s.zone.ChildNS, name)
			}
			if len(hosts) < maxHosts && !slices.ContainsFunc(hosts, func(h host) bool { return h.name == name }) {
				hosts = append(hosts, host{name: name})
			}
		}
	}
	slices.Sort(s.zone.ChildNS)
	slices.SortFunc(s.answers, func(a, b *answer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.addr.Compare(b.addr))
	})
	for _, a := range s.answers {
		switch {
		case a.SOAMinimumSeconds != nil:
			s.zone.MinimumSeconds = max(s.zone.MinimumSeconds, *a.SOAMinimumSeconds)
		case a.State != NoAnswer && !a.Ignored:
			s.zone.MinimumUntold = true
		}
		if a.Error == ErrNoRoute {
			a.Ignored = a.Ignored || slices.ContainsFunc(s.answers, func(o *answer) bool {
				return o.Name == a.Name && o.Error != ErrNoRoute
			})
		}
	}
}

// askEach asks one server at each of its addresses; ns are the servers it names.
func (r *run) askEach(ctx context.Context, s *step, h host, slots chan struct{}) (answers []*answer, ns []string) {
	addrs, err := r.addressesOf(ctx, h)
	if len(addrs) == 0 {
		a := &answer{Server: Server{Name: h.name, State: NoAnswer, Error: ErrNoAddress, Ignored: r.ignored(h.name, netip.Addr{})}}
		switch {
		case errors.Is(err, errLimit):
			a.Error = ErrLimit
		case err != nil:
			a.Detail = err.Error()
		}
		return []*answer{a}, nil
	}
	answers = make([]*answer, len(addrs))
	named := make([][]string, len(addrs))
	var wait sync.WaitGroup
	for i, addr := range addrs {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i] = &answer{addr: addr, Server: Server{Name: h.name, Address: addr.String(), Ignored: r.ignored(h.name, addr)}}
			named[i] = r.askAddress(ctx, s, answers[i])
		})
	}
	wait.Wait()
	return answers, slices.Concat(named...)
}

func (r *run) ignored(name string, addr netip.Addr) bool {
	return slices.ContainsFunc(r.check.IgnoreServers, func(i string) bool {
		return keyrecord.Canonical(i) == name || addr.IsValid() && i == addr.String()
	})
}

// askAddress asks for the record, and of a server that answers for the zone's SOA and
// NS records.
func (r *run) askAddress(ctx context.Context, s *step, a *answer) (ns []string) {
	m, took, err := r.ask(ctx, a.addr, resolver.Question{Name: s.name, Type: dns.TypeTXT, DNSSEC: true})
	a.TookSeconds = took.Seconds()
	a.read(m, err, s.name)
	if a.Error != "" {
		r.hide(a)
		return nil
	}
	m, _, err = r.ask(ctx, a.addr, resolver.Question{Name: s.place.zone, Type: dns.TypeSOA})
	if err != nil { // how long absences are kept is part of the answer
		a.fail(r, err)
		return nil
	}
	if m.Authoritative {
		for _, rr := range m.Answer {
			if soa, ok := rr.(*dns.SOA); ok && fromWire(soa.Hdr.Name) == s.place.zone {
				minimum := int64(soa.Minttl)
				a.SOASerial, a.SOAMinimumSeconds = &soa.Serial, &minimum
			}
		}
	}
	if m, _, err = r.ask(ctx, a.addr, resolver.Question{Name: s.place.zone, Type: dns.TypeNS}); err != nil {
		a.fail(r, err) // it may name servers that nobody else does
		return nil
	}
	if m.Authoritative {
		child := place{zone: s.place.zone}
		ns = child.addHosts(m.Answer, nil)
	}
	return ns
}

// fail makes an answer none.
func (a *answer) fail(r *run, err error) {
	a.State, a.msg = NoAnswer, nil
	a.Error, a.Detail = classOf(err)
	r.hide(a)
}

// hide tells strangers nothing of what lies inside: an address that must not be asked
// looks like one that does not answer.
func (r *run) hide(a *answer) {
	if r.options.Guard == nil {
		return
	}
	if a.Detail = ""; a.Error == ErrForbidden || a.Error == ErrUnreachable {
		a.Error = ErrSilent
	}
}

// read takes what an answer says about name, and no more: what else it holds, behind
// an alias, its server may have from anywhere (RFC 1035 §4.1.1: AA is about the first
// name).
func (a *answer) read(m *dns.Msg, err error, name string) {
	a.State = NoAnswer
	if err != nil {
		a.Error, a.Detail = classOf(err)
		return
	}
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	case dns.RcodeRefused, dns.RcodeNotAuth:
		a.Error, a.Detail = ErrRefused, dns.RcodeToString[m.Rcode]
		return
	default:
		a.Error, a.Detail = ErrFailure, dns.RcodeToString[m.Rcode]
		return
	}
	if !m.Authoritative {
		a.Error = ErrNotAuthoritative
		return
	}
	a.msg = m
	least := int64(1<<31 - 1)
	for _, rr := range m.Answer {
		if rr.Header().Class != dns.ClassINET {
			continue
		}
		if fromWire(rr.Header().Name) != name {
			if d, ok := rr.(*dns.DNAME); ok && isBelow(name, fromWire(d.Hdr.Name)) {
				a.aliasType = "DNAME"
				least = min(least, ttlOf(rr))
			}
			continue
		}
		switch rr := rr.(type) {
		case *dns.TXT:
			a.records = append(a.records, rr)
			a.texts = append(a.texts, textOf(rr))
			least = min(least, ttlOf(rr))
		case *dns.CNAME:
			a.Alias = fromWire(rr.Target)
			a.aliasType = cmp.Or(a.aliasType, "CNAME")
			least = min(least, ttlOf(rr))
		}
	}
	if len(a.texts) > 0 || a.Alias != "" {
		a.TTLSeconds = &least
		a.State = Same
	} else {
		a.State = Missing
	}
	a.Texts = cut(a.texts)
}

// ttlOf is a record's TTL. RFC 2181 §8: with the top bit set it is zero.
func ttlOf(rr dns.RR) int64 {
	if ttl := rr.Header().Ttl; ttl < 1<<31 {
		return int64(ttl)
	}
	return 0
}

func textOf(rr *dns.TXT) Text {
	list := resolver.Strings(rr)
	return Text{Text: strings.Join(list, ""), Strings: list}
}

// cut keeps of a stranger's texts what a report can hold.
func cut(texts []Text) []Text {
	kept := slices.Clone(texts[:min(len(texts), maxTexts)])
	for i := range kept {
		if t := &kept[i]; len(t.Text) > maxTextBytes {
			t.Text, t.Strings, t.Cut = t.Text[:maxTextBytes], t.Strings[:min(len(t.Strings), maxTextBytes/256)], true
		}
	}
	return kept
}

func classOf(err error) (ErrorClass, string) {
	var e *resolver.Error
	switch {
	case errors.Is(err, errLimit):
		return ErrLimit, ""
	case errors.Is(err, errForbidden):
		return ErrForbidden, ""
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EADDRNOTAVAIL):
		return ErrNoRoute, ""
	case !errors.As(err, &e):
		return ErrMalformed, err.Error()
	}
	detail := ""
	if e.Err != nil {
		detail = e.Err.Error()
	}
	switch e.Kind {
	case resolver.KindTimeout, resolver.KindCanceled:
		return ErrSilent, detail
	case resolver.KindNetwork:
		return ErrUnreachable, detail
	}
	return ErrMalformed, detail
}

// counted are the answers that decide.
func (s *step) counted() []*answer {
	return slices.DeleteFunc(slices.Clone(s.answers), func(a *answer) bool { return a.Ignored })
}

// commonAlias is the alias that most servers have, "" when most have something else.
func (s *step) commonAlias() string {
	best := s.most(func(*answer) bool { return true })
	if best == nil {
		return ""
	}
	return best.Alias
}

// most is an answer that most of the servers give, of those that fit; nil without any.
func (s *step) most(fits func(*answer) bool) *answer {
	var best *answer
	bestCount := 0
	list := s.counted()
	for _, a := range list {
		if a.State == NoAnswer || !fits(a) {
			continue
		}
		n := 0
		for _, b := range list {
			if b.State != NoAnswer && sameAnswer(a, b) {
				n++
			}
		}
		if a.State == Missing { // one that has something says more
			n = 0
		}
		if best == nil || n > bestCount {
			best, bestCount = a, n
		}
	}
	return best
}

// sameAnswer reports whether two servers have the same, whatever the order.
func sameAnswer(a, b *answer) bool {
	if a.Alias != b.Alias || len(a.texts) != len(b.texts) {
		return false
	}
	return slices.Equal(sortedTexts(a.texts), sortedTexts(b.texts))
}

func sortedTexts(texts []Text) []string {
	list := make([]string, len(texts))
	for i, t := range texts {
		list[i] = t.Text
	}
	slices.Sort(list)
	return list
}
