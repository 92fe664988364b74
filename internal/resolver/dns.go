package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/flight"
	"dojang/internal/problem"
)

// DNS looks names up through recursive name servers. It is safe for concurrent use;
// nothing of it needs to be closed.
type DNS struct {
	options Options
	servers func() *serverSet
	sockets chan struct{}
	cache   *cache[*result] // nil: none
	flight  flight.Group[cacheKey, *result]
	dnssec  *validator // nil: AD bits decide
}

// result is the outcome of one look-up, as the cache keeps it; immutable.
type result struct {
	records  []dns.RR
	texts    []string
	security Security
	cnames   int
	ttl      time.Duration
	err      *Error
}

// New checks the options and makes a resolver. It asks no server yet. Errors are about
// the options: a name server's address, the trust anchors' file.
func New(o Options) (*DNS, error) {
	servers, err := parseServers(o.Nameservers)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	d := &DNS{options: o, sockets: make(chan struct{}, o.MaxSockets)}
	if o.CacheSize > 0 {
		d.cache = newCache[*result](o.CacheSize)
	}
	if len(servers) > 0 {
		set := newServerSet(resolvConf{servers: servers}, o)
		d.servers = func() *serverSet { return set }
	} else {
		file := &confFile{path: o.ResolvConf, now: o.Now, build: func(c resolvConf) *serverSet { return newServerSet(c, o) }}
		d.servers = file.current
	}
	if o.TrustAnchorFile != "" {
		anchors, err := readTrustAnchors(o.TrustAnchorFile)
		if err != nil {
			return nil, err
		}
		d.dnssec = newValidator(d, anchors)
	}
	return d, nil
}

var _ Resolver = (*DNS)(nil)

func (d *DNS) now() time.Time { return d.options.Now() }

// Validating reports whether answers are validated in this process.
func (d *DNS) Validating() bool { return d.dnssec != nil }

// Servers names the name servers that would be asked now.
func (d *DNS) Servers() []string {
	var names []string
	for _, s := range d.servers().servers {
		names = append(names, s.name)
	}
	return names
}

// LookupTXT implements Resolver.
func (d *DNS) LookupTXT(ctx context.Context, name string) (Answer, error) {
	r, left, fromCache := d.lookup(ctx, name, dns.TypeTXT)
	return r.answer(left, fromCache)
}

// Cached implements Resolver.
func (d *DNS) Cached(asked string) (a Answer, ok bool, err error) {
	name, err := plain(asked)
	if err != nil {
		return Answer{}, true, &Error{Name: asked, Kind: KindBadName, Err: err}
	}
	if d.cache == nil {
		return Answer{}, false, nil
	}
	r, left, ok := d.cache.get(cacheKey{name, dns.TypeTXT}, d.now())
	if !ok {
		return Answer{}, false, nil
	}
	a, err = r.answer(left, true)
	return a, true, err
}

// answer is the result as LookupTXT returns it.
func (r *result) answer(left time.Duration, fromCache bool) (Answer, error) {
	a := Answer{Texts: r.texts, Security: r.security, TTL: left, CNAMEs: r.cnames, FromCache: fromCache}
	if r.err != nil {
		return a, r.err
	}
	return a, nil
}

// lookup finds records through cache and flight. left is the life the result has left.
func (d *DNS) lookup(ctx context.Context, asked string, qtype uint16) (r *result, left time.Duration, fromCache bool) {
	name, err := plain(asked)
	if err != nil {
		return &result{err: &Error{Name: asked, Kind: KindBadName, Err: err}}, 0, false
	}
	key := cacheKey{name, qtype}
	if d.cache != nil {
		if r, left, ok := d.cache.get(key, d.now()); ok {
			return r, left, true
		}
	}
	return d.lookupCold(ctx, key)
}

func (d *DNS) lookupCold(ctx context.Context, key cacheKey) (r *result, left time.Duration, fromCache bool) {
	if ctx.Err() != nil {
		return &result{err: &Error{Name: key.name, Kind: contextKind(ctx), Err: contextDetail(context.Cause(ctx))}}, 0, false
	}
	patience, _ := ctx.Deadline()
	r, err := d.flight.Do(ctx, key, d.workLimit(), func(ctx context.Context) *result {
		r := d.resolve(withPatience(ctx, patience), key.name+".", key.qtype)
		if d.cache != nil && !(r.err != nil && r.err.Kind == KindCanceled) {
			d.cache.put(key, r, r.cost(), r.ttl, d.now())
		}
		return r
	}, func(err error) *result {
		return &result{err: &Error{Name: key.name, Kind: KindMalformed, Err: err}}
	})
	if err != nil {
		return &result{err: &Error{Name: key.name, Kind: contextKind(ctx), Err: contextDetail(err)}}, 0, false
	}
	return r, r.ttl, false
}

// cost is about the octets a result keeps in memory.
func (r *result) cost() int {
	const fixed = 200
	cost := fixed
	for _, text := range r.texts {
		cost += len(text)
	}
	for _, rr := range r.records {
		cost += fixed + dns.Len(rr)
	}
	return cost
}

// contextDetail leaves out what KindTimeout and KindCanceled say already.
func contextDetail(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// workLimit bounds shared work: its callers' deadlines end their waiting, not it.
func (d *DNS) workLimit() time.Duration {
	const most = 60 * time.Second
	set := d.servers()
	tries := len(set.servers) * set.attempts
	return min(most, max(set.timeout*time.Duration(tries), time.Second))
}

// resolve asks servers and follows aliases. What one server's answers make bogus, it
// may have right when it checks them itself, and so may the next: not all pass
// signatures on.
func (d *DNS) resolve(ctx context.Context, name string, qtype uint16) *result {
	if d.dnssec == nil {
		r, _ := d.follow(ctx, name, qtype)
		return r
	}
	ctx = withBudget(ctx)
	for try := 1; ; try++ {
		r, s := d.follow(ctx, name, qtype)
		if s == nil || r.err == nil || !r.err.Temporary() || r.err.Timeout() || ctx.Err() != nil {
			return r
		}
		if r.err.Kind == KindBogus {
			if checked, _ := d.follow(withChecking(ctx), name, qtype); checked.err == nil || !checked.err.Temporary() {
				return checked
			}
		}
		if try >= len(d.servers().servers) {
			return r
		}
		s.setDown(d.now())
	}
}

// follow is one way along aliases to the end; s is the server that had the last word.
func (d *DNS) follow(ctx context.Context, name string, qtype uint16) (r *result, s *server) {
	c := chain{d: d, name: name, asked: name, qtype: qtype, security: Secure, ttl: 1<<31 - 1,
		left: noLimit, seen: map[string]bool{name: true}}
	for {
		m, s, fail := d.exchange(ctx, query{name: c.name, qtype: qtype, dnssec: d.dnssec != nil, checked: isChecking(ctx)})
		if fail != nil {
			return c.failed(fail), s
		}
		if r := c.follow(ctx, m, s); r != nil {
			return r, s
		}
	}
}

// chain is a look-up on its way along aliases.
type chain struct {
	d        *DNS
	asked    string // where it began
	name     string // where it is
	qtype    uint16
	cnames   int
	security Security
	ttl      uint32
	left     time.Duration // until a signature that vouches for it ends
	seen     map[string]bool
}

// follow goes as far as one message leads. It gives nil when another query is needed.
func (c *chain) follow(ctx context.Context, m *dns.Msg, s *server) *result {
	start := c.name
	for {
		h, err := hopAt(m, c.name, c.qtype)
		if err != nil {
			return c.failed(&Error{Kind: KindLoop, Server: s.name, Err: err})
		}
		if h.records != nil {
			if bad := c.judge(ctx, m, s, h); bad != nil {
				bad.texts = texts(h.records)
				return bad
			}
			c.ttl = min(c.ttl, minTTL(h.records))
			return c.found(h.records)
		}
		if h.alias == nil {
			break
		}
		if bad := c.judge(ctx, m, s, h); bad != nil {
			return bad
		}
		c.ttl = min(c.ttl, minTTL([]dns.RR{h.alias}))
		c.name = h.target
		c.cnames++
		if c.seen[c.name] {
			return c.failed(&Error{Kind: KindLoop, Server: s.name, Err: errLoop})
		}
		c.seen[c.name] = true
		if c.cnames > c.d.options.MaxCNAMEs {
			return c.failed(&Error{Kind: KindLoop, Server: s.name, Err: errChain})
		}
	}
	soa := soaFor(m, c.name)
	if c.name != start && soa == nil && m.Rcode == dns.RcodeSuccess {
		return nil // the message ends with an alias whose target it does not hold
	}
	return c.absent(ctx, m, s, soa)
}

// judge lowers the chain's security to that of a hop; a bogus one ends the chain.
func (c *chain) judge(ctx context.Context, m *dns.Msg, s *server, h hop) *result {
	if c.d.dnssec == nil {
		c.weaken(adSecurity(m, s))
		return nil
	}
	security, life, err := c.d.dnssec.positive(ctx, m, c.name, c.qtype, h)
	c.bound(life)
	return c.verdict(security, err, s)
}

func (c *chain) verdict(security Security, err error, s *server) *result {
	if security != Bogus {
		c.weaken(security)
		return nil
	}
	return c.failed(asBogus(err, s))
}

// asBogus keeps the kind of an error that is no verdict: a server that did not give
// a DS record in time proves nothing.
func asBogus(err error, s *server) *Error {
	var e *Error
	if errors.As(err, &e) {
		copied := *e
		if e.Kind != KindBogus {
			copied.Err = fmt.Errorf("validating needs %s: %w", problem.Quote(e.Name), e)
		}
		return &copied
	}
	return &Error{Kind: KindBogus, Server: s.name, Err: err}
}

// adSecurity believes the AD bit of a trusted server.
func adSecurity(m *dns.Msg, s *server) Security {
	switch {
	case !s.trusted:
		return SecurityUnknown
	case m.AuthenticatedData:
		return Secure
	}
	return Insecure
}

// bound shortens the chain's life to that of a proof.
func (c *chain) bound(l life) {
	c.ttl = uint32(min(time.Duration(c.ttl), l.ttl/time.Second))
	c.left = min(c.left, l.left)
}

// weaken keeps the weakest security met: nobody's word, then insecure, then secure.
func (c *chain) weaken(s Security) {
	if s < c.security {
		c.security = s
	}
}

func (c *chain) found(records []dns.RR) *result {
	o := c.d.options
	r := &result{records: records, security: c.security, cnames: c.cnames}
	r.ttl = min(max(time.Duration(c.ttl)*time.Second, o.MinTTL), o.MaxTTL, c.left)
	if c.qtype == dns.TypeTXT {
		r.texts = texts(records)
		r.records = nil // the cache keeps what is asked for again
	}
	return r
}

// absent is the end at a name that has no such records: RFC 2308.
func (c *chain) absent(ctx context.Context, m *dns.Msg, s *server, soa *dns.SOA) *result {
	if c.d.dnssec == nil {
		c.weaken(adSecurity(m, s))
	} else {
		security, life, err := c.d.dnssec.negative(ctx, m, c.name, c.qtype)
		c.bound(life)
		if bad := c.verdict(security, err, s); bad != nil {
			return bad
		}
	}
	kind := KindNoData
	if m.Rcode == dns.RcodeNameError {
		kind = KindNotFound
	}
	o := c.d.options
	r := c.failed(&Error{Kind: kind, Server: s.name})
	r.security, r.err.Security = c.security, c.security
	r.ttl = o.MinTTL // RFC 2308 §5: without an SOA there is no time to go by
	if soa != nil {
		seconds := min(soa.Minttl, minTTL([]dns.RR{soa}), c.ttl)
		r.ttl = max(time.Duration(seconds)*time.Second, o.MinTTL)
	}
	r.ttl = min(r.ttl, o.NegativeTTL, c.left)
	return r
}

func (c *chain) failed(e *Error) *result {
	named := *e
	named.Name = displayName(c.asked)
	o := c.d.options
	r := &result{err: &named, cnames: c.cnames, ttl: o.FailureTTL}
	if named.Kind == KindBogus {
		r.security = Bogus
	}
	if !named.Temporary() {
		r.ttl = min(o.NegativeTTL, max(o.MinTTL, o.FailureTTL))
	}
	return r
}
