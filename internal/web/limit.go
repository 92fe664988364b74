package web

import (
	"net/netip"
	"sync"
	"time"
)

// bucket lets through so many in a time, and so many at once.
type bucket struct {
	left float64
	at   time.Time
}

// rate is how fast a bucket fills: full holds most, and takes span to fill.
type rate struct {
	most float64
	span time.Duration
}

// each is how long one takes to fill.
func (r rate) each() time.Duration { return r.span / time.Duration(r.most) }

// What strangers may ask for.
var (
	perMinute     = rate{10, time.Minute}
	perHour       = rate{60, time.Hour}
	perDomain     = rate{30, time.Minute}
	explainMinute = rate{4, time.Minute}
	loginMinute   = rate{10, time.Minute}
)

// The limits of work at once.
const (
	checksAtOnce   = 8
	explainsAtOnce = 4
	maxBuckets     = 20_000
)

// limits bounds what is done for whom.
type limits struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket

	checks, explains, passwords chan struct{}
	uploads                     *uploads
}

// newLimits makes them for messages of at most so many bytes.
func newLimits(now func() time.Time, maxMessage int64) *limits {
	return &limits{now: now, buckets: map[string]*bucket{}, checks: make(chan struct{}, checksAtOnce),
		explains: make(chan struct{}, explainsAtOnce), passwords: make(chan struct{}, 1),
		uploads: newUploads(explainsRoom * (maxMessage + maxForm))}
}

// take takes one of a bucket; else wait is the time until there is one.
func (l *limits) take(name string, r rate) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.filled(name, r)
	if b.left < 1 {
		return time.Duration((1 - b.left) * float64(r.each())), false
	}
	b.left--
	return 0, true
}

// has reports whether a bucket has one left.
func (l *limits) has(name string, r rate) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.filled(name, r).left >= 1
}

// filled is a bucket as full as it is by now.
func (l *limits) filled(name string, r rate) *bucket {
	now := l.now()
	b := l.buckets[name]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			l.forget(now)
		}
		b = &bucket{left: r.most, at: now}
		l.buckets[name] = b
	}
	b.left = min(r.most, b.left+float64(max(now.Sub(b.at), 0))/float64(r.each()))
	b.at = now
	return b
}

// forget drops buckets that are full again, and others when that is not enough: a flood
// of addresses must not fill the memory.
func (l *limits) forget(now time.Time) {
	for name, b := range l.buckets {
		if now.Sub(b.at) > time.Hour || len(l.buckets) > maxBuckets*9/10 {
			delete(l.buckets, name)
		}
	}
}

// all takes one of each bucket, in their order, and stops at the first that is empty.
func (l *limits) all(names []string, rates []rate) (wait time.Duration, ok bool) {
	for i := range names {
		if wait, ok = l.take(names[i], rates[i]); !ok {
			return wait, false
		}
	}
	return 0, true
}

// enter takes a place if there is one; leave gives it back.
func enter(places chan struct{}) (leave func(), ok bool) {
	select {
	case places <- struct{}{}:
		return sync.OnceFunc(func() { <-places }), true
	default:
		return nil, false
	}
}

// neighbourhood is whom a limit is for: an address, or an IPv6 network of one customer.
func neighbourhood(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
