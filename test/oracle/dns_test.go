package oracle

import (
	"strings"
	"testing"

	"dojang/internal/testutil/dnstest"

	"github.com/miekg/dns"
)

// serveDNS serves a case's records, for opendkim's Nameservers knows no ports. It
// needs the superuser.
func serveDNS(t *testing.T, records map[string]string) (addr string) {
	t.Helper()
	s := dnstest.OnPort53(t)
	for name, text := range records {
		target, isAlias := strings.CutPrefix(text, "CNAME ")
		switch {
		case text == "TIMEOUT":
			s.SetFault(name, dnstest.Fault{Silent: true})
		case text == "SERVFAIL":
			s.SetFault(name, dnstest.Fault{Rcode: dns.RcodeServerFailure})
		case text == "REFUSED":
			s.SetFault(name, dnstest.Fault{Rcode: dns.RcodeRefused})
		case text == "NODATA":
			s.SetFault(name, dnstest.Fault{NoData: true})
		case isAlias:
			s.AddCNAME(name, target)
		default:
			for one := range strings.SplitSeq(text, " || ") {
				s.AddTXT(name, one)
			}
		}
	}
	return s.Addr
}
