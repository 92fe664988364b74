package resolver

import (
	"cmp"
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// downTime is how long a server that did not answer is asked last.
	downTime = 10 * time.Second
	// noEDNSTime is how long a server that refused EDNS is asked without.
	noEDNSTime = 15 * time.Minute
	// signsTime is how long a server that passed a zone's signed keys on is known to
	// do so: without them it is forging, or someone on the way is.
	signsTime = 24 * time.Hour
	// minTryTime is the least time given to a try when the context is short of it.
	minTryTime = 100 * time.Millisecond
)

// server is a name server and what we learned of it.
type server struct {
	addr       netip.AddrPort
	name       string       // of the address, for people
	trusted    bool         // its AD bit counts
	downUntil  atomic.Int64 // UNIX nanoseconds
	plainUntil atomic.Int64 // no EDNS until then
	// signsUntil is how long the server is held to passing signatures on.
	signsUntil atomic.Int64
}

func (s *server) noEDNS(now time.Time) bool { return now.UnixNano() < s.plainUntil.Load() }
func (s *server) setNoEDNS(now time.Time)   { s.plainUntil.Store(now.Add(noEDNSTime).UnixNano()) }
func (s *server) setDown(now time.Time)     { s.downUntil.Store(now.Add(downTime).UnixNano()) }
func (s *server) setSigns(now time.Time)    { s.signsUntil.Store(now.Add(signsTime).UnixNano()) }
func (s *server) signs(now time.Time) bool  { return now.UnixNano() < s.signsUntil.Load() }
func (s *server) down(now time.Time) bool   { return now.UnixNano() < s.downUntil.Load() }

// serverSet is the servers of one configuration; immutable but for what each server
// remembers.
type serverSet struct {
	servers  []*server
	timeout  time.Duration
	attempts int
	useTCP   bool
	rotate   bool
	next     atomic.Uint32
}

func newServer(addr netip.AddrPort, trustAD bool) *server {
	return &server{addr: addr, trusted: trustAD || addr.Addr().IsLoopback(), name: serverName(addr)}
}

// newServerSet joins what a configuration file says with what the options insist on.
func newServerSet(c resolvConf, o Options) *serverSet {
	set := &serverSet{
		timeout:  cmp.Or(o.Timeout, c.timeout, defaultTimeout),
		attempts: cmp.Or(o.Attempts, c.attempts, defaultAttempts),
		useTCP:   o.UseTCP || c.useTCP,
		rotate:   c.rotate,
	}
	for _, addr := range c.servers {
		s := newServer(addr, o.TrustAD || c.trustAD)
		if c.noEDNS {
			s.plainUntil.Store(1<<63 - 1)
		}
		set.servers = append(set.servers, s)
	}
	return set
}

// order gives the servers to try, those that failed lately last.
func (s *serverSet) order(now time.Time) []*server {
	first := 0
	if s.rotate {
		first = int(s.next.Add(1)) % len(s.servers)
	}
	ordered := make([]*server, 0, len(s.servers))
	for _, wantDown := range []bool{false, true} {
		for i := range s.servers {
			candidate := s.servers[(first+i)%len(s.servers)]
			if candidate.down(now) == wantDown {
				ordered = append(ordered, candidate)
			}
		}
	}
	return ordered
}

// exchange asks the servers in turn until one gives an answer that settles the
// question: NOERROR or NXDOMAIN. A server that answered anything else is not asked
// again; one that did not answer is, as often as Options.Attempts says.
func (d *DNS) exchange(ctx context.Context, q query) (*dns.Msg, *server, *Error) {
	set := d.servers()
	waiting := set.order(d.now())
	last := &Error{Name: q.name, Kind: KindTimeout}
	for round := range set.attempts {
		var silent []*server
		for i, s := range waiting {
			if ctx.Err() != nil {
				break
			}
			triesLeft := len(waiting) - i + (set.attempts-1-round)*len(waiting)
			tryCtx, cancel := context.WithTimeout(ctx, tryTime(ctx, set.timeout, triesLeft))
			m, fail := d.ask(tryCtx, s, q, set.useTCP)
			cancel()
			if fail == nil {
				fail = failureOf(m, s.trusted)
			}
			if fail == nil && q.refuse != nil {
				if err := q.refuse(m, s); err != nil {
					fail = &failure{KindServFail, err}
				}
			}
			if fail == nil {
				s.downUntil.Store(0)
				return m, s, nil
			}
			last = &Error{Name: q.name, Kind: fail.kind, Server: s.name, Err: fail.err}
			switch fail.kind {
			case KindTooLarge, KindBadName, KindCanceled:
				return nil, s, last
			case KindTimeout, KindNetwork, KindMalformed:
				silent = append(silent, s)
				if ctx.Err() == nil || fail.kind != KindTimeout {
					s.setDown(d.now())
				}
			}
		}
		if waiting = silent; len(waiting) == 0 {
			break
		}
	}
	if ctx.Err() != nil {
		last.Kind, last.Err = contextKind(ctx), nil
	}
	return nil, nil, last
}

// patienceKey carries the deadline of the caller who began shared work. It does not
// end the work, others may wait longer; but every server should have had its turn
// before it. One that is over, as the zero time is, counts for none.
type patienceKey struct{}

func withPatience(ctx context.Context, deadline time.Time) context.Context {
	return context.WithValue(ctx, patienceKey{}, deadline)
}

// tryTime shares the time that is left among the tries that are left.
func tryTime(ctx context.Context, timeout time.Duration, triesLeft int) time.Duration {
	share := timeout
	if deadline, ok := ctx.Deadline(); ok {
		share = min(share, time.Until(deadline)/time.Duration(triesLeft))
	}
	if patience, ok := ctx.Value(patienceKey{}).(time.Time); ok {
		if left := time.Until(patience); left > 0 {
			share = min(share, left/time.Duration(triesLeft))
		}
	}
	return max(share, minTryTime)
}
