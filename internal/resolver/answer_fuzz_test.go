package resolver

import (
	"bytes"
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"
)

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
