package resolver

import (
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
)

// lab is a server whose signed answers a test composes one by one, for what no honest
// server would send. Signatures are miekg/dns's.
type lab struct {
	t     testing.TB
	clock *clock
	keys  map[string]*labKey
	d     *DNS // where a test needs one twice
	*dnstest.Server

	mu      sync.Mutex
	answers map[string]*dns.Msg // by "name TYPE"
}

type labKey struct {
	record *dns.DNSKEY
	signer crypto.Signer
}

func newLab(t testing.TB, zones ...string) *lab {
	t.Helper()
	l := &lab{t: t, clock: newClock(), keys: make(map[string]*labKey), answers: make(map[string]*dns.Msg), Server: dnstest.New(t, "")}
	for _, zone := range zones {
		l.newKey(zone)
		l.answer(zone, dns.TypeDNSKEY, l.sign(zone, l.keys[zone].record))
	}
	for _, zone := range zones {
		if parent := l.enclosing(parentOf(zone)); zone != "." && parent != "" {
			l.answer(zone, dns.TypeDS, l.sign(parent, l.keys[zone].record.ToDS(dns.SHA256)))
		}
	}
	l.SetHandler(dns.HandlerFunc(l.serve))
	return l
}

func (l *lab) enclosing(name string) string {
	for {
		if l.keys[name] != nil {
			return name
		}
		if name == "." {
			return ""
		}
		name = parentOf(name)
	}
}

func (l *lab) newKey(zone string) {
	l.t.Helper()
	header := dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600}
	key := &dns.DNSKEY{Hdr: header, Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := key.Generate(256)
	for err == nil && key.KeyTag() == 0 { // one in 65,536, with which the library does not sign
		private, err = key.Generate(256)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.keys[zone] = &labKey{key, private.(crypto.Signer)}
}

// rr reads a record.
func (l *lab) rr(text string) dns.RR {
	l.t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return rr
}

// sign gives the records, all of one set, with a signature by zone's key.
func (l *lab) sign(zone string, rrs ...dns.RR) []dns.RR {
	l.t.Helper()
	return append(rrs, l.signature(zone, rrs...))
}

func (l *lab) signature(zone string, rrs ...dns.RR) *dns.RRSIG {
	l.t.Helper()
	return l.sig(zone, -time.Hour, 24*time.Hour, rrs...)
}

// sig is a signature with times relative to the lab's clock.
func (l *lab) sig(zone string, inception, expiration time.Duration, rrs ...dns.RR) *dns.RRSIG {
	l.t.Helper()
	now, key := l.clock.Now(), l.keys[zone]
	sig := &dns.RRSIG{
		Hdr:        dns.RR_Header{Ttl: rrs[0].Header().Ttl},
		Algorithm:  key.record.Algorithm,
		Inception:  uint32(now.Add(inception).Unix()),
		Expiration: uint32(now.Add(expiration).Unix()),
		KeyTag:     key.record.KeyTag(),
		SignerName: zone,
	}
	if err := sig.Sign(key.signer, rrs); err != nil {
		l.t.Fatal(err)
	}
	return sig
}

// exists has the names hold something, and no zone begin there.
func (l *lab) exists(names ...string) {
	for _, name := range names {
		l.answer(name, dns.TypeDS, nil, l.text("test.", name+` 300 NSEC zz.test. TXT RRSIG NSEC`))
	}
}

// text signs one record in master file syntax.
func (l *lab) text(zone, record string) []dns.RR { return l.sign(zone, l.rr(record)) }

// renamed gives signed records another owner: an expanded wildcard.
func renamed(rrs []dns.RR, owner string) []dns.RR {
	list := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		list[i] = dns.Copy(rr)
		list[i].Header().Name = owner
	}
	return list
}

func (l *lab) answer(name string, qtype uint16, answer []dns.RR, authority ...[]dns.RR) {
	l.put(name, qtype, dns.RcodeSuccess, answer, authority...)
}

func (l *lab) noName(name string, qtype uint16, authority ...[]dns.RR) {
	l.put(name, qtype, dns.RcodeNameError, nil, authority...)
}

func (l *lab) put(name string, qtype uint16, rcode int, answer []dns.RR, authority ...[]dns.RR) {
	m := &dns.Msg{Answer: answer}
	m.Rcode = rcode
	for _, rrs := range authority {
		m.Ns = append(m.Ns, rrs...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[dns.Fqdn(name)+" "+dns.TypeToString[qtype]] = m
}

func (l *lab) serve(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.RecursionAvailable = true
	m.SetEdns0(4096, true)
	q := r.Question[0]
	l.mu.Lock()
	prepared := l.answers[dns.CanonicalName(q.Name)+" "+dns.TypeToString[q.Qtype]]
	l.mu.Unlock()
	if prepared == nil {
		m.Rcode = dns.RcodeServerFailure
	} else {
		m.Answer, m.Ns, m.Rcode = prepared.Answer, prepared.Ns, prepared.Rcode
	}
	w.WriteMsg(m)
}

func (l *lab) anchorFile(zones ...string) string {
	var text strings.Builder
	for _, zone := range zones {
		text.WriteString(l.keys[zone].record.ToDS(dns.SHA256).String() + "\n")
	}
	path := filepath.Join(l.t.TempDir(), "anchor")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

func (l *lab) resolver(zones ...string) *DNS {
	l.t.Helper()
	o := Options{TrustAnchorFile: l.anchorFile(zones...), Now: l.clock.Now, Timeout: time.Minute, Attempts: 1, FailureTTL: -1}
	return newTestDNS(l.t, o, l.Server)
}

// want looks a name up with the anchors of the lab's root.
func (l *lab) want(name string, security Security, kind Kind) {
	l.t.Helper()
	l.wantFrom(l.resolver("."), name, security, kind)
}

func (l *lab) wantFrom(d *DNS, name string, security Security, kind Kind) {
	l.t.Helper()
	a, err := d.LookupTXT(l.t.Context(), name)
	got := Kind(0)
	if err != nil {
		got = err.(*Error).Kind
	}
	if a.Security != security || got != kind {
		l.t.Errorf("%s: %v (%v), want %v (%v): %v", name, a.Security, got, security, kind, err)
	}
}
