package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"dojang/header"
)

// noKey signs with nothing.
type noKey struct{ crypto.Signer }

func (noKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 256), nil
}

// now is the time of the tests that need one.
var now = time.Unix(1790000000, 0)

// signed makes a message signed by the Ed25519 test key and gives its fields,
// the signature's first. Signing itself is proved by the vectors.
func signed(t testing.TB, fields []string, body string, change func(*SignOptions)) *header.List {
	t.Helper()
	l := new(header.List)
	for _, f := range fields {
		l.AddRaw([]byte(f))
	}
	o := SignOptions{Domain: "example.com", Selector: "sel", Key: testKeys(t)["ed25519"], HeaderCanonicalization: Relaxed}
	if change != nil {
		change(&o)
	}
	var b BodyHashes
	s, err := NewSigner(o, l, &b)
	if err != nil {
		t.Fatal(err)
	}
	b.Write([]byte(body))
	b.Close()
	value, err := s.Sign()
	if err != nil {
		t.Fatal(err)
	}
	out := new(header.List)
	out.Add([]byte(FieldName), []byte(value), true)
	for i := range l.Len() {
		out.AddRaw(l.At(i).Raw)
	}
	return out
}

// check verifies with the test keys' records; change may replace them.
func check(t testing.TB, l *header.List, body string, o VerifyOptions, answer func(name string) KeyAnswer) []Result {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	if answer == nil {
		record := testRecords(t)["ed25519"]
		answer = func(string) KeyAnswer { return KeyAnswer{Texts: []string{record}} }
	}
	var b BodyHashes
	v := NewVerifier(o, l, &b)
	for _, q := range v.Queries() {
		v.SetKey(q, answer(q.Name))
	}
	b.Write([]byte(body))
	b.Close()
	return v.Finish()
}

var from = "From: a@example.com"

func TestTrap02LengthLargerThanBody(t *testing.T) {
	l := signed(t, []string{from}, "a  b\r\n", func(o *SignOptions) { o.BodyLength = new(BodyLengthAll) })
	if r := check(t, l, "a  b\r\n", VerifyOptions{}, nil)[0]; r.Status != StatusPass || r.Signature.Length != 6 {
		t.Errorf("whole body: %v, l=%d", r.Reason, r.Signature.Length)
	}
	if r := check(t, l, "a  b\r\nfooter\r\n", VerifyOptions{}, nil)[0]; r.Status != StatusPass {
		t.Errorf("appended: %v", r.Reason)
	}
	if r := check(t, l, "a\r\n", VerifyOptions{}, nil)[0]; r.Reason != ReasonLengthTooLarge || r.BodyOK {
		t.Errorf("shortened: %v", r.Reason)
	}
}

func TestTrap02LengthIsCountedAfterCanonicalization(t *testing.T) {
	l := signed(t, []string{from}, "a     b   \r\n\r\n\r\n", func(o *SignOptions) {
		o.BodyLength, o.BodyCanonicalization = new(BodyLengthAll), Relaxed
	})
	r := check(t, l, "a b\r\nmore", VerifyOptions{}, nil)[0]
	if r.Status != StatusPass || r.Signature.Length != 5 {
		t.Errorf("%v, l=%d, want 5", r.Reason, r.Signature.Length)
	}
}

func TestTrap02LengthZeroIsNotAbsent(t *testing.T) {
	l := signed(t, []string{from}, "text\r\n", func(o *SignOptions) { o.BodyLength = new(int64(0)) })
	r := check(t, l, "quite another text\r\n", VerifyOptions{}, nil)[0]
	if r.Status != StatusPass || r.Signature.Length != 0 {
		t.Errorf("%v, l=%d", r.Reason, r.Signature.Length)
	}
	empty := sha256.Sum256(nil)
	if string(r.Signature.BodyHash) != string(empty[:]) {
		t.Error("l=0 does not hash nothing")
	}
	if r := check(t, l, "text\r\n", VerifyOptions{Covered: func(length, total int64) bool { return length >= total }},
		nil)[0]; r.Reason != ReasonBodyCoverage {
		t.Errorf("Minimum 100%%: %v", r.Reason)
	}
	if r := check(t, l, "", VerifyOptions{Covered: func(length, total int64) bool { return total-length <= 2 }},
		nil)[0]; r.Status != StatusPass {
		t.Errorf("with an empty body: %v", r.Reason)
	}
}

func TestTrap03BlankingIsByOffset(t *testing.T) {
	// The text "b=" also stands in z=, in bh= and in an unknown tag.
	for _, order := range []string{"b=; z=Subject:b=3Dx|b:b=3D20; xb=b", "z=Subject:b=3Dx|b:b=3D20; xb=b; b="} {
		body := sha256.Sum256([]byte("\r\n"))
		tags := " v=1; a=ed25519-sha256; d=example.com; s=sel; h=From; bh=" + base64.StdEncoding.EncodeToString(body[:]) + "; " + order
		data := from + "\r\nDKIM-Signature:" + tags
		sum := sha256.Sum256([]byte(data))
		sig, err := testKeys(t)["ed25519"].Sign(nil, sum[:], crypto.Hash(0))
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(tags, " b=") + 3
		l := new(header.List)
		l.AddRaw([]byte("DKIM-Signature:" + tags[:at] + base64.StdEncoding.EncodeToString(sig) + tags[at:]))
		l.AddRaw([]byte(from))
		wantPass(t, order, 1, check(t, l, "", VerifyOptions{}, nil))
	}
}

func TestTrap04RepeatedFieldsFromTheBottom(t *testing.T) {
	l := signed(t, []string{from, "To: one", "To: two"}, "", nil)
	if h := check(t, l, "", VerifyOptions{}, nil)[0].Signature.Headers; strings.Join(h, ":") != "From:To:To" {
		t.Errorf("h=%v", h)
	}
	wantPass(t, "as signed", 1, check(t, l, "", VerifyOptions{}, nil))
	for what, fields := range map[string][]string{"swapped": {from, "To: two", "To: one"}, "one gone": {from, "To: two"}} {
		m := new(header.List)
		m.AddRaw(l.At(0).Raw)
		for _, f := range fields {
			m.AddRaw([]byte(f))
		}
		if r := check(t, m, "", VerifyOptions{}, nil)[0]; r.Reason != ReasonBadSignature {
			t.Errorf("%s: %v", what, r.Reason)
		}
	}
	// A third one above is not covered; oversigned it would be.
	for _, over := range []bool{false, true} {
		l := signed(t, []string{from, "To: one", "To: two"}, "", func(o *SignOptions) {
			if over {
				o.Oversign = NewHeaderSet("To")
			}
		})
		m := new(header.List)
		m.AddRaw([]byte("To: zero"))
		for i := range l.Len() {
			m.AddRaw(l.At(i).Raw)
		}
		if r := check(t, m, "", VerifyOptions{}, nil)[0]; (r.Status == StatusPass) == over {
			t.Errorf("added field, oversigned %v: %v", over, r.Reason)
		}
		if r := check(t, m, "", VerifyOptions{SingletonsSigned: true}, nil)[0]; r.Status == StatusPass {
			t.Errorf("a repeated To passes where singletons are to be signed")
		}
	}
}

func TestTrap11SmallLargeAndUnsafeKeys(t *testing.T) {
	keys := map[string]*rsa.PublicKey{}
	tooLarge := 0
	for name, bits := range map[string]int{"rsa512": 512, "rsa768": 768} {
		for _, v := range verdicts(t) {
			if v.name != "key-"+name[3:] {
				continue
			}
			if r := v.verify(VerifyOptions{}); r.Status != StatusPolicy || r.Reason != ReasonKeyTooSmall || !r.HeaderOK || !r.BodyOK {
				t.Errorf("%s: %v, %v, header %v", name, r.Status, r.Reason, r.HeaderOK)
			}
			for _, minimum := range []int{512, -1} {
				if r := v.verify(VerifyOptions{MinimumKeyBits: minimum}); r.Status != StatusPass {
					t.Errorf("%s where %d bits are enough: %v", name, minimum, r.Reason)
				}
			}
			for most, want := range map[int]Reason{bits: ReasonNone, bits - 1: ReasonKeyTooLarge} {
				if r := v.verify(VerifyOptions{MinimumKeyBits: -1, MaximumKeyBits: most}); r.Reason != want {
					t.Errorf("%s where %d bits are allowed: %v", name, most, r.Reason)
				}
			}
			k, err := ParseKeyRecord(*v.Record)
			if err != nil {
				t.Fatal(err)
			}
			keys[name] = k.Key.(*rsa.PublicKey)
			s, err := ParseSignature(v.Signature)
			if err != nil {
				t.Fatal(err)
			}
			// RFC 8017 §8.2.2: a signature of another length than the key's is none.
			sum := s.headerHash(v.list(), 0)
			if !verifyPlainRSA(k.Key.(*rsa.PublicKey), s.Algorithm.Hash(), sum, s.Value) {
				t.Errorf("%s: the signature does not hold", name)
			}
			// RFC 8017 §5.2.2: nor is one that is not below the modulus.
			n := k.Key.(*rsa.PublicKey).N
			for above := new(big.Int).SetBytes(s.Value); ; {
				if above.Add(above, n).BitLen() > 8*len(s.Value) {
					break
				}
				if verifyPlainRSA(k.Key.(*rsa.PublicKey), s.Algorithm.Hash(), sum, above.FillBytes(make([]byte, len(s.Value)))) {
					t.Errorf("%s: a signature above the modulus is taken", name)
				}
				tooLarge++
			}
			for name, sig := range map[string][]byte{"shorter": s.Value[1:], "longer": append([]byte{0}, s.Value...),
				"longer behind": append(s.Value[:len(s.Value):len(s.Value)], 0), "none": nil} {
				if verifyPlainRSA(k.Key.(*rsa.PublicKey), s.Algorithm.Hash(), sum, sig) {
					t.Errorf("a signature that is %s is taken", name)
				}
			}
		}
	}
	if len(keys) != 2 || tooLarge == 0 {
		t.Fatal("no vectors")
	}
	sum := sha256.Sum256(nil)
	for _, k := range []*rsa.PublicKey{
		{N: keys["rsa512"].N, E: 1}, {N: keys["rsa512"].N, E: 2}, {N: new(big.Int).Add(keys["rsa512"].N, big.NewInt(1)), E: 65537},
	} {
		if !weakRSA(k) || verifyRSA(k, crypto.SHA256, sum[:], make([]byte, 64)) {
			t.Errorf("e=%d, N even %v: not refused", k.E, k.N.Bit(0) == 0)
		}
	}
	// With e=1 the signature is the padded hash itself: forge one.
	for _, v := range verdicts(t) {
		if v.name == "weak-e1" {
			if r := v.verify(VerifyOptions{}); r.Reason != ReasonKeyWeak || r.HeaderOK {
				t.Errorf("e=1: %v", r.Reason)
			}
		}
		if v.name == "weak-16384" {
			if r := v.verify(VerifyOptions{}); r.Reason != ReasonKeyTooLarge {
				t.Errorf("16384 bits: %v", r.Reason)
			}
			for _, thorough := range []bool{false, true} {
				if r := v.verify(VerifyOptions{Thorough: thorough}); r.HeaderChecked || r.HeaderOK {
					t.Errorf("16384 bits: the key is tried, thorough %v", thorough)
				}
			}
		}
	}
}

func TestTrap12FieldsHaveIdentity(t *testing.T) {
	base := signed(t, []string{from, "Subject: x"}, "", nil)
	twice := new(header.List)
	twice.AddRaw(base.At(0).Raw)
	for i := range base.Len() {
		twice.AddRaw(base.At(i).Raw)
	}
	wantPass(t, "two identical signatures", 2, check(t, twice, "", VerifyOptions{}, nil))

	// A signature that covers an earlier signature: its own field is not it.
	sign := func(fields []string) *header.List {
		return signed(t, fields, "", func(o *SignOptions) {
			o.Sign, o.Omit = NewHeaderSet("From", "DKIM-Signature"), NewHeaderSet(".")
		})
	}
	var raw []string
	for i := range base.Len() {
		raw = append(raw, string(base.At(i).Raw))
	}
	both := sign(raw)
	results := check(t, both, "", VerifyOptions{}, nil)
	wantPass(t, "nested", 2, results)
	if results[0].Signature.Covers("dkim-signature") != 1 {
		t.Error("the outer signature does not cover the inner one")
	}
	// It names its own field more often than there are others.
	alone := signed(t, []string{from}, "", func(o *SignOptions) { o.Oversign = NewHeaderSet("DKIM-Signature") })
	wantPass(t, "own name oversigned", 1, check(t, alone, "", VerifyOptions{}, nil))
}

func TestTrap14TimesNamesIdentities(t *testing.T) {
	const base = "v=1; a=rsa-sha256; h=From; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; "
	long := strings.Repeat("x", 60)
	for tags, want := range map[string]Reason{
		"d=example.com; s=s":                                  ReasonNone,
		"d=example.com; s=s; t=2; x=1":                        ReasonTimestampOrder,
		"d=example.com; s=s; t=2; x=2":                        ReasonTimestampOrder,
		"d=example.com; s=s; t=1; x=99999999999":              ReasonNone,
		"d=example.com; s=s; x=" + strings.Repeat("9", 76):    ReasonNone,
		"d=example.com; s=s; t=-1":                            ReasonTimestamp,
		"d=example.com; s=s; t=1.5":                           ReasonTimestamp,
		"d=example.com; s=s; x=":                              ReasonTimestamp,
		"d=example.com.; s=s":                                 ReasonDomainInvalid,
		"d=; s=s":                                             ReasonDomainEmpty,
		"s=s":                                                 ReasonDomainMissing,
		"d=example.com":                                       ReasonSelectorMissing,
		"d=example.com; s=":                                   ReasonSelectorEmpty,
		"d=" + strings.Repeat(long+".", 4) + "com; s=s":       ReasonSelectorInvalid,
		"d=" + strings.Repeat(long+".", 5) + "com; s=s":       ReasonDomainInvalid,
		"d=" + long + "xxxx.com; s=s":                         ReasonDomainInvalid,
		"d=co.uk; s=s; i=@example.co.uk":                      ReasonNone, // judging public suffixes is for policy
		"d=example.com; s=s; i=@example.org":                  ReasonDomain,
		"d=example.com; s=s; i=@badexample.com":               ReasonDomain,
		"d=example.com; s=s; i=@SUB.Example.COM":              ReasonNone,
		"d=Example.com; s=s; i=someone=40x@example.com":       ReasonIdentityInvalid,
		"d=example.com; s=s; i=example.com":                   ReasonIdentityInvalid,
		"d=bücher.example; s=s; i=@sub.xn--bcher-kva.example": ReasonNone,
		"d=xn--bcher-kva.example; s=s; i=jörg@BÜCHER.example": ReasonNone,
		"d=bücher.example; s=schlüssel":                       ReasonNone,
	} {
		s, err := ParseSignature([]byte(base + tags))
		got := ReasonNone
		if err != nil {
			got = err.(Reason) //nolint:errorlint // documented
		}
		if got != want {
			t.Errorf("%s: %v, want %v", tags, got, want)
		}
		if s == nil {
			t.Errorf("%s: nil signature", tags)
		}
	}
}

func TestTrap15KeyRecords(t *testing.T) {
	p := base64.StdEncoding.EncodeToString(testKeys(t)["ed25519"].Public().(ed25519.PublicKey))
	for text, want := range map[string]Reason{
		"v=DKIM1; k=ed25519; p=" + p:        ReasonNone,
		"k=ed25519; p=" + p + ";":           ReasonNone,
		"k=ed25519; p=" + p + "; v=DKIM1":   ReasonKeyVersion,
		"v=DKIM1; k=ed25519; xyz=1; p=" + p: ReasonNone,
		"v=DKIM1; k=ed25519; p= " + p[:10] + " " + p[10:20] + "\r\n\t" + p[20:] + " ": ReasonNone,
		"v=DKIM1; k=ed25519; p=":                             ReasonKeyRevoked,
		"v=DKIM1; k=ed25519; p= \r\n ":                       ReasonKeyRevoked,
		"v=DKIM1; k=ed25519; h=sha1; p=" + p:                 ReasonNone, // for another algorithm
		"v=DKIM1; k=ed25519; h=rsa-sha256; p=" + p:           ReasonKeyHashUnknown,
		"v=DKIM1; k=ed25519; s=tlsrpt; p=" + p:               ReasonNotEmailKey,
		"v=DKIM1; k=ed25519; s=tlsrpt : email; p=" + p:       ReasonNone,
		"v=DKIM1; k=ed25519; t=y:s; n=a=20note; g=*; p=" + p: ReasonNone,
		"v=DKIM1; k=ed25519; p=" + p + "; p=" + p:            ReasonKeySyntax,
		"v=DKIM1; k=ed25519":                                 ReasonKeyMissing,
		"v=DKIM1; k=ed25519; p=" + p[:20]:                    ReasonKeyUnusable,
		"v=DKIM1; p=" + p:                                    ReasonKeyUnusable,
		"":                                                   ReasonKeyEmpty,
		"v=spf1 -all":                                        ReasonKeyVersion,
	} {
		k, err := ParseKeyRecord(text)
		got := ReasonNone
		if err != nil {
			got = err.(Reason) //nolint:errorlint // documented
		}
		if got != want || k == nil {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	k, err := ParseKeyRecord("v=DKIM1; k=ed25519; t=y:s; n=a=20note; p=" + p)
	if err != nil || !k.Testing || !k.NoSubdomains || k.Notes != "a note" || k.Bits != 256 {
		t.Errorf("%+v, %v", k, err)
	}
	// t=s, h=sha1, t=y at work.
	l := signed(t, []string{from}, "", func(o *SignOptions) { o.Identity = "@sub.example.com" })
	for text, want := range map[string]Reason{
		"k=ed25519; p=" + p: ReasonNone, "k=ed25519; t=s; p=" + p: ReasonSubdomain, "k=ed25519; h=sha1; p=" + p: ReasonKeyHashMismatch, "k=ed25519; t=y; p=" + p: ReasonNone,
		testRecords(t)["rsa1024"]: ReasonKeyTypeMismatch,
	} {
		r := check(t, l, "", VerifyOptions{}, func(string) KeyAnswer { return KeyAnswer{Texts: []string{text}} })[0]
		if r.Reason != want || r.Testing != strings.Contains(text, "t=y") {
			t.Errorf("%s: %v, want %v", text, r.Reason, want)
		}
	}
}
