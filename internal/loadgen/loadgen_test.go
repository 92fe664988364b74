package loadgen

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"dojang/milter"
)

// slow takes its time at the end of each message.
type slow struct{ takes time.Duration }

func (slow) Negotiated(milter.Negotiation)                   {}
func (slow) Connect(string, milter.ConnAddr) milter.Response { return milter.Continue }
func (slow) Helo(string) milter.Response                     { return milter.Continue }
func (slow) MailFrom(string, []string) milter.Response       { return milter.Continue }
func (slow) Rcpt(string, []string) milter.Response           { return milter.Continue }
func (slow) Data() milter.Response                           { return milter.Continue }
func (slow) Header(_, _ []byte) milter.Response              { return milter.Continue }
func (slow) EndOfHeader() milter.Response                    { return milter.Continue }
func (slow) Body([]byte) milter.Response                     { return milter.Continue }
func (slow) Abort()                                          {}
func (slow) Unknown(string) milter.Response                  { return milter.Continue }
func (slow) Close()                                          {}
func (s slow) EndOfMessage(e *milter.Edits) milter.Response {
	time.Sleep(s.takes)
	return milter.Continue
}

// A filter that takes 10 ms a message gets one each millisecond: what waits is seen
// only where the time counts from when a message was due.
func TestRateCountsWaiting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := milter.NewServer(func(*milter.Conn) milter.Session { return slow{10 * time.Millisecond} }, milter.Options{})
	go server.Serve(l)
	defer server.Close()
	o := Options{Network: "tcp", Address: l.Addr().String(), Messages: 40, Rate: 1000}
	o.Message = milter.Message{Envelope: milter.Envelope{From: "a@example.com", Rcpts: []string{"b@example.org"}},
		Raw: Message("a@example.com", 100)}
	report, err := Run(t.Context(), o)
	if err != nil || report.Errors > 0 {
		t.Fatal(err, report.FirstError)
	}
	// The last is due after 39 ms and done after 400 at the least.
	if report.Max < 360*time.Millisecond || report.P50 < 150*time.Millisecond {
		t.Errorf("at a fixed rate: %+v", report)
	}
	// 200 are due in 200 ms, and 20 or so are done: the rest is not kept quiet about.
	o.Rate, o.Messages, o.Duration = 1000, 0, 200*time.Millisecond
	if report, err = Run(t.Context(), o); err != nil || report.Messages > 21 || report.Unsent < 175 || report.Messages+report.Unsent > 201 {
		t.Errorf("%v: %+v", err, report)
	}
	o.Rate, o.Messages, o.Duration = 50, 25, 0
	start := time.Now()
	if report, err = Run(t.Context(), o); err != nil || report.Messages != 25 || report.Unsent != 0 {
		t.Fatalf("%v: %+v", err, report)
	}
	if took := time.Since(start); took < 480*time.Millisecond {
		t.Errorf("25 messages of 50 a second took %v", took)
	}
}

// A filter that is gone costs an attempt now and then, not a processor.
func TestGoneFilterIsNotAskedWithoutPause(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := milter.NewServer(func(*milter.Conn) milter.Session { l.Close(); return slow{} }, milter.Options{})
	go server.Serve(l)
	o := Options{Network: "tcp", Address: l.Addr().String(), Duration: 3 * redialInterval}
	o.Message = milter.Message{Envelope: milter.Envelope{From: "a@example.com", Rcpts: []string{"b@example.org"}},
		Raw: Message("a@example.com", 100)}
	time.AfterFunc(redialInterval/2, func() { server.Close() })
	report, err := Run(t.Context(), o)
	if err != nil || report.Errors == 0 || report.Errors > 5 {
		t.Errorf("%v: %d errors, want one for each %v", err, report.Errors, redialInterval)
	}
}

// remembers adds up whom it was told of as the client of each message.
type remembers struct {
	slow
	mu   *sync.Mutex
	seen map[string]int
	addr *milter.ConnAddr
	from *string
}

func (s remembers) Connect(_ string, a milter.ConnAddr) milter.Response {
	*s.addr = a
	return milter.Continue
}

func (s remembers) MailFrom(from string, _ []string) milter.Response {
	*s.from = from
	return milter.Continue
}

func (s remembers) EndOfMessage(*milter.Edits) milter.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[*s.from+" "+s.addr.Addr.String()]++
	return milter.Continue
}

// TestEachMessageHasItsClient sends a mix over connections that are kept: the filter is
// told of the stranger with a stranger's mail, and of ours with ours.
func TestEachMessageHasItsClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]int{}
	server := milter.NewServer(func(*milter.Conn) milter.Session {
		return remembers{mu: &mu, seen: seen, addr: new(milter.ConnAddr), from: new(string)}
	}, milter.Options{})
	go server.Serve(l)
	defer server.Close()
	m := Mix{Sign: 1, Verify: 1, None: 1, From: "joe@d%d.example", Domains: 1, BodyBytes: 10}
	maker := m.Maker()
	o := Options{Network: "tcp", Address: l.Addr().String(), Connections: 4, Messages: 300,
		Make: func(n int64, to *milter.Message) string { maker(n, to); return "" }}
	o.Message.Envelope = milter.Envelope{Addr: milter.ConnAddr{Family: milter.FamilyInet, Port: 25}, Rcpts: []string{"b@example.org"}}
	report, err := Run(t.Context(), o)
	if err != nil || report.Errors > 0 {
		t.Fatal(err, report.FirstError)
	}
	all := 0
	for _, kind := range []string{"<joe@d0.example> 127.0.0.1", "<stranger@elsewhere.invalid> 192.0.2.1",
		"<nobody@bench.invalid> 127.0.0.1"} {
		all += seen[kind]
	}
	if all != 300 || len(seen) != 3 {
		t.Errorf("%v", seen)
	}
}

func TestMix(t *testing.T) {
	m := Mix{From: "joe@d%d.example", Domains: 50, Signed: []byte("DKIM-Signature: v=1\r\n\r\n")}
	if err := m.ParseShares("sign=60, verify=30,none=10"); err != nil {
		t.Fatal(err)
	}
	counts, domains, large := map[string]int{}, map[string]bool{}, 0
	made, again := m.Maker(), m.Maker()
	var message, same milter.Message
	const all = 5000
	for n := range int64(all) {
		expect := made(n, &message)
		again(n, &same)
		if message.From != same.From || !bytes.Equal(message.Raw, same.Raw) {
			t.Fatalf("number %d is not the same again", n)
		}
		if len(message.Raw) > 300_000 {
			large++
		}
		switch {
		case expect == "DKIM-Signature" && bytes.Contains(message.Raw, []byte("<"+message.From+">")) && message.Addr.Addr.IsLoopback():
			counts["sign"]++
			domains[message.From] = true
		case expect == "" && message.From == "nobody@bench.invalid" && message.Addr.Addr.IsLoopback():
			counts["none"]++
		case expect == "" && bytes.Equal(message.Raw, m.Signed) && !message.Addr.Addr.IsLoopback():
			counts["verify"]++
		default:
			t.Fatalf("%q of %s from %v", expect, message.From, message.Addr.Addr)
		}
	}
	for kind, share := range map[string]int{"sign": 60, "verify": 30, "none": 10} {
		if got := counts[kind] * 100 / all; got < share-3 || got > share+3 {
			t.Errorf("%s: %d of 100, want %d", kind, got, share)
		}
	}
	if len(domains) != m.Domains || large == 0 {
		t.Errorf("%d domains, %d large messages", len(domains), large)
	}
	for _, bad := range []string{"", "sign", "sign=x", "sign=-1", "forward=3", "sign=0,none=0"} {
		if err := new(Mix).ParseShares(bad); err == nil || !strings.Contains(err.Error(), "sign") && bad != "forward=3" && bad != "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
