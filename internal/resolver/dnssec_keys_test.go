package resolver

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// plainRSA signs with keys that crypto/rsa refuses.
type plainRSA struct{ n, d *big.Int }

func (k plainRSA) Public() crypto.PublicKey { return nil }

// Sign is RSASSA-PKCS1-v1_5 with SHA-256.
func (k plainRSA) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	size := (k.n.BitLen() + 7) / 8
	em := make([]byte, size)
	t := append(prefix, digest...)
	em[1] = 1
	for i := 2; i < size-len(t)-1; i++ {
		em[i] = 0xff
	}
	copy(em[size-len(t):], t)
	return new(big.Int).Exp(new(big.Int).SetBytes(em), k.d, k.n).FillBytes(make([]byte, size)), nil
}

func rsaKey(zone string, bits int, exponent int64) (*dns.DNSKEY, plainRSA) {
	e, one := big.NewInt(exponent), big.NewInt(1)
	for {
		p, _ := rand.Prime(rand.Reader, bits/2)
		q, _ := rand.Prime(rand.Reader, bits-bits/2)
		n := new(big.Int).Mul(p, q)
		d := new(big.Int).ModInverse(e, new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
		if n.BitLen() != bits || d == nil {
			continue
		}
		pub := append(append([]byte{byte(len(e.Bytes()))}, e.Bytes()...), n.Bytes()...)
		return &dns.DNSKEY{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600}, Flags: 257, Protocol: 3,
			Algorithm: dns.RSASHA256, PublicKey: base64.StdEncoding.EncodeToString(pub)}, plainRSA{n, d}
	}
}

// TestKeysVouchForThemselvesOnlyWhereNamed: a set of keys counts where one that the parent names
// signed it (RFC 4035 §5.2), not where another in it did, or none.
func TestKeysVouchForThemselvesOnlyWhereNamed(t *testing.T) {
	l := newLab(t, ".", "test.")
	named := l.keys["test."]
	l.answer("test.", dns.TypeDS, l.sign(".", named.record.ToDS(dns.SHA256)))
	evil, signer := rsaKey("test.", 1024, 65537)
	forger := &labKey{evil, signer}
	by := func(key *labKey, records ...dns.RR) []dns.RR {
		l.keys["test."] = key
		return l.sign("test.", records...)
	}
	l.exists("k.test.")
	l.answer("k.test.", dns.TypeTXT, by(forger, l.rr(`k.test. 300 TXT "key"`)))
	for name, c := range map[string]struct {
		keys []dns.RR
		want Security
		kind Kind
	}{
		"by the named": {by(named, named.record, evil), Secure, 0}, "by another": {by(forger, named.record, evil), Bogus, KindBogus},
		"by nobody":     {[]dns.RR{named.record, evil}, Bogus, KindBogus},
		"of other keys": {append([]dns.RR{named.record, evil}, by(named, named.record)[1:]...), Bogus, KindBogus},
	} {
		l.answer("test.", dns.TypeDNSKEY, c.keys)
		t.Log(name)
		l.want("k.test", c.want, c.kind)
	}
}

// A key that cannot be checked, or can be forged, makes its zone insecure as an algorithm
// that is not known does (RFC 4035 §5.2): 2^32+1 is what "dnssec-keygen -e" made, RFC 5702
// §2.1 allows 512 bits.
func TestRSAKeysThatCannotBeCheckedAreInsecure(t *testing.T) {
	for _, c := range []struct {
		bits     int
		exponent int64
		want     Security
	}{
		{1024, 65537, Secure}, {2048, 3, Secure}, {1024, 1<<31 - 1, Secure},
		{1024, 1<<32 + 1, Insecure}, {1024, 3000000001, Insecure}, {1024, 1, Insecure},
		{512, 65537, Insecure}, {768, 65537, Insecure}, {1023, 65537, Insecure},
	} {
		t.Run(fmt.Sprintf("%d bits, exponent %d", c.bits, c.exponent), func(t *testing.T) {
			l := newLab(t, ".", "test.")
			key, signer := rsaKey("test.", c.bits, c.exponent)
			good := l.keys["test."]
			ds := l.sign(".", key.ToDS(dns.SHA256))
			l.keys["test."] = &labKey{key, signer}
			l.answer("test.", dns.TypeDNSKEY, l.sign("test.", key))
			l.answer("test.", dns.TypeDS, ds)
			l.answer("k.test.", dns.TypeTXT, l.sign("test.", l.rr(`k.test. 300 TXT "key"`)))
			l.exists("k.test.")
			l.want("k.test", c.want, 0)
			if c.want == Secure {
				return
			}
			// As the zone-signing key of a zone with a good key above it.
			l.answer("test.", dns.TypeDS, l.sign(".", good.record.ToDS(dns.SHA256)))
			l.keys["test."] = good
			l.answer("test.", dns.TypeDNSKEY, l.sign("test.", good.record, key))
			l.want("k.test", Insecure, 0)
			// As one of two ways in, the other left out by a forger.
			l.answer("test.", dns.TypeDS, l.sign(".", key.ToDS(dns.SHA256), good.record.ToDS(dns.SHA256)))
			l.keys["test."] = &labKey{key, signer}
			l.answer("test.", dns.TypeDNSKEY, l.sign("test.", key))
			l.want("k.test", Bogus, KindBogus)
			// Another such key, of a forger's own.
			l.answer("test.", dns.TypeDS, ds)
			other, otherSigner := rsaKey("test.", c.bits, c.exponent)
			l.keys["test."] = &labKey{other, otherSigner}
			l.answer("test.", dns.TypeDNSKEY, l.sign("test.", other))
			l.want("k.test", Bogus, KindBogus)
		})
	}
}

// RFC 9905 §2: zones signed with SHA-1 alone are insecure; beside a better algorithm SHA-1
// has no say.
func TestSHA1SignaturesHaveNoSay(t *testing.T) {
	for _, algorithm := range []uint8{dns.RSASHA1, dns.RSASHA1NSEC3SHA1} {
		l := newLab(t, ".", "test.")
		good := l.keys["test."]
		weak := &dns.DNSKEY{Hdr: good.record.Hdr, Flags: 257, Protocol: 3, Algorithm: algorithm}
		private, err := weak.Generate(1024)
		if err != nil {
			t.Fatal(err)
		}
		record := l.rr(`k.test. 300 TXT "key"`)
		l.keys["test."] = &labKey{weak, private.(crypto.Signer)}
		bySHA1 := l.sign("test.", record)
		l.answer("test.", dns.TypeDNSKEY, l.sign("test.", weak))
		l.answer("test.", dns.TypeDS, l.sign(".", weak.ToDS(dns.SHA256)))
		l.answer("k.test.", dns.TypeTXT, bySHA1)
		l.want("k.test", Insecure, 0)

		l.keys["test."] = good
		l.exists("k.test.")
		l.answer("test.", dns.TypeDNSKEY, l.sign("test.", weak, good.record))
		l.answer("test.", dns.TypeDS, l.sign(".", weak.ToDS(dns.SHA256), good.record.ToDS(dns.SHA256)))
		l.want("k.test", Bogus, KindBogus)
		l.answer("k.test.", dns.TypeTXT, append(bySHA1, l.sig("test.", -time.Hour, time.Hour, record)))
		l.want("k.test", Secure, 0)
	}
}
