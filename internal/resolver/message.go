package resolver

import (
	"errors"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"dojang/internal/problem"
)

var (
	errReferral = errors.New("it refers us to other servers: it is not a recursive name server")
	errChain    = errors.New("too many aliases (CNAME)")
	errLoop     = errors.New("an alias (CNAME) leads back to itself")
	errBadDNAME = errors.New("a DNAME makes the name too long")
)

type rcodeError int

func (r rcodeError) Error() string {
	if name, ok := dns.RcodeToString[int(r)]; ok {
		return "it answered " + name
	}
	return "it answered with code " + strconv.Itoa(int(r))
}

// failureOf returns what makes an answer unusable, nil for a usable one; another server
// should be asked then.
// What a trusted server says about DNSSEC is believed.
func failureOf(m *dns.Msg, trusted bool) *failure {
	switch m.Rcode {
	case dns.RcodeSuccess:
		if isReferral(m) {
			return &failure{KindRefused, errReferral}
		}
		return nil
	case dns.RcodeNameError:
		return nil
	case dns.RcodeServerFailure:
		bogus, err := extendedError(m)
		if bogus && trusted {
			return &failure{KindBogus, err}
		}
		return &failure{KindServFail, err}
	case dns.RcodeRefused, dns.RcodeNotAuth:
		_, err := extendedError(m)
		return &failure{KindRefused, err}
	}
	return &failure{KindServFail, rcodeError(m.Rcode)}
}

// extendedError gives a server's own explanation (RFC 8914), nil when there is none,
// and whether it is about DNSSEC validation.
func extendedError(m *dns.Msg) (bogus bool, err error) {
	opt := m.IsEdns0()
	if opt == nil {
		return false, nil
	}
	for _, option := range opt.Option {
		ede, ok := option.(*dns.EDNS0_EDE)
		if !ok {
			continue
		}
		meaning, known := dns.ExtendedErrorCodeToString[ede.InfoCode]
		if !known {
			meaning = "extended error " + strconv.Itoa(int(ede.InfoCode))
		}
		text := "it says: " + meaning
		if ede.ExtraText != "" {
			text += " (" + problem.Quote(ede.ExtraText) + ")"
		}
		switch ede.InfoCode {
		case dns.ExtendedErrorCodeDNSBogus, dns.ExtendedErrorCodeSignatureExpired, dns.ExtendedErrorCodeSignatureNotYetValid,
			dns.ExtendedErrorCodeDNSKEYMissing, dns.ExtendedErrorCodeRRSIGsMissing, dns.ExtendedErrorCodeNoZoneKeyBitSet,
			dns.ExtendedErrorCodeNSECMissing:
			bogus = true
		}
		return bogus, errors.New(text)
	}
	return false, nil
}

// isReferral recognises the answer of a server that does not recurse for us.
func isReferral(m *dns.Msg) bool {
	if len(m.Answer) > 0 || m.Authoritative || m.RecursionAvailable {
		return false
	}
	referral := false
	for _, rr := range m.Ns {
		switch rr.Header().Rrtype {
		case dns.TypeSOA:
			return false
		case dns.TypeNS:
			referral = true
		}
	}
	return referral
}

// hop is what one message says about one name: records, an alias, or nothing.
type hop struct {
	records []dns.RR // of the type asked for
	alias   dns.RR   // the CNAME or DNAME that leads on
	target  string   // canonical
}

// hopAt looks in a message's answer section.
func hopAt(m *dns.Msg, name string, qtype uint16) (hop, error) {
	var h hop
	var dname *dns.DNAME
	for _, rr := range m.Answer {
		header := rr.Header()
		if header.Class != dns.ClassINET {
			continue
		}
		owner := dns.CanonicalName(header.Name)
		switch {
		case owner == name && header.Rrtype == qtype:
			h.records = append(h.records, rr)
		case owner == name && header.Rrtype == dns.TypeCNAME:
			if h.alias == nil {
				h.alias, h.target = rr, dns.CanonicalName(rr.(*dns.CNAME).Target)
			}
		case header.Rrtype == dns.TypeDNAME && owner != name && dns.IsSubDomain(owner, name):
			dname, _ = rr.(*dns.DNAME)
		}
	}
	if h.records == nil && h.alias == nil && dname != nil {
		target, err := substitute(dname, name)
		if err != nil {
			return h, err
		}
		h.alias, h.target = dname, target
	}
	return h, nil
}

// substitute is RFC 6672 §2.2.
func substitute(rr *dns.DNAME, name string) (string, error) {
	owner := dns.CanonicalName(rr.Hdr.Name)
	prefix := strings.TrimSuffix(name, owner)
	if owner == "." {
		prefix = name
	}
	target := prefix + dns.CanonicalName(rr.Target)
	if rr.Target == "." {
		target = prefix
	}
	if _, ok := dns.IsDomainName(target); !ok || len(target) > maxNameOctets+1 {
		return "", errBadDNAME
	}
	return target, nil
}

// soaFor gives the SOA of a negative answer for name.
func soaFor(m *dns.Msg, name string) *dns.SOA {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(dns.CanonicalName(soa.Hdr.Name), name) {
			return soa
		}
	}
	return nil
}

// minTTL is the shortest life among records, in seconds.
func minTTL(rrs []dns.RR) uint32 {
	least := uint32(1<<31 - 1)
	for _, rr := range rrs {
		ttl := rr.Header().Ttl
		if ttl > 1<<31-1 { // RFC 2181 §8: the top bit set means zero
			ttl = 0
		}
		least = min(least, ttl)
	}
	return least
}

// texts joins the strings of each TXT record and undoes miekg/dns's presentation
// escapes: RFC 6376 §3.6.2.2.
func texts(rrs []dns.RR) []string {
	list := make([]string, 0, len(rrs))
	for _, rr := range rrs {
		if txt, ok := rr.(*dns.TXT); ok {
			list = append(list, unescape(strings.Join(txt.Txt, "")))
		}
	}
	return list
}

// unescape turns \DDD and \c into the octets that were on the wire.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b = append(b, s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+(s[i+3]-'0'))
			i += 3
		default:
			i++
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
