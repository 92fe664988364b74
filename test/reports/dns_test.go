package reports

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"dojang/internal/testutil"

	"github.com/miekg/dns"
)

// serveDNS answers with TXT records on port 53 of an address of loopback, for
// opendkim's Nameservers knows no ports, and its VBR no TestDNSData.
func serveDNS(t *testing.T, records map[string]string) (addr string) {
	t.Helper()
	testutil.NeedRoot(t)
	for i := range 16 {
		addr = fmt.Sprintf("127.%d.%d.%d", 100+i, os.Getpid()>>8&255, 1+os.Getpid()&127)
		conn, err := net.ListenPacket("udp", addr+":53")
		if err != nil {
			continue
		}
		up := make(chan struct{})
		s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(up) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.RecursionAvailable = true
			q := r.Question[0]
			text, known := records[strings.ToLower(strings.TrimSuffix(q.Name, "."))]
			switch {
			case !known:
				m.Rcode = dns.RcodeNameError
			case q.Qtype == dns.TypeTXT:
				m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: chunks(text)})
			}
			w.WriteMsg(m)
		})}
		go s.ActivateAndServe()
		<-up
		t.Cleanup(func() { s.Shutdown() })
		return addr
	}
	t.Skip("cannot serve port 53 on loopback")
	return ""
}

func chunks(text string) (all []string) {
	for len(text) > 255 {
		all, text = append(all, text[:255]), text[255:]
	}
	return append(all, text)
}
