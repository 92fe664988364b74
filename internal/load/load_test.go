package load

import (
	"bytes"
	"net"
	"strings"
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
	o.Rate, o.Messages = 50, 25
	start := time.Now()
	if report, err = Run(t.Context(), o); err != nil || report.Messages != 25 {
		t.Fatalf("%v: %+v", err, report)
	}
	if took := time.Since(start); took < 480*time.Millisecond {
		t.Errorf("25 messages of 50 a second took %v", took)
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
