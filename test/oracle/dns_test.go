package oracle

import (
	"fmt"
	"hash/fnv"
	"net"
	"strings"
	"testing"

	"dojang/internal/testutil"

	"github.com/miekg/dns"
)

// serveDNS answers on port 53 of an address of loopback, for opendkim's
// Nameservers knows no ports. It needs the superuser.
func serveDNS(t *testing.T, records map[string]string) (addr string) {
	t.Helper()
	h := fnv.New32()
	h.Write([]byte(t.Name()))
	var udp net.PacketConn
	var tcp net.Listener
	for i := range uint32(16) {
		n := h.Sum32() + i
		addr = fmt.Sprintf("127.%d.%d.%d", 64+n>>16&63, n>>8&255, 1+n&127)
		var err error
		if udp, err = net.ListenPacket("udp", addr+":53"); err != nil {
			if testutil.PeersRequired() && i == 15 {
				t.Fatal(err)
			}
			continue
		}
		if tcp, err = net.Listen("tcp", addr+":53"); err == nil {
			break
		}
		udp.Close()
		udp = nil
	}
	if udp == nil {
		t.Skip("cannot serve port 53 on loopback")
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) { answerDNS(w, r, records) })
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go s.ActivateAndServe()
		<-up
		t.Cleanup(func() { s.Shutdown() })
	}
	return addr
}

func answerDNS(w dns.ResponseWriter, r *dns.Msg, records map[string]string) {
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	q := r.Question[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	text, known := records[name]
	header := dns.RR_Header{Name: q.Name, Class: dns.ClassINET, Ttl: 60}
	switch target, isAlias := strings.CutPrefix(text, "CNAME "); {
	case text == "TIMEOUT":
		return
	case text == "SERVFAIL":
		m.Rcode = dns.RcodeServerFailure
	case text == "REFUSED":
		m.Rcode = dns.RcodeRefused
	case text == "NODATA":
	case isAlias:
		header.Rrtype = dns.TypeCNAME
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: header, Target: dns.Fqdn(target)})
	case known && q.Qtype == dns.TypeTXT:
		header.Rrtype = dns.TypeTXT
		for one := range strings.SplitSeq(text, " || ") {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: chunks(one)})
		}
	case !known && !above(name, records):
		m.Rcode = dns.RcodeNameError
	}
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(1232, false)
	}
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		m.Truncate(1232)
	}
	w.WriteMsg(m)
}

func above(name string, records map[string]string) bool {
	for known := range records {
		if name == "" || strings.HasSuffix(known, "."+name) {
			return true
		}
	}
	return false
}

func chunks(text string) []string {
	var all []string
	for len(text) > 255 {
		all, text = append(all, text[:255]), text[255:]
	}
	return append(all, text)
}
