package dnstest

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestServerAnswers(t *testing.T) {
	s := New(t, "k._domainkey.example.com 60 IN TXT \"v=DKIM1; \" \"p=abc\"\nalias.example.com IN CNAME k._domainkey.example.com.\n")
	for _, network := range []string{"udp", "tcp"} {
		m := new(dns.Msg)
		m.SetQuestion("alias.example.com.", dns.TypeTXT)
		client := dns.Client{Net: network, Timeout: 2 * time.Second}
		r, _, err := client.Exchange(m, s.Addr)
		if err != nil || len(r.Answer) != 2 {
			t.Fatalf("%s: %v, %v", network, r, err)
		}
	}
	if n := s.Queries("ALIAS.example.com"); n != 2 {
		t.Errorf("%d queries counted, want 2", n)
	}
}
