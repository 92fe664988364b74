package resolver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/proctest"
)

func TestCacheKeepsAnswersForTheirTime(t *testing.T) {
	s := dnstest.New(t, "")
	c := newClock()
	o := Options{Now: c.Now, MaxTTL: time.Hour, MinTTL: 10 * time.Second, NegativeTTL: time.Minute, FailureTTL: 2 * time.Second}
	d := newTestDNS(t, o, s)
	for name, ttl := range map[string]uint32{"minute.example": 60, "zero.example": 0, "day.example": 86400, "top-bit.example": 1 << 31} {
		s.AddTXTWithTTL(name, "key", ttl)
	}
	s.AddRR("short-alias.example 20 IN CNAME minute.example.")
	s.SetFault("fails.example", dnstest.Fault{Rcode: dns.RcodeServerFailure})
	s.SetNegativeTTL(30)
	for _, test := range []struct {
		name string
		life time.Duration
	}{
		{"minute.example", time.Minute},
		{"zero.example", 10 * time.Second},
		{"top-bit.example", 10 * time.Second},
		{"day.example", time.Hour},
		{"short-alias.example", 20 * time.Second},
		{"gone.example", 30 * time.Second},
		{"fails.example", 2 * time.Second},
	} {
		asked := func(want int) {
			t.Helper()
			before := s.Queries(test.name)
			first, err1 := d.LookupTXT(context.Background(), test.name)
			if n := s.Queries(test.name) - before; (n > 0) != (want > 0) {
				t.Errorf("%s: %d queries, want %d", test.name, n, want)
			}
			if first.FromCache != (want == 0) {
				t.Errorf("%s: FromCache %v", test.name, first.FromCache)
			}
			if (err1 == nil) != (len(first.Texts) == 1) {
				t.Errorf("%s: %+v %v", test.name, first, err1)
			}
		}
		asked(1)
		asked(0)
		c.Advance(test.life - time.Second)
		asked(0)
		c.Advance(time.Second)
		asked(1)
	}
	s.SetNegativeTTL(86400)
	asked := func() int { d.LookupTXT(context.Background(), "never.example"); return s.Queries("never.example") }
	asked()
	c.Advance(time.Minute)
	if n := asked(); n != 2 {
		t.Errorf("absence kept beyond NegativeTTL: %d queries", n)
	}
}

func TestTTLCountsDown(t *testing.T) {
	s := dnstest.New(t, "k.example 60 IN TXT \"key\"\n")
	c := newClock()
	d := newTestDNS(t, Options{Now: c.Now}, s)
	d.LookupTXT(context.Background(), "k.example")
	c.Advance(20 * time.Second)
	if a, _ := d.LookupTXT(context.Background(), "k.example"); a.TTL != 40*time.Second || !a.FromCache {
		t.Errorf("%+v", a)
	}
	c.Advance(-time.Hour) // a clock set back must not make it live longer
	if a, _ := d.LookupTXT(context.Background(), "k.example"); a.FromCache {
		t.Error("used after the clock was set back")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int](320)
	now := time.Unix(1, 0)
	for i := range 5000 {
		c.put(cacheKey{name: strconv.Itoa(i)}, i, 100, time.Hour, now)
	}
	if n := c.len(); n > 320 || n < 200 {
		t.Errorf("%d entries, want at most 320", n)
	}
	large := newCache[int](320)
	for i := range 5000 {
		large.put(cacheKey{name: strconv.Itoa(i)}, i, maxWireBytes, time.Hour, now)
	}
	total := 0
	for i := range large.shards {
		total += large.shards[i].bytes
	}
	if n := large.len(); n == 0 || total != n*maxWireBytes || total > cacheShards*2*maxWireBytes {
		t.Errorf("%d large entries of %d octets together", n, total)
	}
	// What is used stays, what is dead goes first.
	kept := newCache[int](cacheShards * 4)
	for i := range 2000 {
		kept.put(cacheKey{name: strconv.Itoa(i)}, i, 1, time.Hour, now)
		kept.put(cacheKey{name: "hot"}, 1, 1, time.Hour, now)
		kept.get(cacheKey{name: "hot"}, now)
	}
	if _, _, ok := kept.get(cacheKey{name: "hot"}, now); !ok {
		t.Error("an entry in constant use was dropped")
	}
}

func TestConcurrentLookupsShareOneQuery(t *testing.T) {
	s := dnstest.New(t, "")
	answer := make(chan struct{})
	s.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		<-answer
		m := new(dns.Msg).SetReply(r)
		about := dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}
		m.Answer = []dns.RR{&dns.TXT{Hdr: about, Txt: []string{"key"}}}
		_ = w.WriteMsg(m)
	}))
	d := newTestDNS(t, Options{Timeout: time.Hour}, s)
	waiting := func(n int) {
		t.Helper()
		proctest.Until(t, time.Minute, fmt.Sprint(n, " waiters"), func() bool {
			return d.flight.Waiters(cacheKey{"k.example", dns.TypeTXT}) == n
		})
	}
	var wg sync.WaitGroup
	// Whoever came first gives up; the others must have their answer.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wg.Go(func() {
		if _, err := d.LookupTXT(ctx, "k.example"); err == nil {
			t.Error("the impatient one had an answer")
		}
	})
	waiting(1)
	for range 50 {
		wg.Go(func() {
			if a, err := d.LookupTXT(context.Background(), "K.example"); err != nil || len(a.Texts) != 1 {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	waiting(51)
	cancel()
	waiting(50)
	close(answer)
	wg.Wait()
	if n := s.Queries("k.example"); n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
}

// When all have given up, the work ends, and whoever comes then starts anew.
func TestAbandonedWorkIsNotJoined(t *testing.T) {
	s := dnstest.New(t, "k.example IN TXT \"key\"\n")
	s.SetFault("k.example", dnstest.Fault{Silent: true, FirstOnly: true})
	d := newTestDNS(t, Options{Timeout: time.Hour}, s)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		proctest.Until(t, time.Minute, "the question", func() bool { return s.Queries("k.example") > 0 })
		cancel()
	}()
	if _, err := d.LookupTXT(ctx, "k.example"); err == nil {
		t.Error("an answer from silence")
	}
	ctx, cancel = context.WithTimeout(context.Background(), 30*time.Second) // much less than the work would wait for the first
	defer cancel()
	if _, err := d.LookupTXT(ctx, "k.example"); err != nil {
		t.Error(err)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	s := dnstest.New(b, "")
	name := "selector._domainkey.example.com"
	s.AddTXT(name, "v=DKIM1; p="+strings.Repeat("x", 392))
	d := newTestDNS(b, Options{}, s)
	ctx := context.Background()
	if _, err := d.LookupTXT(ctx, name); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if a, err := d.LookupTXT(ctx, name); err != nil || !a.FromCache {
			b.Fatal("not from the cache")
		}
	}
}

func BenchmarkCold(b *testing.B) {
	s := dnstest.New(b, "")
	for i := range 100 {
		s.AddTXT(fmt.Sprintf("s%d._domainkey.example.com", i), "v=DKIM1; p="+strings.Repeat("x", 392))
	}
	d := newTestDNS(b, Options{CacheSize: -1}, s)
	b.ReportAllocs()
	for i := range b.N {
		if _, err := d.LookupTXT(context.Background(), fmt.Sprintf("s%d._domainkey.example.com", i%100)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	s := dnstest.New(t, "k.example 300 IN TXT \"key\"\n")
	d := newTestDNS(t, Options{}, s)
	ctx := context.Background()
	d.LookupTXT(ctx, "k.example")
	if n := testing.AllocsPerRun(100, func() { d.LookupTXT(ctx, "k.example") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestUnsetOptionsAreBounded: a resolver for which nothing is set has the documented bounds.
func TestUnsetOptionsAreBounded(t *testing.T) {
	o := Options{}.withDefaults()
	if set := newServerSet(resolvConf{}, o); o.CacheSize != 16384 || o.MaxCNAMEs != 8 || set.timeout != 5*time.Second {
		t.Errorf("%+v, %v", o, set.timeout)
	}
}

func (c *cache[V]) len() int {
	total := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		total += len(c.shards[i].entries)
		c.shards[i].mu.RUnlock()
	}
	return total
}
