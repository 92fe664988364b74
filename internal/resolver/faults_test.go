package resolver

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// quick is a resolver's patience with servers that fail on purpose.
var quick = Options{Timeout: 150 * time.Millisecond, Attempts: 1}

// patient is one with servers that answer, however busy the machine is.
var patient = Options{Timeout: 20 * time.Second, Attempts: 1}

// TestServersAreNotAskedInVain, where nobody waits any more: that is what failed, whatever a
// server said before.
func TestServersAreNotAskedInVain(t *testing.T) {
	d, err := New(Options{Nameservers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for ctx, want := range map[context.Context]Kind{canceled: KindCanceled, late: KindTimeout} {
		if _, _, err := d.exchange(ctx, query{name: "example.com."}); err == nil || err.Kind != want || err.Err != nil {
			t.Errorf("%v, want kind %v", err, want)
		}
	}
}

func TestServerFaults(t *testing.T) {
	s := dnstest.New(t, "truncated.example IN TXT \"key\"\nnoedns.example IN TXT \"key\"\nstray.example IN TXT "+
		"\"key\"\nslow.example IN TXT \"key\"\nflood.example IN TXT \"key\"\nonce.example IN TXT \"key\"\n")
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
		{"flood.example", dnstest.Fault{StrayFirst: 200}, 0, false}, // answered over TCP
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
			// What answers is waited for, however busy the machine is.
			o := patient
			if test.kind == KindTimeout || test.kind == KindMalformed { // which is told when the wait ends
				o = quick
			}
			a, err := newTestDNS(t, o, s).LookupTXT(context.Background(), test.name)
			// The wait for a malformed answer may end before it comes.
			late := func() bool { e := (*Error)(nil); return errors.As(err, &e) && e.Kind == KindTimeout }
			for test.kind == KindMalformed && late() && o.Timeout < patient.Timeout {
				o.Timeout *= 4
				a, err = newTestDNS(t, o, s).LookupTXT(context.Background(), test.name)
			}
			if test.kind == 0 {
				if err != nil || len(a.Texts) != 1 || a.Texts[0] != "key" {
					t.Errorf("%+v, %v", a, err)
				}
			} else {
				wantKind(t, err, test.kind, test.temporary)
			}
		})
	}
}

func TestErrorsAreReadable(t *testing.T) {
	s := dnstest.New(t, "")
	d := newTestDNS(t, patient, s)
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
	d := newTestDNS(t, patient, s)
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
	s := dnstest.New(t, "self.example IN CNAME self.example.\na.example IN CNAME b.example.\nb.example IN CNAME "+
		"c.example.\nc.example IN CNAME a.example.\nloop.example IN DNAME sub.loop.example.\ngrow.example IN DNAME "+
		"a.b.c.grow.example.\nc8.example IN TXT \"end\"\n")
	for i := range 9 {
		s.AddCNAME("d"+strconv.Itoa(i)+".example", "d"+strconv.Itoa(i+1)+".example")
		if i < 8 {
			s.AddCNAME("c"+strconv.Itoa(i)+".example", "c"+strconv.Itoa(i+1)+".example")
		}
	}
	s.AddTXT("d9.example", "end")
	for _, chase := range []bool{true, false} {
		s.SetChase(chase)
		d := newTestDNS(t, patient, s)
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
	// A closed port is noticed, and a server that failed is asked last.
	dead.Close()
	d := newTestDNS(t, Options{Timeout: time.Minute}, dead, good)
	for i := range 3 {
		if _, err := d.LookupTXT(context.Background(), "k"+strconv.Itoa(i)+".example"); err != nil {
			t.Error(err)
		}
	}
	if !d.servers().servers[0].down(d.now()) {
		t.Error("the closed port was not noticed")
	}
}

// A server that gave its answer, if a bad one, is not pressed; a silent one is.
func TestAttempts(t *testing.T) {
	s := dnstest.New(t, "lost.example IN TXT \"key\"\n")
	s.SetFault("servfail.example", dnstest.Fault{Rcode: dns.RcodeServerFailure})
	s.SetFault("silent.example", dnstest.Fault{Silent: true})
	s.SetFault("lost.example", dnstest.Fault{Silent: true, FirstOnly: true})
	d := newTestDNS(t, Options{Timeout: 100 * time.Millisecond, Attempts: 3}, s)
	for name, want := range map[string]int{"servfail.example": 1, "silent.example": 3, "lost.example": 2} {
		_, err := d.LookupTXT(context.Background(), name)
		if (err == nil) != (name == "lost.example") {
			t.Errorf("%s: %v", name, err)
		}
		if n := s.Queries(name); n != want {
			t.Errorf("%s: asked %d times, want %d", name, n, want)
		}
	}
}

func TestTCPAtOnce(t *testing.T) {
	s := dnstest.New(t, "k.example IN TXT \"key\"\n")
	d := newTestDNS(t, Options{UseTCP: true}, s)
	if _, err := d.LookupTXT(context.Background(), "k.example"); err != nil {
		t.Error(err)
	}
	if total, tcp := s.Total(); total != 1 || tcp != 1 {
		t.Errorf("%d queries, %d over TCP", total, tcp)
	}
}

func TestRotate(t *testing.T) {
	set := newServerSet(parseResolvConf([]byte("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n")), Options{})
	first := make(map[string]int)
	for range 10 {
		first[set.order(time.Unix(1, 0))[0].name]++
	}
	if first["192.0.2.1"] != 5 || first["192.0.2.2"] != 5 {
		t.Errorf("asked first: %v", first)
	}
}

// RFC 8914: what a validating server tells of its reasons.
func TestExtendedErrors(t *testing.T) {
	servfail := func(code uint16) dns.Handler {
		return dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg)
			m.SetRcode(r, dns.RcodeServerFailure)
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: "of \x1b[31mexample"})
			w.WriteMsg(m)
		})
	}
	s := dnstest.New(t, "")
	s.SetHandler(servfail(dns.ExtendedErrorCodeSignatureExpired))
	a, err := newTestDNS(t, patient, s).LookupTXT(context.Background(), "k.example")
	e := wantKind(t, err, KindBogus, true)
	if a.Security != Bogus || !strings.Contains(e.Error(), "Signature Expired") || strings.ContainsRune(e.Error(), '\x1b') {
		t.Errorf("%v: %v", a.Security, e)
	}
	s.SetHandler(servfail(64000))
	_, err = newTestDNS(t, patient, s).LookupTXT(context.Background(), "k.example")
	if e := wantKind(t, err, KindServFail, true); !strings.Contains(e.Error(), "extended error 64000") {
		t.Error(e)
	}
	m := new(dns.Msg)
	m.Rcode = dns.RcodeServerFailure
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus}}
	if f := failureOf(m, false); f.kind != KindServFail {
		t.Errorf("an untrusted server's word on DNSSEC: %v", f.kind)
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
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
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
	_, err := d.LookupTXT(ctx, "a.example")
	wantKind(t, err, KindTimeout, true)
	ctx2, cancel2 := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel2)
	_, err = d.LookupTXT(ctx2, "b.example")
	wantKind(t, err, KindCanceled, true)
	_, err = d.LookupTXT(ctx2, "c.example")
	wantKind(t, err, KindCanceled, true)
}
