package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// TestEachQuestionHasItsID: one that can be guessed lets others answer (RFC 5452 §4.3).
func TestEachQuestionHasItsID(t *testing.T) {
	var ids []uint16
	for range 8 {
		_, id, err := query{name: "k.example.", qtype: dns.TypeTXT}.wire(true)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) < 4 {
		t.Errorf("IDs %d", ids)
	}
}

// deaf is a connection that takes no question, and would never answer one.
type deaf struct {
	net.Conn
	closed chan struct{}
}

func (d deaf) Write([]byte) (int, error) { return 0, errors.New("no buffer space available") }
func (d deaf) Close() error              { close(d.closed); return d.Conn.Close() }

// TestQuestionsThatCannotBeSent are no time-outs, and leave no connection open.
func TestQuestionsThatCannotBeSent(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		conn := deaf{closed: make(chan struct{})}
		var far net.Conn
		conn.Conn, far = net.Pipe()
		defer far.Close()
		d := newTestDNS(t, Options{Nameservers: []string{"192.0.2.1"}, Timeout: time.Minute, Attempts: 1,
			Dial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }})
		_, fail := d.ask(t.Context(), d.servers().servers[0], query{name: "k.example.", qtype: dns.TypeTXT}, network == "tcp")
		if fail == nil || fail.kind != KindNetwork || fail.err.Error() != "no buffer space available" {
			t.Errorf("%s: %+v", network, fail)
		}
		<-conn.closed
	}
}

// TestWaitsEndWithTheirContext, by UDP and TCP, before an answer or a connection comes.
func TestWaitsEndWithTheirContext(t *testing.T) {
	silent := dnstest.New(t, "")
	silent.SetDefaultFault(dnstest.Fault{Silent: true, SilentTCP: true})
	d := newTestDNS(t, Options{Timeout: time.Minute, Attempts: 1}, silent)
	for _, useTCP := range []bool{false, true} {
		for want, end := range map[Kind]func() (context.Context, context.CancelFunc){
			KindTimeout: func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(t.Context(), 30*time.Millisecond)
			},
			KindCanceled: func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		} {
			ctx, cancel := end()
			if want == KindCanceled {
				time.AfterFunc(30*time.Millisecond, cancel)
			}
			_, fail := d.ask(ctx, d.servers().servers[0], query{name: "k.example.", qtype: dns.TypeTXT}, useTCP)
			if fail == nil || fail.kind != want {
				t.Errorf("TCP %v: %+v, want kind %v", useTCP, fail, want)
			}
			cancel()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.LookupTXT(ctx, "k.example")
	if e := wantKind(t, err, KindCanceled, true); e.Err != nil { // the kind says all
		t.Errorf("%v", e.Err)
	}
	cause := errors.New("the mail server went away")
	ctx, why := context.WithCancelCause(t.Context())
	why(cause)
	if _, err := d.LookupTXT(ctx, "k.example"); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

// TestServersThatNeverKnowBetter: what refuses EDNS and its absence alike is asked with EDNS
// the next time, and so is what falls silent in between.
func TestServersThatNeverKnowBetter(t *testing.T) {
	s := dnstest.New(t, "")
	for _, silent := range []bool{false, true} {
		s.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			if silent && r.IsEdns0() == nil {
				return
			}
			m := new(dns.Msg)
			m.SetRcode(r, dns.RcodeFormatError)
			w.WriteMsg(m)
		}))
		d := newTestDNS(t, Options{Timeout: 200 * time.Millisecond, Attempts: 1}, s)
		if _, err := d.LookupTXT(t.Context(), "k.example"); err == nil {
			t.Error("no error")
		}
		if d.servers().servers[0].noEDNS(d.now()) {
			t.Errorf("silent %v: it counts as one without EDNS", silent)
		}
	}
}

// TestErrorsThatAreBareHeaders: twelve octets (RFC 1035 §4.1.1) are an answer.
func TestErrorsThatAreBareHeaders(t *testing.T) {
	s := dnstest.New(t, "")
	s.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		w.Write([]byte{byte(r.Id >> 8), byte(r.Id), 0x80, dns.RcodeRefused, 0, 0, 0, 0, 0, 0, 0, 0})
	}))
	for _, conf := range []bool{false, true} {
		d := newTestDNS(t, Options{Timeout: time.Minute, Attempts: 1}, s)
		m, fail := d.ask(t.Context(), d.servers().servers[0], query{name: "k.example.", qtype: dns.TypeTXT}, conf)
		if fail != nil || m.Rcode != dns.RcodeRefused {
			t.Errorf("TCP %v: %+v", conf, fail)
		}
	}
}

// TestLoopsAreKept as long as what is known for sure, not as failures are, and are told as
// what they are: a chain that is too long may be right.
func TestLoopsAreKept(t *testing.T) {
	s := dnstest.New(t, "a.example IN CNAME b.example.\nb.example IN CNAME a.example.\ninto.example IN CNAME a.example.\n")
	for i := range 9 {
		s.AddCNAME(fmt.Sprintf("d%d.example", i), fmt.Sprintf("d%d.example", i+1))
	}
	c := newClock()
	d := newTestDNS(t, Options{Now: c.Now, MinTTL: 10 * time.Second, FailureTTL: -1}, s)
	for name, want := range map[string]error{"a.example": errLoop, "into.example": errLoop, "d0.example": errChain} {
		for _, step := range []struct {
			after   time.Duration
			queries bool
		}{{0, true}, {9 * time.Second, false}, {time.Second, true}} {
			c.Advance(step.after)
			before, _ := s.Total()
			_, err := d.LookupTXT(t.Context(), name)
			wantKind(t, err, KindLoop, false)
			if after, _ := s.Total(); !errors.Is(err, want) || after > before != step.queries {
				t.Errorf("%s: %v, %d queries", name, err, after-before)
			}
		}
	}
}

// TestRecordsCountInTheCache, and texts do, each by its octets; what fills a share of it is
// kept, what is larger is not.
func TestRecordsCountInTheCache(t *testing.T) {
	mx := func(n int) (list []dns.RR) {
		for range n {
			list = append(list, &dns.MX{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeMX}, Mx: "mail.example."})
		}
		return list
	}
	one, two := (&result{records: mx(1)}).cost(), (&result{records: mx(2)}).cost()
	if each := two - one; each < dns.Len(mx(1)[0]) {
		t.Errorf("a record of %d octets costs %d", dns.Len(mx(1)[0]), each)
	}
	if empty, text := (&result{}).cost(), (&result{texts: []string{"12345", "678"}}).cost(); text-empty != 8 {
		t.Errorf("eight octets cost %d", text-empty)
	}
	c, now := newCache[int](1), time.Unix(1000, 0)
	for bytes, kept := range map[int]bool{c.maxBytes: true, c.maxBytes + 1: false} {
		key := cacheKey{name: fmt.Sprint(bytes)}
		c.put(key, 1, bytes, time.Hour, now)
		if _, _, ok := c.get(key, now); ok != kept {
			t.Errorf("%d octets of at most %d: %v", bytes, c.maxBytes, ok)
		}
	}
	full := newCache[int](2 * cacheShards)
	for qtype, bytes := range []int{1000, full.maxBytes - 1000} { // of one name: in one shard
		full.put(cacheKey{name: "k", qtype: uint16(qtype)}, 1, bytes, time.Hour, now)
	}
	if n := full.len(); n != 2 {
		t.Errorf("%d entries fill a shard", n)
	}
	c.put(cacheKey{name: "dead"}, 1, 1, 0, now)
	c.put(cacheKey{name: "short"}, 1, 1, 1, now)
	if _, _, dead := c.get(cacheKey{name: "dead"}, now); dead {
		t.Error("what has no life is kept")
	}
	if _, left, ok := c.get(cacheKey{name: "short"}, now); !ok || left != 1 {
		t.Errorf("what has a nanosecond left: %v, %v", left, ok)
	}
	if _, _, ok := c.get(cacheKey{name: "short"}, now.Add(1)); ok {
		t.Error("it is kept longer")
	}
}
