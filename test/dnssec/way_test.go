package dnssec

import (
	"encoding/base64"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
)

// waylayings are what somebody on the way could do to answers. Whatever each does to
// the verdict, it must do the same to unbound's.
var waylayings = []struct {
	what   string
	change func(q dns.Question, m *dns.Msg)
}{
	{"nothing", func(dns.Question, *dns.Msg) {}},
	{"no signatures over TXT", func(_ dns.Question, m *dns.Msg) { dropSignatures(&m.Answer, dns.TypeTXT) }},
	{"no signatures over CNAME", func(_ dns.Question, m *dns.Msg) { dropSignatures(&m.Answer, dns.TypeCNAME) }},
	{"no denial", func(_ dns.Question, m *dns.Msg) { m.Ns = slices.DeleteFunc(m.Ns, isDenial) }},
	{"no denial but the first", func(_ dns.Question, m *dns.Msg) {
		seen := ""
		m.Ns = slices.DeleteFunc(m.Ns, func(rr dns.RR) bool {
			if !isDenial(rr) {
				return false
			}
			if seen == "" {
				seen = rr.Header().Name
			}
			return rr.Header().Name != seen
		})
	}},
	{"no denial but the last", func(_ dns.Question, m *dns.Msg) {
		last := ""
		for _, rr := range m.Ns {
			if isDenial(rr) {
				last = rr.Header().Name
			}
		}
		m.Ns = slices.DeleteFunc(m.Ns, func(rr dns.RR) bool { return isDenial(rr) && rr.Header().Name != last })
	}},
	{"denials unsigned", func(_ dns.Question, m *dns.Msg) {
		m.Ns = slices.DeleteFunc(m.Ns, denies)
	}},
	{"denial of TXT by an empty answer", func(q dns.Question, m *dns.Msg) {
		if q.Qtype == dns.TypeTXT {
			m.Answer = nil
		}
	}},
	{"TXT does not exist, says the code", func(q dns.Question, m *dns.Msg) {
		if q.Qtype == dns.TypeTXT && len(m.Answer) == 0 {
			m.Rcode = dns.RcodeNameError
		}
	}},
	{"TXT may exist, says the code", func(q dns.Question, m *dns.Msg) {
		if q.Qtype == dns.TypeTXT {
			m.Rcode = dns.RcodeSuccess
		}
	}},
	{"no DS", func(q dns.Question, m *dns.Msg) {
		if q.Qtype == dns.TypeDS {
			m.Answer = nil
		}
	}},
	{"no signatures over DS", func(_ dns.Question, m *dns.Msg) { dropSignatures(&m.Answer, dns.TypeDS) }},
	{"no signatures over DNSKEY below the root", func(q dns.Question, m *dns.Msg) {
		if q.Name != "." {
			dropSignatures(&m.Answer, dns.TypeDNSKEY)
		}
	}},
	{"no DNSKEY below the root", func(q dns.Question, m *dns.Msg) {
		if q.Qtype == dns.TypeDNSKEY && q.Name != "." {
			m.Answer = nil
		}
	}},
	{"signatures bent", func(q dns.Question, m *dns.Msg) {
		eachSignature(m, func(sig *dns.RRSIG) {
			raw, _ := base64.StdEncoding.DecodeString(sig.Signature)
			raw[len(raw)/2] ^= 1
			sig.Signature = base64.StdEncoding.EncodeToString(raw)
		}, dns.TypeTXT, dns.TypeNSEC, dns.TypeNSEC3)
	}},
	{"signed by the parent", func(q dns.Question, m *dns.Msg) {
		eachSignature(m, func(sig *dns.RRSIG) { sig.SignerName = parentOf(dns.CanonicalName(sig.SignerName)) }, dns.TypeTXT)
	}},
	{"made from a wildcard", func(q dns.Question, m *dns.Msg) {
		eachSignature(m, func(sig *dns.RRSIG) { sig.Labels-- }, dns.TypeTXT)
	}},
	{"made from no wildcard", func(q dns.Question, m *dns.Msg) {
		eachSignature(m, func(sig *dns.RRSIG) { sig.Labels = uint8(dns.CountLabel(sig.Hdr.Name)) }, dns.TypeTXT)
	}},
	{"signatures live longer", func(q dns.Question, m *dns.Msg) {
		eachSignature(m, func(sig *dns.RRSIG) { sig.Expiration += 3600 }, dns.TypeTXT, dns.TypeDNSKEY)
	}},
	{"records live longer", func(q dns.Question, m *dns.Msg) {
		for _, rr := range m.Answer {
			rr.Header().Ttl += 3600
		}
	}},
	{"another text", func(q dns.Question, m *dns.Msg) {
		for _, rr := range m.Answer {
			if txt, ok := rr.(*dns.TXT); ok {
				txt.Txt = []string{"forged"}
			}
		}
	}},
	{"one more text", func(q dns.Question, m *dns.Msg) {
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == dns.TypeTXT {
				forged := dns.Copy(rr).(*dns.TXT)
				forged.Txt = []string{"forged"}
				m.Answer = append(m.Answer, forged)
				return
			}
		}
	}},
	{"opt-out where there is none", func(q dns.Question, m *dns.Msg) {
		for _, rr := range m.Ns {
			if nsec3, ok := rr.(*dns.NSEC3); ok {
				nsec3.Flags ^= 1 // RFC 5155 §3.1.2.1
			}
		}
	}},
	{"capitals", func(q dns.Question, m *dns.Msg) {
		for _, rr := range slices.Concat(m.Answer, m.Ns) {
			if rr.Header().Rrtype != dns.TypeOPT {
				rr.Header().Name = strings.ToUpper(rr.Header().Name)
			}
		}
	}},
	{"backwards", func(q dns.Question, m *dns.Msg) { slices.Reverse(m.Ns) }},
}

func dropSignatures(rrs *[]dns.RR, over uint16) {
	*rrs = slices.DeleteFunc(*rrs, func(rr dns.RR) bool { return covers(rr, over) })
}

// isDenial tells NSEC and NSEC3 records and the signatures over them.
func isDenial(rr dns.RR) bool {
	t := rr.Header().Rrtype
	return t == dns.TypeNSEC || t == dns.TypeNSEC3 || denies(rr)
}

func eachSignature(m *dns.Msg, change func(*dns.RRSIG), types ...uint16) {
	for _, rr := range slices.Concat(m.Answer, m.Ns) {
		if sig, ok := rr.(*dns.RRSIG); ok && covers(sig, types...) {
			change(sig)
		}
	}
}

// tamperedNames are one of each kind.
var tamperedNames = []string{
	"k.secure.test", "k.child.secure.test", "k.insecure.test", "k.plain.secure.test", "k.zone.three", "k.plain.three",
	"gone.secure.test", "only-a.secure.test", "below.secure.test", "a.wild.secure.test", "there.wild.secure.test",
	"gone.zone.three", "only-a.zone.three", "below.zone.three", "a.wild.zone.three", "gone.insecure.test",
	"k.plain.optout", "k.signed.optout", "gone.optout", "to-secure.secure.test", "to-insecure.secure.test", "k.old.secure.test",
	"x.wildalias.secure.test", "to-secure.insecure.test",
}

func TestTamperedAnswersAgainstUnbound(t *testing.T) {
	t.Parallel()
	testutil.Need(t, "named", "unbound", "dnssec-keygen", "dnssec-signzone", "dnssec-dsfromkey")
	tr := buildTree(t, realZones())
	forwarder := tr.startForwarder()
	proxy := dnstest.New(t, "")
	var current atomic.Int32
	proxy.SetHandler(dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		client := dns.Client{Net: "tcp", Timeout: 3 * time.Second}
		m, _, err := client.Exchange(r, forwarder)
		if err != nil {
			m = new(dns.Msg)
			m.SetRcode(r, dns.RcodeServerFailure)
		}
		waylayings[current.Load()].change(r.Question[0], m)
		m.Compress = true
		if w.RemoteAddr().Network() == "udp" && m.Len() > 1232 {
			m.Answer, m.Ns, m.Extra, m.Truncated = nil, nil, nil, true
		}
		w.WriteMsg(m)
	}))
	for i, tampering := range waylayings {
		t.Run(tampering.what, func(t *testing.T) {
			current.Store(int32(i))
			unbound := tr.startUnbound(t, proxy.Addr)
			d, err := resolver.New(resolver.Options{Nameservers: []string{proxy.Addr}, TrustAnchorFile: tr.anchor,
				Timeout: 3 * time.Second, Attempts: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range tamperedNames {
				theirs := unboundSays(t, unbound, name)
				ours, err := weSay(t, d, name)
				if ours != theirs {
					t.Errorf("%s: %v, unbound says %v: %v", name, ours, theirs, err)
				}
			}
		})
	}
}
