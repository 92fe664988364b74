package resolver

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// said is what a server says over a connection before it closes it: messages, each made of
// the question's ID.
type said func(id uint16) [][]byte

// answerTo is an answer of a server to k.example.
func answerTo(id uint16, change func(*dns.Msg)) []byte {
	m := new(dns.Msg)
	m.SetQuestion("k.example.", dns.TypeTXT)
	m.Id, m.Response = id, true
	if change != nil {
		change(m)
	}
	wire, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return wire
}

func framed(wire []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
}

// dialing gives connections to a server that reads a question and says what it has to.
func dialing(t *testing.T, s said, tcp bool) Options {
	return Options{Nameservers: []string{"192.0.2.1"}, MaxAnswerBytes: 2000, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			question := make([]byte, 512)
			n, err := far.Read(question)
			if err != nil {
				return
			}
			if question = question[:n]; tcp {
				question = question[2:]
			}
			for _, b := range s(binary.BigEndian.Uint16(question)) {
				if _, err := far.Write(b); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() { near.Close() })
		return near, nil
	}}
}

// TestWhatServersSayByTCP (RFC 7766 §8): what is cut, too long or to another question is no
// answer, and each is told as what it is.
func TestWhatServersSayByTCP(t *testing.T) {
	for name, c := range map[string]struct {
		says said
		want Kind // 0 for an answer
	}{
		"good":          {func(id uint16) [][]byte { return [][]byte{framed(answerTo(id, nil))} }, 0},
		"in pieces":     {func(id uint16) [][]byte { f := framed(answerTo(id, nil)); return [][]byte{f[:1], f[1:7], f[7:]} }, 0},
		"nothing":       {func(uint16) [][]byte { return nil }, KindNetwork},
		"half a length": {func(uint16) [][]byte { return [][]byte{{0}} }, KindNetwork},
		"a length":      {func(uint16) [][]byte { return [][]byte{{0, 40}} }, KindNetwork},
		"half of it":    {func(id uint16) [][]byte { f := framed(answerTo(id, nil)); return [][]byte{f[:len(f)-1]} }, KindNetwork},
		"too short":     {func(uint16) [][]byte { return [][]byte{{0, 5, 1, 2, 3, 4, 5}} }, KindMalformed},
		"too long":      {func(uint16) [][]byte { return [][]byte{{7, 0xd1}} }, KindTooLarge},
		"another ID":    {func(id uint16) [][]byte { return [][]byte{framed(answerTo(id+1, nil))} }, KindMalformed},
		"a question": {func(id uint16) [][]byte {
			return [][]byte{framed(answerTo(id, func(m *dns.Msg) { m.Response = false }))}
		}, KindMalformed},
		"another question": {func(id uint16) [][]byte {
			return [][]byte{framed(answerTo(id, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }))}
		}, KindMalformed},
		"truncated": {func(id uint16) [][]byte {
			return [][]byte{framed(answerTo(id, func(m *dns.Msg) { m.Truncated = true }))}
		}, KindMalformed},
		"broken": {func(id uint16) [][]byte { w := answerTo(id, nil); return [][]byte{framed(w[:len(w)-1])} }, KindMalformed},
	} {
		d := newTestDNS(t, dialing(t, c.says, true))
		q := query{name: "k.example.", qtype: dns.TypeTXT}
		packed, id, err := q.wire(true)
		if err != nil {
			t.Fatal(err)
		}
		m, fail := d.askTCP(t.Context(), netip.MustParseAddrPort("192.0.2.1:53"), q, packed, id)
		switch {
		case c.want == 0 && (fail != nil || m == nil):
			t.Errorf("%s: %+v", name, fail)
		case c.want != 0 && (fail == nil || fail.kind != c.want):
			t.Errorf("%s: %v, %+v, want %v", name, m, fail, c.want)
		}
	}
}

// TestWhatServersSayByUDP: what is not an answer to the question is passed over, so many
// times (RFC 5452 §9.1), and one that is cut is asked for by TCP.
func TestWhatServersSayByUDP(t *testing.T) {
	stray := func(id uint16, n int) (list [][]byte) {
		for range n {
			list = append(list, answerTo(id+1, nil))
		}
		return list
	}
	for name, c := range map[string]struct {
		says      said
		truncated bool
		want      Kind
	}{
		"good":            {func(id uint16) [][]byte { return [][]byte{answerTo(id, nil)} }, false, 0},
		"behind a stray":  {func(id uint16) [][]byte { return append(stray(id, 1), answerTo(id, nil)) }, false, 0},
		"behind many":     {func(id uint16) [][]byte { return append(stray(id, maxStrayDatagrams-1), answerTo(id, nil)) }, false, 0},
		"behind too many": {func(id uint16) [][]byte { return append(stray(id, maxStrayDatagrams), answerTo(id, nil)) }, true, 0},
		"behind other ones": {func(id uint16) [][]byte {
			return [][]byte{answerTo(id, func(m *dns.Msg) { m.Question[0].Name = "x." }), answerTo(id, nil)}
		}, false, 0},
		"nothing":   {func(uint16) [][]byte { return nil }, false, KindNetwork},
		"truncated": {func(id uint16) [][]byte { return [][]byte{answerTo(id, func(m *dns.Msg) { m.Truncated = true })} }, true, 0},
		"broken": {func(id uint16) [][]byte {
			return [][]byte{append(answerTo(id, func(m *dns.Msg) { m.Answer = []dns.RR{txt()} }), 1)[:40]}
		}, false, KindMalformed},
	} {
		d := newTestDNS(t, dialing(t, c.says, false))
		q := query{name: "k.example.", qtype: dns.TypeTXT}
		packed, id, err := q.wire(true)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		m, truncated, fail := d.askUDP(ctx, netip.MustParseAddrPort("192.0.2.1:53"), q, packed, id)
		cancel()
		switch {
		case truncated != c.truncated:
			t.Errorf("%s: truncated %v", name, truncated)
		case c.want == 0 && !truncated && (fail != nil || m == nil):
			t.Errorf("%s: %+v", name, fail)
		case c.want != 0 && (fail == nil || fail.kind != c.want):
			t.Errorf("%s: %v, %+v, want %v", name, m, fail, c.want)
		}
	}
}

func txt() dns.RR {
	return &dns.TXT{Hdr: dns.RR_Header{Name: "k.example.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
		Txt: []string{"v=DKIM1; p="}}
}
