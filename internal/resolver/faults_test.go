package resolver

import (
	"bytes"
	"context"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// quick is a resolver's patience with servers that fail on purpose.
var quick = Options{Timeout: 150 * time.Millisecond, Attempts: 1}

func TestServerFaults(t *testing.T) {
	s := dnstest.New(t, "truncated.example IN TXT \"key\"\nnoedns.example IN TXT \"key\"\nstray.example IN TXT \"key\"\nslow.example IN TXT \"key\"\nonce.example IN TXT \"key\"\n")
	faults := []struct {
		name      string
		fault     dnstest.Fault
		kind      Kind // 0: the answer comes nevertheless
		temporary bool
	}{
		{"servfail.example", dnstest.Fault{Rcode: dns.RcodeServerFailure}, KindServFail, true},
		{"refused.example", dnstest.Fault{Rcode: dns.RcodeRefused}, KindRefused, true},
		{"notimp.example", dnstest.Fault{Rcode: dns.RcodeNotImplemented}, KindServFail, true},
		{"badcode.example", dnstest.Fault{Rcode: 15}, KindServFail, true},
		{"referral.example", dnstest.Fault{Referral: true}, KindRefused, true},
		{"silent.example", dnstest.Fault{Silent: true}, KindTimeout, true},
		{"slow.example", dnstest.Fault{Delay: 50 * time.Millisecond}, 0, false},
		{"tooslow.example", dnstest.Fault{Delay: 5 * time.Second}, KindTimeout, true},
		{"wrongid.example", dnstest.Fault{WrongID: true}, KindMalformed, true},
		{"wrongquestion.example", dnstest.Fault{WrongQuestion: true}, KindMalformed, true},
		{"noquestion.example", dnstest.Fault{NoQuestion: true}, KindMalformed, true},
		{"garbage.example", dnstest.Fault{Wire: []byte("??\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\xc0")}, KindMalformed, true},
		{"short.example", dnstest.Fault{Wire: []byte("??\x80")}, KindMalformed, true},
		{"stray.example", dnstest.Fault{StrayFirst: 10}, 0, false},
		{"flood.example", dnstest.Fault{StrayFirst: 200}, KindMalformed, true},
		{"truncated.example", dnstest.Fault{Truncate: true}, 0, false},
		{"truncatedtcp.example", dnstest.Fault{TruncateTCP: true}, KindMalformed, true},
		{"silenttcp.example", dnstest.Fault{SilentTCP: true}, KindTimeout, true},
		{"closetcp.example", dnstest.Fault{CloseTCP: true}, KindNetwork, true},
		{"noedns.example", dnstest.Fault{NoEDNS: true}, 0, false},
		{"nodata.example", dnstest.Fault{NoData: true}, KindNoData, false},
		{"nxdomain.example", dnstest.Fault{Rcode: dns.RcodeNameError}, KindNotFound, false},
	}
	for _, test := range faults {
		t.Run(test.name, func(t *testing.T) {
			s.SetFault(test.name, test.fault)
			d := newTestDNS(t, quick, s)
			start := time.Now()
			a, err := d.LookupTXT(context.Background(), test.name)
			if test.kind == 0 {
				if err != nil || len(a.Texts) != 1 || a.Texts[0] != "key" {
					t.Errorf("%+v, %v", a, err)
				}
			} else {
				wantKind(t, err, test.kind, test.temporary)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestErrorsAreReadable(t *testing.T) {
	s := dnstest.New(t, "")
	d := newTestDNS(t, quick, s)
	_, err := d.LookupTXT(context.Background(), "gone.example")
	if want := `"gone.example": no such name (name server ` + s.Addr + `)`; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	_, err = d.LookupTXT(context.Background(), strings.Repeat("x\x1b[31m", 1000))
	if err == nil || len(err.Error()) > 2500 || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("a hostile name in an error: %v", err)
	}
}

// After FORMERR the server is asked without EDNS at once.
func TestEDNSRefusalIsRemembered(t *testing.T) {
	s := dnstest.New(t, "a.example IN TXT \"key\"\nb.example IN TXT \"key\"\n")
	s.SetDefaultFault(dnstest.Fault{NoEDNS: true})
	d := newTestDNS(t, quick, s)
	for i, name := range []string{"a.example", "b.example"} {
		if _, err := d.LookupTXT(context.Background(), name); err != nil {
			t.Fatal(err)
		}
		if n, want := s.Queries(name), 2-i; n != want {
			t.Errorf("%s: %d queries, want %d", name, n, want)
		}
	}
}

func TestAliasLoopsAndChains(t *testing.T) {
	s := dnstest.New(t, "self.example IN CNAME self.example.\na.example IN CNAME b.example.\nb.example IN CNAME c.example.\nc.example IN CNAME a.example.\nloop.example IN DNAME sub.loop.example.\ngrow.example IN DNAME a.b.c.grow.example.\nc8.example IN TXT \"end\"\n")
	for i := range 9 {
		s.AddCNAME("d"+strconv.Itoa(i)+".example", "d"+strconv.Itoa(i+1)+".example")
		if i < 8 {
			s.AddCNAME("c"+strconv.Itoa(i)+".example", "c"+strconv.Itoa(i+1)+".example")
		}
	}
	s.AddTXT("d9.example", "end")
	for _, chase := range []bool{true, false} {
		s.SetChase(chase)
		d := newTestDNS(t, quick, s)
		for _, name := range []string{"self.example", "a.example", "d0.example", "x.loop.example", "x.grow.example"} {
			_, err := d.LookupTXT(context.Background(), name)
			wantKind(t, err, KindLoop, false)
		}
		if a, err := d.LookupTXT(context.Background(), "c0.example"); err != nil || a.CNAMEs != 8 {
			t.Errorf("chain of 8, chase %v: %+v %v", chase, a, err)
		}
	}
	if total, _ := s.Total(); total > 60 {
		t.Errorf("%d queries for a few loops", total)
	}
}

func TestLargeAnswers(t *testing.T) {
	s := dnstest.New(t, "")
	large := strings.Repeat("x", 64000)
	s.AddTXT("large.example", large)
	d := newTestDNS(t, Options{}, s)
	a, err := d.LookupTXT(context.Background(), "large.example")
	if err != nil || len(a.Texts) != 1 || a.Texts[0] != large {
		t.Errorf("64 kB: %d texts, %v", len(a.Texts), err)
	}
	d = newTestDNS(t, Options{MaxAnswerBytes: 16384}, s)
	_, err = d.LookupTXT(context.Background(), "large.example")
	e := wantKind(t, err, KindTooLarge, false)
	if !strings.Contains(e.Error(), "the limit is 16384") {
		t.Errorf("%v", e)
	}
}

func TestFailover(t *testing.T) {
	dead, good := dnstest.New(t, ""), dnstest.New(t, "")
	for i := range 3 {
		good.AddTXT("k"+strconv.Itoa(i)+".example", "key")
	}
	for _, fault := range []dnstest.Fault{{Silent: true}, {Rcode: dns.RcodeServerFailure}, {Rcode: dns.RcodeRefused}, {WrongID: true}} {
		dead.SetDefaultFault(fault)
		d := newTestDNS(t, quick, dead, good)
		if a, err := d.LookupTXT(context.Background(), "k0.example"); err != nil || len(a.Texts) != 1 {
			t.Errorf("%+v: %+v %v", fault, a, err)
		}
	}
	// A closed port is noticed at once, and a server that failed is asked last.
	dead.Close()
	d := newTestDNS(t, Options{Timeout: 5 * time.Second}, dead, good)
	start := time.Now()
	for i := range 3 {
		if _, err := d.LookupTXT(context.Background(), "k"+strconv.Itoa(i)+".example"); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestServerThatFailedIsAskedLast(t *testing.T) {
	c := newClock()
	silent, good := dnstest.New(t, ""), dnstest.New(t, "")
	silent.SetDefaultFault(dnstest.Fault{Silent: true})
	o := quick
	o.Now, o.CacheSize = c.Now, -1
	good.AddTXT("k.example", "key")
	d := newTestDNS(t, o, silent, good)
	lookup := func(wantAsked int) {
		t.Helper()
		if _, err := d.LookupTXT(context.Background(), "k.example"); err != nil {
			t.Error(err)
		}
		if n, _ := silent.Total(); n != wantAsked {
			t.Errorf("silent server asked %d times, want %d", n, wantAsked)
		}
	}
	lookup(1)
	lookup(1)
	c.Advance(downTime)
	lookup(2)
}

// Every server has its turn before the caller's deadline, however long one query may
// take.
func TestDeadlineIsSharedAmongServers(t *testing.T) {
	silent, good := dnstest.New(t, ""), dnstest.New(t, "k.example IN TXT \"key\"\n")
	silent.SetDefaultFault(dnstest.Fault{Silent: true})
	d := newTestDNS(t, Options{Timeout: 30 * time.Second}, silent, good)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := d.LookupTXT(ctx, "k.example"); err != nil {
		t.Error(err)
	}
}

func TestContextEndsLookup(t *testing.T) {
	s := dnstest.New(t, "")
	s.SetDefaultFault(dnstest.Fault{Silent: true})
	d := newTestDNS(t, Options{Timeout: 30 * time.Second}, s)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := d.LookupTXT(ctx, "a.example")
	wantKind(t, err, KindTimeout, true)
	ctx2, cancel2 := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel2)
	_, err = d.LookupTXT(ctx2, "b.example")
	wantKind(t, err, KindCanceled, true)
	_, err = d.LookupTXT(ctx2, "c.example")
	wantKind(t, err, KindCanceled, true)
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

// Sockets must not pile up when a name server goes silent under load, nor stay.
func TestSocketsAreBounded(t *testing.T) {
	s := dnstest.New(t, "")
	s.SetDefaultFault(dnstest.Fault{Silent: true})
	var mu sync.Mutex
	open, most := 0, 0
	o := Options{Timeout: 100 * time.Millisecond, Attempts: 1, MaxSockets: 10}
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		open++
		most = max(most, open)
		return &countedConn{Conn: conn, closed: func() {
			mu.Lock()
			defer mu.Unlock()
			open--
		}}, nil
	}
	d := newTestDNS(t, o, s)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			_, err := d.LookupTXT(context.Background(), "k"+strconv.Itoa(i)+".example")
			if err == nil {
				t.Error("an answer from a silent server")
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most > 10 || most < 2 || open != 0 {
		t.Errorf("%d sockets at most, %d left open", most, open)
	}
	// The fake server keeps a goroutine for each silent query.
	if after := runtime.NumGoroutine(); after > before+250 {
		t.Errorf("goroutines: %d before, %d after", before, after)
	}
}

type countedConn struct {
	net.Conn
	closed func()
	once   sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// A wire that answers whatever it is asked with given octets.
type cannedConn struct {
	net.Conn
	answer  []byte
	network string
	reader  bytes.Reader
	sent    bool
}

func (c *cannedConn) Write(b []byte) (int, error) {
	answer := append([]byte(nil), c.answer...)
	id := b
	if c.network == "tcp" {
		id = b[2:]
	}
	if len(answer) >= 2 {
		copy(answer, id[:2])
	}
	if c.network == "tcp" {
		answer = append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)
	}
	c.reader.Reset(answer)
	c.sent = true
	return len(b), nil
}

func (c *cannedConn) Read(b []byte) (int, error) {
	if c.network == "udp" && c.reader.Len() == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return c.reader.Read(b)
}
func (c *cannedConn) SetDeadline(time.Time) error { return nil }
func (c *cannedConn) Close() error                { return nil }

func cannedDNS(t testing.TB, answer []byte, o Options) *DNS {
	t.Helper()
	o.Timeout, o.Attempts, o.CacheSize = 200*time.Millisecond, 1, -1
	o.Nameservers = []string{"127.0.0.1:9"}
	o.Dial = func(_ context.Context, network, _ string) (net.Conn, error) {
		return &cannedConn{answer: answer, network: network}, nil
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func FuzzAnswer(f *testing.F) {
	add := func(rrs ...string) {
		m := new(dns.Msg)
		m.SetQuestion("k.example.", dns.TypeTXT)
		m.Response, m.RecursionAvailable = true, true
		for _, text := range rrs {
			rr, err := dns.NewRR(text)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	add(`k.example. 60 IN TXT "v=DKIM1; p=" "abc"`)
	add(`k.example. 60 IN CNAME a.example.`, `a.example. 60 IN TXT "x"`)
	add(`k.example. 60 IN CNAME k.example.`)
	add(`example. 60 IN DNAME k.example.`)
	add(`example. 60 IN SOA a. b. 1 2 3 4 5`)
	add()
	f.Add([]byte("??\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\x01k\x07example\x00\x00\x10\x00\x01\xc0\x0c\x00\x10\x00\x01"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		a, err := cannedDNS(t, wire, Options{}).LookupTXT(context.Background(), "k.example")
		if err == nil && len(a.Texts) == 0 {
			t.Error("neither texts nor an error")
		}
		if err != nil && len(a.Texts) > 0 {
			t.Error("texts beside an error")
		}
	})
}
