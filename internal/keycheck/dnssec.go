package keycheck

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/resolver"
)

const (
	// signatureLeft is how long a signature must still be good: a zone that stopped
	// being signed is told before mail fails.
	signatureLeft = 24 * time.Hour
	// maxVerified bounds the signatures verified for one answer: who writes a zone can
	// give many keys one tag (CVE-2023-50387).
	maxVerified = 8
	maxKeys     = 16
)

// validate looks at the signatures that each server gives, when the parent zone says
// that there must be some. The keys are those that the parent's DS records name; the
// chain above them is the resolver's matter.
func (r *run) validate(ctx context.Context, s *step) {
	p := s.place
	if p.parent == nil {
		return
	}
	s.zone.Parent = p.parent.zone
	ds, known := r.delegationSigners(ctx, p)
	if !known {
		return
	}
	signed := len(ds) > 0
	s.zone.Signed = &signed
	if !signed {
		return
	}
	s.keys = r.zoneKeys(ctx, s, ds)
	if s.keys == nil && r.report.Link == nil && slices.ContainsFunc(s.answers, func(a *answer) bool { return a.msg != nil }) {
		r.report.Link = &Link{Zone: p.zone, Type: "DNSKEY"}
	}
	for _, a := range s.answers {
		if a.msg == nil {
			continue
		}
		a.judgeSignature(s, r.options.Now())
		if a.unsigned() && a.Signature != SignatureEnding && r.report.Link == nil {
			r.report.Link = &Link{Zone: p.zone, Type: "RRSIG", Detail: string(a.Signature)}
		}
	}
}

// delegationSigners asks the parent's servers for the zone's DS records.
func (r *run) delegationSigners(ctx context.Context, p *place) (list []*dns.DS, known bool) {
	for _, a := range r.askSome(ctx, p.parent, resolver.Question{Name: p.zone, Type: dns.TypeDS, DNSSEC: true}) {
		if !a.msg.Authoritative {
			continue
		}
		known = true
		for _, rr := range a.msg.Answer {
			if ds, ok := rr.(*dns.DS); ok && fromWire(ds.Hdr.Name) == p.zone && usable(ds) && len(list) < maxKeys {
				list = append(list, ds)
			}
		}
		break
	}
	return list, known
}

// usable reports whether a DS record is of algorithms that validators know. RFC 4035
// §5.2: a zone with none of these is as good as unsigned.
func usable(ds *dns.DS) bool {
	switch ds.Algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512, dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
	default:
		return false
	}
	return ds.DigestType == dns.SHA1 || ds.DigestType == dns.SHA256 || ds.DigestType == dns.SHA384
}

// zoneKeys is the zone's DNSKEY records when one of them is named by the parent and
// has signed them, nil else.
func (r *run) zoneKeys(ctx context.Context, s *step, list []*dns.DS) []*dns.DNSKEY {
	for _, a := range s.answers {
		if a.msg == nil {
			continue
		}
		m, _, err := r.ask(ctx, a.addr, resolver.Question{Name: s.place.zone, Type: dns.TypeDNSKEY, DNSSEC: true})
		if err != nil || !m.Authoritative {
			continue
		}
		set, sigs := recordsOf(m, s.place.zone, dns.TypeDNSKEY)
		var keys, entry []*dns.DNSKEY
		for _, rr := range set[:min(len(set), maxKeys)] {
			key := rr.(*dns.DNSKEY)
			keys = append(keys, key)
			if slices.ContainsFunc(list, func(ds *dns.DS) bool {
				made := key.ToDS(ds.DigestType)
				return ds.KeyTag == key.KeyTag() && made != nil && made.Digest == ds.Digest
			}) {
				entry = append(entry, key)
			}
		}
		if state, _ := verify(set, sigs, entry, r.options.Now()); state == SignatureValid || state == SignatureEnding {
			return keys
		}
	}
	return nil
}

// recordsOf is what the answer section has of a name and type, and the signatures over it.
func recordsOf(m *dns.Msg, name string, qtype uint16) (set []dns.RR, sigs []*dns.RRSIG) {
	for _, rr := range m.Answer {
		if fromWire(rr.Header().Name) != name {
			continue
		}
		if sig, ok := rr.(*dns.RRSIG); ok && sig.TypeCovered == qtype {
			sigs = append(sigs, sig)
		} else if rr.Header().Rrtype == qtype {
			set = append(set, rr)
		}
	}
	return set, sigs
}

// judgeSignature judges the signature over what the server has at the name. Denials
// and aliases made from a DNAME are the resolver's matter.
func (a *answer) judgeSignature(s *step, now time.Time) {
	qtype := dns.TypeTXT
	if a.Alias != "" {
		qtype = dns.TypeCNAME
	}
	set, sigs := recordsOf(a.msg, s.name, qtype)
	switch {
	case len(set) == 0 || a.aliasType == "DNAME":
		return
	case len(sigs) == 0:
		a.Signature = SignatureMissing
		return
	case s.keys == nil:
		a.Signature = SignatureUntrusted
		return
	}
	var until time.Time
	if a.Signature, until = verify(set, sigs, s.keys, now); !until.IsZero() {
		a.SignatureExpires = &until
	}
}

// verify finds the best of the signatures over a set.
func verify(set []dns.RR, sigs []*dns.RRSIG, keys []*dns.DNSKEY, now time.Time) (best Signature, until time.Time) {
	best = SignatureMissing
	if len(set) == 0 {
		return best, until
	}
	tries := 0
	for _, sig := range sigs {
		best = SignatureWrong
		for _, key := range keys {
			if key.KeyTag() != sig.KeyTag || key.Algorithm != sig.Algorithm || tries == maxVerified {
				continue
			}
			tries++
			if sig.Verify(key, set) != nil {
				continue
			}
			until = time.Unix(int64(sig.Expiration), 0).UTC()
			switch {
			case now.Before(time.Unix(int64(sig.Inception), 0)):
				best = SignatureFuture
			case now.After(until):
				best = SignatureExpired
			case until.Sub(now) < signatureLeft:
				return SignatureEnding, until
			default:
				return SignatureValid, until
			}
		}
	}
	return best, until
}
