package dnssec

import (
	"cmp"
	"crypto"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// algorithms are those that RFC 8624 has validators know, with the bits of their keys.
var algorithms = map[uint8]int{
	dns.RSASHA256: 1024, dns.RSASHA512: 1024, dns.ECDSAP256SHA256: 256, dns.ECDSAP384SHA384: 384, dns.ED25519: 256,
}

// key is a zone's key.
type key struct {
	record *dns.DNSKEY
	signer crypto.Signer
}

// RSA keys are dear to make: each of a few serves many zones.
var rsaKeys struct {
	sync.Mutex
	list map[uint8][]key
}

func newKey(t testing.TB, rng *rand.Rand, zone string, algorithm uint8) key {
	t.Helper()
	isRSA := algorithm == dns.RSASHA256 || algorithm == dns.RSASHA512
	rsaKeys.Lock()
	defer rsaKeys.Unlock()
	const pool = 6
	if list := rsaKeys.list[algorithm]; isRSA && len(list) == pool {
		k := list[rng.IntN(pool)]
		record := *k.record
		record.Hdr.Name = zone
		return key{&record, k.signer}
	}
	header := dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300}
	record := &dns.DNSKEY{Hdr: header, Flags: dns.ZONE | dns.SEP, Protocol: 3, Algorithm: algorithm}
	private, err := record.Generate(algorithms[algorithm])
	if err != nil {
		t.Fatal(err)
	}
	for record.KeyTag() == 0 { // one in 65,536, with which the library does not sign
		if private, err = record.Generate(algorithms[algorithm]); err != nil {
			t.Fatal(err)
		}
	}
	k := key{record, private.(crypto.Signer)}
	if isRSA {
		if rsaKeys.list == nil {
			rsaKeys.list = make(map[uint8][]key)
		}
		rsaKeys.list[algorithm] = append(rsaKeys.list[algorithm], k)
	}
	return k
}

// denialKind is how a zone proves what it does not hold.
type denialKind struct {
	nsec3, optOut bool
	iterations    uint16
	salt          string
}

// signing is how a zone is signed.
type signing struct {
	zone      string
	denial    denialKind
	ofKeys    []key // those that sign the DNSKEY set
	ofRecords []key // those that sign all else
	inception time.Time
	ends      time.Time
}

type setKey struct {
	owner  string
	rrtype uint16
}

// sign gives a zone's records with signatures and denials: RFC 4035 §2, RFC 5155 §7.1.
func (s signing) sign(t testing.TB, records []dns.RR) []dns.RR {
	t.Helper()
	if s.denial.nsec3 {
		header := dns.RR_Header{Name: s.zone, Rrtype: dns.TypeNSEC3PARAM, Class: dns.ClassINET}
		records = append(records, &dns.NSEC3PARAM{Hdr: header, Hash: dns.SHA1, Iterations: s.denial.iterations,
			SaltLength: uint8(len(s.denial.salt) / 2), Salt: s.denial.salt})
	}
	sets := setsOf(records)
	chain := s.chain(sets)
	maps.Copy(sets, setsOf(chain))
	for _, k := range slices.SortedFunc(maps.Keys(sets), compareSets) {
		if !s.signs(sets, k) {
			continue
		}
		by := s.ofRecords
		if k.rrtype == dns.TypeDNSKEY {
			by = s.ofKeys
		}
		for _, key := range by {
			chain = append(chain, s.signature(t, key, sets[k]))
		}
	}
	return append(records, chain...)
}

func compareSets(a, b setKey) int {
	return cmp.Or(compareNames(a.owner, b.owner), cmp.Compare(a.rrtype, b.rrtype))
}

func setsOf(records []dns.RR) map[setKey][]dns.RR {
	sets := make(map[setKey][]dns.RR)
	for _, rr := range records {
		k := setKey{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
		sets[k] = append(sets[k], rr)
	}
	return sets
}

func (s signing) signature(t testing.TB, k key, set []dns.RR) *dns.RRSIG {
	t.Helper()
	sig := &dns.RRSIG{
		Hdr: dns.RR_Header{Ttl: set[0].Header().Ttl}, Algorithm: k.record.Algorithm, KeyTag: k.record.KeyTag(), SignerName: s.zone,
		Inception: uint32(s.inception.Unix()), Expiration: uint32(s.ends.Unix()),
	}
	if err := sig.Sign(k.signer, set); err != nil {
		t.Fatal(err, set)
	}
	return sig
}

// cutAbove gives the delegation at or above a name, "" when the name is the zone's own.
func (s signing) cutAbove(sets map[setKey][]dns.RR, name string) string {
	for ; name != s.zone; name = parentOf(name) {
		if _, found := sets[setKey{name, dns.TypeNS}]; found {
			return name
		}
	}
	return ""
}

// signs tells whether a set is the zone's own word: no delegation, nor what lies below.
func (s signing) signs(sets map[setKey][]dns.RR, k setKey) bool {
	cut := s.cutAbove(sets, k.owner)
	return cut == "" || cut == k.owner && (k.rrtype == dns.TypeDS || k.rrtype == dns.TypeNSEC)
}

// chain makes the NSEC or NSEC3 records.
func (s signing) chain(sets map[setKey][]dns.RR) []dns.RR {
	types := make(map[string][]uint16)
	for k := range sets {
		if cut := s.cutAbove(sets, k.owner); cut == "" || cut == k.owner {
			types[k.owner] = append(types[k.owner], k.rrtype)
		}
	}
	if s.denial.nsec3 {
		return s.hashedChain(types)
	}
	names := slices.SortedFunc(maps.Keys(types), compareNames)
	var chain []dns.RR
	for i, name := range names {
		bitmap := append(types[name], dns.TypeRRSIG, dns.TypeNSEC)
		slices.Sort(bitmap)
		chain = append(chain, &dns.NSEC{Hdr: s.header(name, dns.TypeNSEC), NextDomain: names[(i+1)%len(names)], TypeBitMap: bitmap})
	}
	return chain
}

func (s signing) hashedChain(types map[string][]uint16) []dns.RR {
	bitmaps := make(map[string][]uint16) // by hash
	for name, list := range types {
		isCut := name != s.zone && slices.Contains(list, dns.TypeNS)
		signed := !isCut || slices.Contains(list, dns.TypeDS)
		if s.denial.optOut && !signed {
			continue
		}
		bitmap := slices.Clone(list)
		if signed {
			bitmap = append(bitmap, dns.TypeRRSIG)
		}
		slices.Sort(bitmap)
		bitmaps[s.hash(name)] = bitmap
		for above := name; above != s.zone; above = parentOf(above) { // empty non-terminals
			if _, real := types[above]; !real {
				bitmaps[s.hash(above)] = nil
			}
		}
	}
	hashes := slices.Sorted(maps.Keys(bitmaps))
	var flags uint8
	if s.denial.optOut {
		flags = 1
	}
	var chain []dns.RR
	for i, hash := range hashes {
		owner := strings.ToLower(hash) + "." + strings.TrimPrefix(s.zone, ".")
		chain = append(chain, &dns.NSEC3{
			Hdr: s.header(owner, dns.TypeNSEC3), Hash: dns.SHA1, Flags: flags, Iterations: s.denial.iterations,
			SaltLength: uint8(len(s.denial.salt) / 2), Salt: s.denial.salt, HashLength: 20,
			NextDomain: hashes[(i+1)%len(hashes)], TypeBitMap: bitmaps[hash],
		})
	}
	return chain
}

func (s signing) hash(name string) string {
	return dns.HashName(name, dns.SHA1, s.denial.iterations, s.denial.salt)
}

func (s signing) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: 60}
}

// compareNames is RFC 4034 §6.1 for names in lower case without escapes.
func compareNames(a, b string) int {
	x, y := dns.SplitDomainName(a), dns.SplitDomainName(b)
	slices.Reverse(x)
	slices.Reverse(y)
	return slices.Compare(x, y)
}

func parentOf(name string) string {
	_, above, _ := strings.Cut(name, ".")
	if above == "" {
		return "."
	}
	return above
}

func mustRR(t testing.TB, format string, args ...any) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return rr
}
