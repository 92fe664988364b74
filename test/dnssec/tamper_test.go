package dnssec

import (
	"encoding/base64"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// tampering changes a zone that is signed already, or has it signed wrongly. It says what
// becomes of the zone's key, where that was secure.
type tampering struct {
	what   string
	change func(w *world, z *zone, s signing) verdict
}

func (w *world) tamper(z *zone, s signing) {
	c := pick(w, tamperings)
	z.what = append(z.what, c.what)
	z.tampered = true
	if became := c.change(w, z, s); z.want == secure {
		z.want = became
	}
}

// ofKey tells the records of the zone's key that a change is for.
func (z *zone) ofKey(rr dns.RR) bool { return rr.Header().Name == "s1._domainkey."+z.name }

// drop takes records out of a zone.
func (z *zone) drop(match func(dns.RR) bool) { z.records = slices.DeleteFunc(z.records, match) }

func covers(rr dns.RR, types ...uint16) bool {
	sig, ok := rr.(*dns.RRSIG)
	return ok && slices.Contains(types, sig.TypeCovered)
}

// denies tells signatures over denials. They are not taken away: BIND does not answer then.
func denies(rr dns.RR) bool { return covers(rr, dns.TypeNSEC, dns.TypeNSEC3) }

// bend breaks signatures.
func (z *zone) bend(match func(dns.RR) bool) {
	for _, rr := range z.records {
		if sig, ok := rr.(*dns.RRSIG); ok && match(rr) {
			raw, _ := base64.StdEncoding.DecodeString(sig.Signature)
			raw[len(raw)/2] ^= 1
			sig.Signature = base64.StdEncoding.EncodeToString(raw)
		}
	}
}

// signatures changes those over the zone's key.
func (z *zone) signatures(change func(*dns.RRSIG)) {
	for _, rr := range z.records {
		if sig, ok := rr.(*dns.RRSIG); ok && z.ofKey(rr) && sig.TypeCovered == dns.TypeTXT {
			change(sig)
		}
	}
}

var tamperings = []tampering{
	{"another text", func(_ *world, z *zone, _ signing) verdict {
		for _, rr := range z.records {
			if txt, ok := rr.(*dns.TXT); ok && z.ofKey(rr) {
				txt.Txt = []string{"forged"}
			}
		}
		return bogus
	}},
	{"one more text", func(w *world, z *zone, _ signing) verdict {
		z.records = append(z.records, mustRR(w.t, `s1._domainkey.%s 300 TXT "forged"`, z.name))
		return bogus
	}},
	{"no signature over the key", func(_ *world, z *zone, _ signing) verdict {
		z.drop(func(rr dns.RR) bool { return z.ofKey(rr) && covers(rr, dns.TypeTXT) })
		return bogus
	}},
	{"signatures over the key bent", func(_ *world, z *zone, _ signing) verdict {
		z.bend(func(rr dns.RR) bool { return z.ofKey(rr) })
		return bogus
	}},
	{"the parent's name as the signer's", func(_ *world, z *zone, _ signing) verdict {
		if z.want == insecure { // unbound calls that bogus, though nothing there needs a signature
			return insecure
		}
		z.signatures(func(sig *dns.RRSIG) { sig.SignerName = z.parent })
		return bogus
	}},
	{"the key as if from a wildcard", func(_ *world, z *zone, _ signing) verdict {
		z.signatures(func(sig *dns.RRSIG) { sig.Labels-- })
		return bogus
	}},
	{"the signature over the key stretched", func(_ *world, z *zone, _ signing) verdict {
		z.signatures(func(sig *dns.RRSIG) { sig.Expiration += 3600 })
		return bogus
	}},
	{"signatures over denials bent", func(_ *world, z *zone, _ signing) verdict {
		z.bend(denies)
		return secure
	}},
	{"signatures over some denials bent", func(w *world, z *zone, s signing) verdict {
		if s.denial.optOut {
			// What is left may show that an unsigned zone could hold the name: that is insecure,
			// whatever it says. unbound wants every record to be good.
			return secure
		}
		z.bend(func(rr dns.RR) bool { return denies(rr) && w.oneIn(3) })
		return secure
	}},
	{"keys unsigned", func(_ *world, z *zone, _ signing) verdict {
		z.drop(func(rr dns.RR) bool { return covers(rr, dns.TypeDNSKEY) })
		return bogus
	}},
	{"a key of a stranger's among the keys", func(w *world, z *zone, _ signing) verdict {
		z.records = append(z.records, newKey(w.t, w.rng, z.name, dns.ED25519).record)
		return bogus
	}},
	{"children's DS records unsigned", func(_ *world, z *zone, _ signing) verdict {
		z.drop(func(rr dns.RR) bool { return covers(rr, dns.TypeDS) })
		return secure
	}},
	{"aliases unsigned", func(_ *world, z *zone, _ signing) verdict {
		z.drop(func(rr dns.RR) bool { return covers(rr, dns.TypeCNAME, dns.TypeDNAME) })
		return secure
	}},
	{"expired", func(w *world, z *zone, s signing) verdict {
		s.inception, s.ends = w.now.Add(-30*24*time.Hour), w.now.Add(-2*24*time.Hour)
		z.again(w, s)
		return bogus
	}},
	{"not yet valid", func(w *world, z *zone, s signing) verdict {
		s.inception, s.ends = w.now.Add(2*24*time.Hour), w.now.Add(30*24*time.Hour)
		z.again(w, s)
		return bogus
	}},
	{"signed by a stranger in the name of the zone's key", func(w *world, z *zone, s signing) verdict {
		for i, k := range s.ofRecords {
			stranger := newKey(w.t, w.rng, z.name, k.record.Algorithm)
			if stranger.record.PublicKey == k.record.PublicKey { // of the few RSA keys
				return z.want
			}
			s.ofRecords = slices.Clone(s.ofRecords)
			s.ofRecords[i] = key{k.record, stranger.signer}
		}
		z.again(w, s)
		return bogus
	}},
}

// again signs the zone's own records anew.
func (z *zone) again(w *world, s signing) {
	z.drop(func(rr dns.RR) bool {
		switch rr.Header().Rrtype {
		case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM:
			return true
		}
		return false
	})
	z.records = s.sign(w.t, z.records)
}
