package keystore

import (
	"math/big"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// rsaParts are what the DER of a key is made of (RFC 8017 appendix A.1.2, RFC 5208 §5).
type rsaParts struct {
	version, inner int // of the whole, and of the key in PKCS #8
	numbers        []*big.Int
	oid            []int
	null           []byte // the parameters of the algorithm
	after          map[string]bool
	set            string // what is a SET and no SEQUENCE
}

// der writes PKCS #1 or PKCS #8; behind each part that "after" names stands one thing more.
func (p rsaParts) der(pkcs8 bool) []byte {
	var b cryptobyte.Builder
	tag := func(part string) casn1.Tag {
		if p.set == part {
			return casn1.SET
		}
		return casn1.SEQUENCE
	}
	more := func(b *cryptobyte.Builder, part string) {
		if p.after[part] {
			b.AddASN1Int64(0)
		}
	}
	key := func(b *cryptobyte.Builder, version int) {
		b.AddASN1Int64(int64(version))
		for _, n := range p.numbers {
			b.AddASN1BigInt(n)
		}
		more(b, "numbers")
	}
	b.AddASN1(tag("whole"), func(b *cryptobyte.Builder) {
		if !pkcs8 {
			key(b, p.version)
			return
		}
		b.AddASN1Int64(int64(p.version))
		b.AddASN1(tag("algorithm"), func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(p.oid)
			b.AddBytes(p.null)
			more(b, "algorithm")
		})
		b.AddASN1(casn1.OCTET_STRING, func(b *cryptobyte.Builder) {
			b.AddASN1(tag("key"), func(b *cryptobyte.Builder) { key(b, p.inner) })
			more(b, "key")
		})
		more(b, "octets")
	})
	more(&b, "whole")
	return b.BytesOrPanic()
}

// TestFastParserIsStrict: of a key of the common kind each part alone is made otherwise,
// each time what is left to crypto/x509, which refuses it or knows better.
func TestFastParserIsStrict(t *testing.T) {
	key := keyWith(t, publicExponent)
	if key.Primes[0].Cmp(key.Primes[1]) < 0 {
		key.Primes[0], key.Primes[1] = key.Primes[1], key.Primes[0]
	}
	one := big.NewInt(1)
	less := func(x *big.Int) *big.Int { return new(big.Int).Sub(x, one) }
	p, q := key.Primes[0], key.Primes[1]
	numbers := []*big.Int{key.N, big.NewInt(publicExponent), key.D, p, q,
		new(big.Int).Mod(key.D, less(p)), new(big.Int).Mod(key.D, less(q)), new(big.Int).ModInverse(q, p)}
	good := func() rsaParts {
		return rsaParts{numbers: append([]*big.Int{}, numbers...), oid: rsaEncryption, null: []byte{5, 0}, after: map[string]bool{}}
	}
	changes := map[string]func(*rsaParts){
		"version 1":             func(p *rsaParts) { p.version = 1 },
		"inner version 1":       func(p *rsaParts) { p.inner = 1 },
		"another algorithm":     func(p *rsaParts) { p.oid = []int{1, 2, 840, 113549, 1, 1, 10} },
		"no parameters":         func(p *rsaParts) { p.null = nil },
		"parameters":            func(p *rsaParts) { p.null = []byte{5, 1, 0} },
		"other parameters":      func(p *rsaParts) { p.null = []byte{2, 1, 0} },
		"seven numbers":         func(p *rsaParts) { p.numbers = p.numbers[:7] },
		"the primes the same":   func(r *rsaParts) { r.numbers[4] = p },
		"the primes the others": func(r *rsaParts) { r.numbers[3], r.numbers[4] = q, p },
	}
	for i, name := range []string{"n", "e", "d", "p", "q", "dp", "dq", "1/q"} {
		for what, other := range map[string]func(*big.Int) *big.Int{
			"negative": func(x *big.Int) *big.Int { return new(big.Int).Neg(x) },
			"zero":     func(*big.Int) *big.Int { return new(big.Int) },
			"one more": func(x *big.Int) *big.Int { return new(big.Int).Add(x, one) },
			"two less": func(x *big.Int) *big.Int { return new(big.Int).Sub(x, big.NewInt(2)) },
			"twice":    func(x *big.Int) *big.Int { return new(big.Int).Lsh(x, 1) },
			"half":     func(x *big.Int) *big.Int { return new(big.Int).Rsh(x, 1) },
		} {
			changes[name+" "+what] = func(p *rsaParts) { p.numbers[i] = other(p.numbers[i]) }
		}
	}
	// What is right but for being larger than it need be.
	changes["dp unreduced"] = func(r *rsaParts) { r.numbers[5] = new(big.Int).Add(r.numbers[5], less(p)) }
	changes["dq unreduced"] = func(r *rsaParts) { r.numbers[6] = new(big.Int).Add(r.numbers[6], less(q)) }
	changes["1/q unreduced"] = func(r *rsaParts) { r.numbers[7] = new(big.Int).Add(r.numbers[7], p) }
	// What is right modulo another number, and negative.
	changes["d less phi"] = func(r *rsaParts) {
		r.numbers[2] = new(big.Int).Sub(r.numbers[2], new(big.Int).Mul(less(p), less(q)))
	}
	changes["1/q less p"] = func(r *rsaParts) { r.numbers[7] = new(big.Int).Sub(r.numbers[7], p) }
	for _, part := range []string{"whole", "algorithm", "key"} {
		changes[part+" a set"] = func(p *rsaParts) { p.set = part }
	}
	for _, part := range []string{"whole", "algorithm", "key", "octets", "numbers"} {
		changes["something behind the "+part] = func(p *rsaParts) { p.after[part] = true }
	}
	for _, pkcs8 := range []bool{false, true} {
		whole := good().der(pkcs8)
		if _, ok := parseRSA(whole); !ok {
			t.Fatalf("PKCS #8 %v: a good key is left to crypto/x509", pkcs8)
		}
		for name, change := range changes {
			parts := good()
			change(&parts)
			der := parts.der(pkcs8)
			if string(der) == string(whole) {
				continue // it has no such part
			}
			if _, ok := parseRSA(der); ok {
				t.Errorf("PKCS #8 %v, %s: taken", pkcs8, name)
			}
		}
	}
}

// TestSizesOfTheShortForm: multiples of 128 bits that may be signed with (RFC 8301 §3.2).
func TestSizesOfTheShortForm(t *testing.T) {
	odd := func(bits int) *big.Int { // the two highest bits and the lowest
		n := new(big.Int).Lsh(big.NewInt(3), uint(bits-2))
		return n.SetBit(n, 0, 1)
	}
	for bits, want := range map[int]bool{896: false, 1024: true, 1032: false, 1152: true, MaxRSABits: true, MaxRSABits + 128: false} {
		// Numbers that fit together as those of a key do: that p and q are primes is believed.
		one, e := big.NewInt(1), big.NewInt(publicExponent)
		less := func(x *big.Int) *big.Int { return new(big.Int).Sub(x, one) }
		p := odd(bits / 2)
		q := new(big.Int).Set(p)
		var d, inverse *big.Int
		for d == nil || inverse == nil {
			q.Add(q, big.NewInt(2))
			d, inverse = new(big.Int).ModInverse(e, new(big.Int).Mul(less(p), less(q))), new(big.Int).ModInverse(q, p)
		}
		n := new(big.Int).Mul(p, q)
		if got := consistent(n, e, d, p, q, new(big.Int).Mod(d, less(p)), new(big.Int).Mod(d, less(q)), inverse); got != want {
			t.Errorf("%d bits: %v", n.BitLen(), got)
		}
	}
}
