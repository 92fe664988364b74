package dnstest

import (
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultUDPBytes = 512
	maxTCPBytes     = 65535
	maxChase        = 32
)

func (s *Server) serveDNS(w dns.ResponseWriter, r *dns.Msg) {
	if len(r.Question) != 1 {
		return
	}
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	f, handler := s.count(r, udp)
	if f.OnlyUDP && !udp {
		f = Fault{}
	}
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-s.done:
			return
		}
	}
	if f.Silent || f.SilentTCP && !udp {
		<-s.done
		return
	}
	if f.CloseTCP && !udp {
		w.Close()
		return
	}
	if handler != nil {
		handler.ServeDNS(w, r)
		return
	}
	s.misanswer(w, r, f, udp)
	m := s.reply(r, f)
	if f.Wire != nil {
		wire := append([]byte(nil), f.Wire...)
		if len(wire) >= 2 {
			wire[0], wire[1] = byte(r.Id>>8), byte(r.Id)
		}
		w.Write(wire)
		return
	}
	s.send(w, r, m, f, udp)
}

// count keeps the figures and gives what is to be done.
func (s *Server) count(r *dns.Msg, udp bool) (Fault, dns.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := dns.CanonicalName(r.Question[0].Name)
	s.queries[name]++
	s.byType[question{name, r.Question[0].Qtype}]++
	s.total++
	if !udp {
		s.tcp++
	}
	s.lastEDNS = r.IsEdns0() != nil
	f := s.fault(name)
	if f.FirstOnly {
		delete(s.faults, name)
	}
	return f, s.handler
}

// fault is what is set for a canonical name, or for all. The caller holds mu.
func (s *Server) fault(name string) Fault {
	if f, own := s.faults[name]; own {
		return f
	}
	return s.standard
}

// misanswer sends by UDP what comes before the answer: nobody forges what comes by TCP.
func (s *Server) misanswer(w dns.ResponseWriter, r *dns.Msg, f Fault, udp bool) {
	if !udp {
		return
	}
	for i := range f.StrayFirst {
		stray := s.reply(r, Fault{})
		if i%2 == 0 {
			stray.Id++
		} else {
			stray.Question[0].Name = "stray.invalid."
		}
		stray.Answer = nil
		w.WriteMsg(stray)
	}
}

func (s *Server) send(w dns.ResponseWriter, r, m *dns.Msg, f Fault, udp bool) {
	limit := maxTCPBytes
	if udp {
		limit = defaultUDPBytes
		if opt := r.IsEdns0(); opt != nil {
			limit = max(limit, int(opt.UDPSize()))
		}
		if f.Truncate || f.SilentTCP || f.CloseTCP || f.TruncateTCP || m.Len() > limit {
			m.Answer, m.Ns, m.Truncated = nil, nil, true
		}
	} else if f.TruncateTCP {
		m.Answer, m.Truncated = nil, true
	}
	m.Compress = !udp // 64 kB of answer has no room to waste
	w.WriteMsg(m)
}

func (s *Server) reply(r *dns.Msg, f Fault) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(r)
	m.RecursionAvailable = true
	s.mu.Lock()
	m.AuthenticatedData = s.ad
	s.mu.Unlock()
	if opt := r.IsEdns0(); opt != nil {
		if f.NoEDNS {
			m.Rcode = dns.RcodeFormatError
			return m
		}
		m.SetEdns0(1232, opt.Do())
	}
	switch {
	case f.Referral:
		m.RecursionAvailable = false
		m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.invalid."}}
	case f.NoData:
		s.deny(m, m.Question[0].Name)
	case f.Rcode == dns.RcodeNameError:
		m.Rcode = f.Rcode
		s.deny(m, m.Question[0].Name)
	case f.Rcode != 0:
		m.Rcode = f.Rcode
	case s.isAuthoritative():
		s.answerForZone(m)
	default:
		s.fill(m)
	}
	if f.NoAA {
		m.Authoritative = false
	}
	if f.WrongID {
		m.Id++
	}
	if f.WrongQuestion {
		m.Question[0].Name = "wrong.invalid."
	}
	if f.NoQuestion {
		m.Question = nil
	}
	return m
}

// fill answers from the records.
func (s *Server) fill(m *dns.Msg) {
	s.mu.Lock()
	name, qtype, chase := dns.CanonicalName(m.Question[0].Name), m.Question[0].Qtype, !s.noChase
	exists := false
	for range maxChase {
		var alias *dns.CNAME
		found := false
		exists = s.exists(name)
		for _, rr := range s.records[name] {
			if rr.Header().Rrtype == qtype {
				m.Answer = append(m.Answer, dns.Copy(rr))
				found = true
			} else if cname, ok := rr.(*dns.CNAME); ok {
				alias = cname
			}
		}
		if found {
			s.mu.Unlock()
			return
		}
		if alias == nil {
			alias = s.dname(m, name)
		}
		if alias == nil {
			break
		}
		m.Answer = append(m.Answer, dns.Copy(alias))
		name = dns.CanonicalName(alias.Target)
		if !chase {
			s.mu.Unlock()
			return
		}
	}
	s.mu.Unlock()
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	s.deny(m, name)
}

// dname applies a DNAME above name, as RFC 6672 has it.
func (s *Server) dname(m *dns.Msg, name string) *dns.CNAME {
	for i, end := dns.NextLabel(name, 0); !end; i, end = dns.NextLabel(name, i) {
		for _, rr := range s.records[name[i:]] {
			if dname, ok := rr.(*dns.DNAME); ok {
				m.Answer = append(m.Answer, dns.Copy(dname))
				return &dns.CNAME{
					Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: dname.Hdr.Ttl},
					Target: name[:i] + dname.Target,
				}
			}
		}
	}
	return nil
}

// exists reports whether there is anything at or below name.
func (s *Server) exists(name string) bool {
	for owner := range s.records {
		if owner == name || strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	return false
}

// deny adds the SOA of a negative answer: the zone is the name's parent.
func (s *Server) deny(m *dns.Msg, name string) {
	s.mu.Lock()
	negative := s.negative
	s.mu.Unlock()
	if negative == 0 {
		return
	}
	zone := "."
	if i, end := dns.NextLabel(name, 0); !end {
		zone = name[i:]
	}
	m.Ns = append(m.Ns, &dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: negative},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: negative,
	})
}
