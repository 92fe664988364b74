package keycheck

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// attacks are answers of an attacker's servers; n counts them.
var attacks = map[string]func(m *dns.Msg, q dns.Question, n int64){
	"referrals without end": func(m *dns.Msg, q dns.Question, n int64) {
		m.Authoritative = false
		for i := range 60 {
			m.Ns = append(m.Ns, rr("%s 60 IN NS ns%d.%s.example.org.", q.Name, i, strings.Repeat("k", 60)))
		}
	},
	"referral to itself": func(m *dns.Msg, q dns.Question, n int64) {
		m.Authoritative = false
		m.Ns = []dns.RR{rr("example.com. 60 IN NS ns1.example.com.")}
	},
	"a hundred servers": func(m *dns.Msg, q dns.Question, n int64) {
		for i := range 100 {
			m.Answer = append(m.Answer, rr("example.com. 60 IN NS ns%d-%d.example.org.", i, n))
		}
	},
	"aliases without end": func(m *dns.Msg, q dns.Question, n int64) {
		m.Answer = []dns.RR{rr("%s 60 IN CNAME x%d.example.com.", q.Name, n)}
	},
	"texts without end": func(m *dns.Msg, q dns.Question, n int64) {
		for i := range 120 { // more would not fit, and not be sent
			m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{
				fmt.Sprint(i), strings.Repeat("\\007", 255), strings.Repeat(`\"`, 255),
			}})
		}
	},
	"one long text": func(m *dns.Msg, q dns.Question, n int64) {
		txt := &dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
		for range 240 {
			txt.Txt = append(txt.Txt, strings.Repeat("p", 255))
		}
		m.Answer = append(m.Answer, txt)
	},
	"SOA of others": func(m *dns.Msg, q dns.Question, n int64) {
		m.Ns = append(m.Ns, rr("com. 60 IN SOA a. b. 1 1 1 1 2147483647"), rr("x.%s 60 IN SOA a. b. 1 1 1 1 1", q.Name), rr(". 60 IN SOA a. b. 1 1 1 1 1"))
	},
}

// A zone of an attacker's cannot make one check ask more than it may, nor say more than a
// report can hold.
func TestHostileServers(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var n atomic.Int64
			handler := dns.HandlerFunc(func(rw dns.ResponseWriter, r *dns.Msg) {
				m := new(dns.Msg)
				m.SetReply(r)
				m.Authoritative = true
				attack(m, r.Question[0], n.Add(1))
				if m.Compress = true; m.Len() > 1200 && rw.RemoteAddr().Network() == "udp" {
					m.Answer, m.Ns, m.Truncated = nil, nil, true
				}
				rw.WriteMsg(m)
			})
			w.ns1.SetHandler(handler)
			w.ns2.SetHandler(handler)
			const most = 60
			c := w.checker(t, func(o *Options) { o.MaxQueries, o.TryTime = most, 100*time.Millisecond })
			r := c.Check(t.Context(), Check{Domain: "example.com", Selector: "mail", Key: w.key, Diagnose: true})
			sum := 0
			for _, s := range []*dnstest.Server{w.recursive, w.root, w.com, w.ns1, w.ns2} {
				total, tcp := s.Total()
				sum += total - tcp // what was cut short is asked again
			}
			if sum > most || r.OK || r.Publication == Published {
				t.Errorf("%d queries, %s", sum, r.Publication)
			}
			if text, err := json.Marshal(r); err != nil || len(text) > 300_000 {
				t.Errorf("%d octets, %v", len(text), err)
			}
		})
	}
}

func rr(format string, args ...any) dns.RR {
	rr, err := dns.NewRR(fmt.Sprintf(format, args...))
	if err != nil {
		panic(err)
	}
	return rr
}

// FuzzAnswer: whatever stands in an answer, reading it neither fails nor believes what
// is about another name.
func FuzzAnswer(f *testing.F) {
	add := func(records ...dns.RR) {
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Answer: records, Ns: records}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	add()
	add(rr(`mail._domainkey.example.com. 60 IN TXT "a" "b"`), rr("mail._domainkey.example.com. 4294967295 IN CNAME mail._domainkey.example.com."))
	add(rr("example.com. 60 IN DNAME example.net."), rr("example.com. 60 IN SOA a. b. 1 1 1 1 1"), rr(`other.example.com. 60 IN TXT "no"`), rr("example.com. 1 IN NS a."))
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		const name = "mail._domainkey.example.com"
		a := answer{}
		a.read(m, nil, name)
		for i, text := range a.Texts {
			if len(text.Text) > maxTextBytes || i >= maxTexts || !text.Cut && strings.Join(text.Strings, "") != text.Text {
				t.Errorf("%+v", text)
			}
		}
		if a.State != NoAnswer && (!m.Authoritative || a.TTLSeconds != nil && *a.TTLSeconds < 0) || a.State == NoAnswer && a.Error == "" {
			t.Errorf("%+v", a.Server)
		}
		if cut := cutIn(m, "com", name); cut != "" && (!isBelow(name, cut) || !isBelow(cut, "com")) {
			t.Errorf("%q", cut)
		}
		p := place{zone: "example.com"}
		p.refer(m)
		if len(p.hosts) > maxHosts {
			t.Errorf("%d hosts", len(p.hosts))
		}
	})
}

// Many checks of one domain's keys ask the root once.
func TestRootIsAskedSeldom(t *testing.T) {
	w := newWorld(t)
	c := w.checker(t, nil)
	for range 20 {
		c.Check(t.Context(), Check{Domain: "example.com", Selector: fmt.Sprintf("s%d", rand.Uint32()), Key: w.key})
	}
	if n, _ := w.root.Total(); n > 4 {
		t.Errorf("the root's server was asked %d times", n)
	}
}

// In a network that lets nobody ask servers outside, the resolver's word is had soon.
func TestBlockedNetwork(t *testing.T) {
	w := newWorld(t)
	w.everywhere(w.mailRecord, w.right)
	for _, s := range []*dnstest.Server{w.root, w.com, w.ns1, w.ns2} {
		s.SetDefaultFault(dnstest.Fault{Silent: true})
	}
	w.recursive.AddRR("com. IN NS a.com.")
	w.recursive.AddRR("a.com. IN A 192.0.2.251")
	w.recursive.AddRR("example.com. IN NS ns1.example.com.")
	c := w.checker(t, func(o *Options) { o.AskAnyway = true })
	r := c.Check(t.Context(), Check{Domain: "example.com", Selector: "mail", Key: w.key})
	if !r.OK || r.Publication != ServerSilent || codes(r) != "server-no-answer" || r.Cache == nil {
		t.Errorf("%s %s %+v", r.Publication, codes(r), r)
	}
	asked := 0
	for _, s := range []*dnstest.Server{w.root, w.com, w.ns1, w.ns2} {
		n, _ := s.Total()
		asked += n
	}
	if most := 5 * serverTries; asked > most {
		t.Errorf("%d questions that nobody answers, more than %d", asked, most)
	}
}
