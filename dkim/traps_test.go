package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"runtime"
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
	o := SignOptions{Domain: "example.com", Selector: "sel", Key: testKeys(t)["ed25519"], BodyLength: -1, HeaderCanonicalization: Relaxed}
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
	l := signed(t, []string{from}, "a  b\r\n", func(o *SignOptions) { o.BodyLength = BodyLengthAll })
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
		o.BodyLength, o.BodyCanonicalization = BodyLengthAll, Relaxed
	})
	r := check(t, l, "a b\r\nmore", VerifyOptions{}, nil)[0]
	if r.Status != StatusPass || r.Signature.Length != 5 {
		t.Errorf("%v, l=%d, want 5", r.Reason, r.Signature.Length)
	}
}

func TestTrap02LengthZeroIsNotAbsent(t *testing.T) {
	l := signed(t, []string{from}, "text\r\n", func(o *SignOptions) { o.BodyLength = 0 })
	r := check(t, l, "quite another text\r\n", VerifyOptions{}, nil)[0]
	if r.Status != StatusPass || r.Signature.Length != 0 {
		t.Errorf("%v, l=%d", r.Reason, r.Signature.Length)
	}
	empty := sha256.Sum256(nil)
	if string(r.Signature.BodyHash) != string(empty[:]) {
		t.Error("l=0 does not hash nothing")
	}
	if r := check(t, l, "text\r\n", VerifyOptions{MinimumBody: BodyMinimum{Percent: 100}}, nil)[0]; r.Reason != ReasonBodyCoverage {
		t.Errorf("Minimum 100%%: %v", r.Reason)
	}
	if r := check(t, l, "", VerifyOptions{MinimumBody: BodyMinimum{Unsigned: 2, LimitUnsigned: true}}, nil)[0]; r.Status != StatusPass {
		t.Errorf("Minimum 2+ with an empty body: %v", r.Reason)
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
				o.Oversign = NewHeaderSet(nil, "To")
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

func TestOversignUnsignedField(t *testing.T) {
	l := signed(t, []string{from, "Sender: x", "Sender: y"}, "", func(o *SignOptions) { o.Oversign = NewHeaderSet(nil, "Sender,Subject") })
	r := check(t, l, "", VerifyOptions{}, nil)[0]
	if got := strings.Join(r.Signature.Headers, ":"); r.Status != StatusPass || got != "From:Sender:Sender:Sender:Subject" {
		t.Errorf("%v, h=%s", r.Reason, got)
	}
}

func TestTrap06OddBytes(t *testing.T) {
	fields := []string{from, "Subject: \xff\x00 bare\rCR", "Date   : x", "To:"}
	for _, c := range []Canonicalization{Simple, Relaxed} {
		l := signed(t, fields, "bare\nLF bare\rCR \x00\xff", func(o *SignOptions) { o.HeaderCanonicalization, o.BodyCanonicalization = c, c })
		wantPass(t, c.String(), 1, check(t, l, "bare\nLF bare\rCR \x00\xff", VerifyOptions{}, nil))
		if n := len(check(t, l, "", VerifyOptions{}, nil)[0].Signature.Headers); n != 4 {
			t.Errorf("%d fields signed", n)
		}
	}
	l := new(header.List)
	l.AddRaw([]byte("no colon here"))
	l.AddRaw([]byte("DKIM-Signature: \x00"))
	l.AddRaw([]byte("DKIM-Signature:"))
	for _, r := range check(t, l, "", VerifyOptions{}, nil) {
		if r.Status != StatusPermError {
			t.Errorf("%v, %v", r.Status, r.Reason)
		}
	}
}

func TestTrap07LeadingSpace(t *testing.T) {
	// The vectors run both ways; here: what the MTA cut is put back once, and
	// what it kept is not touched.
	for _, c := range []struct {
		value string
		kept  bool
		want  string
	}{{" x", true, "To: x"}, {"x", true, "To:x"}, {"x", false, "To: x"}, {" x", false, "To:  x"}, {"\n\tx", true, "To:\r\n\tx"}, {"", true, "To:"}, {"", false, "To: "}} {
		var l header.List
		l.Add([]byte("To"), []byte(c.value), c.kept)
		if got := string(l.At(0).Raw); got != c.want {
			t.Errorf("%q kept %v: %q, want %q", c.value, c.kept, got, c.want)
		}
	}
}

func TestTrap08MemoryIsConstant(t *testing.T) {
	var b BodyHashes
	for _, c := range []Canonicalization{Simple, Relaxed} {
		b.Want(c, crypto.SHA256, -1)
	}
	blank := []byte(strings.Repeat("\r\n \t\r\n", 10000))
	plain := []byte(strings.Repeat("\r\n", 32000))
	b.Write([]byte("text"))
	mixed := []byte("x y  z\r")
	allocs := testing.AllocsPerRun(50, func() {
		b.Write(blank)
		b.Write(plain)
		b.Write(mixed)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per chunk", allocs)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 16384 { // 1 GB of empty lines: they are counted, and nothing else
		b.Write(plain)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestTrap11SmallLargeAndUnsafeKeys(t *testing.T) {
	keys := map[string]*rsa.PublicKey{}
	for _, name := range []string{"rsa512", "rsa768"} {
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
			k, err := ParseKeyRecord(*v.Record)
			if err != nil {
				t.Fatal(err)
			}
			keys[name] = k.Key.(*rsa.PublicKey)
		}
	}
	if len(keys) != 2 {
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
			start := time.Now()
			if r := v.verify(VerifyOptions{}); r.Reason != ReasonKeyTooLarge || time.Since(start) > 100*time.Millisecond {
				t.Errorf("16384 bits: %v after %v", r.Reason, time.Since(start))
			}
		}
	}
}

func TestSmallKeyIsNotForSigning(t *testing.T) {
	data, err := os.ReadFile("testdata/keys/rsa768.private")
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(data); block == nil {
		t.Fatal("no key")
	}
	o := SignOptions{Domain: "example.com", Selector: "s", Key: testKeys(t)["rsa768"]}
	if _, err := NewSigner(o, new(header.List), new(BodyHashes)); err == nil || !strings.Contains(err.Error(), "private key too small (768 bits, need at least 1024)") {
		t.Errorf("%v", err)
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
			o.Sign, o.Omit = NewHeaderSet(nil, "From,DKIM-Signature"), NewHeaderSet(nil, ".")
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
	alone := signed(t, []string{from}, "", func(o *SignOptions) { o.Oversign = NewHeaderSet(nil, "DKIM-Signature") })
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

func TestEAIQueryName(t *testing.T) {
	for _, c := range [][3]string{
		{"sel", "Example.COM", "sel._domainkey.example.com"},
		{"sel", "bücher.example", "sel._domainkey.xn--bcher-kva.example"},
		{"schlüssel", "BÜCHER.example", "xn--schlssel-95a._domainkey.xn--bcher-kva.example"},
		{"sel", "도장.한국", "sel._domainkey.xn--hq1b009a.xn--3e0b707e"},
	} {
		if got, ok := QueryName(c[0], c[1]); !ok || got != c[2] {
			t.Errorf("%s, %s: %s, %v", c[0], c[1], got, ok)
		}
	}
}

func TestEAISigning(t *testing.T) {
	l := signed(t, []string{"From: Jörg <jörg@bücher.example>"}, "Grüße\r\n", func(o *SignOptions) {
		o.Domain, o.Identity = "bücher.example", "jörg@bücher.example"
	})
	if !strings.Contains(string(l.At(0).Raw), "i=jörg@bücher.example;") {
		t.Errorf("%s", l.At(0).Raw)
	}
	results := check(t, l, "Grüße\r\n", VerifyOptions{}, func(name string) KeyAnswer {
		if name != "sel._domainkey.xn--bcher-kva.example" {
			t.Errorf("asks for %s", name)
		}
		return KeyAnswer{Texts: []string{testRecords(t)["ed25519"]}}
	})
	wantPass(t, "EAI", 1, results)
	if results[0].Signature.Identity != "jörg@bücher.example" {
		t.Error(results[0].Signature.Identity)
	}
}

func TestTimes(t *testing.T) {
	l := signed(t, []string{from}, "", func(o *SignOptions) { o.Time, o.TTL = now, time.Hour })
	for _, c := range []struct {
		after, drift time.Duration
		want         Reason
	}{
		{0, 0, ReasonNone}, {time.Hour, 0, ReasonNone}, {time.Hour + 300*time.Second, 0, ReasonNone}, {time.Hour + 301*time.Second, 0, ReasonExpired},
		{time.Hour + time.Second, -1, ReasonExpired}, {time.Hour, -1, ReasonNone}, {-300 * time.Second, 0, ReasonNone}, {-301 * time.Second, 0, ReasonFuture},
		{-time.Second, -1, ReasonFuture}, {-time.Minute, time.Hour, ReasonNone},
	} {
		r := check(t, l, "", VerifyOptions{Now: now.Add(c.after), ClockDrift: c.drift}, nil)[0]
		if r.Reason != c.want || !r.HeaderOK || !r.BodyOK {
			t.Errorf("%v after signing, drift %v: %v, want %v", c.after, c.drift, r.Reason, c.want)
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

func TestKeyAnswers(t *testing.T) {
	l := signed(t, []string{from}, "", nil)
	good := testRecords(t)["ed25519"]
	for _, c := range []struct {
		a    KeyAnswer
		o    VerifyOptions
		want Reason
	}{
		{a: KeyAnswer{NotFound: true}, want: ReasonKeyNotFound},
		{a: KeyAnswer{Temporary: true}, want: ReasonKeyQuery},
		{a: KeyAnswer{Err: io.EOF}, want: ReasonKeyReply},
		{a: KeyAnswer{}, want: ReasonKeyNotFound},
		{a: KeyAnswer{Texts: []string{"v=spf1 -all", good}}, want: ReasonNone},
		{a: KeyAnswer{Texts: []string{"v=DKIM1; p=", "hello"}}, want: ReasonKeyRevoked},
		{a: KeyAnswer{Texts: []string{good}, Security: Bogus}, want: ReasonNone},
		{a: KeyAnswer{Texts: []string{good}, Security: Bogus}, o: VerifyOptions{RefuseBogusKey: true}, want: ReasonKeyBogus},
		{a: KeyAnswer{Texts: []string{good}, Security: Insecure}, o: VerifyOptions{RefuseUnprotectedKey: true}, want: ReasonKeyUnprotected},
		{a: KeyAnswer{Texts: []string{good}, Security: Secure}, o: VerifyOptions{RefuseUnprotectedKey: true, RefuseBogusKey: true}, want: ReasonNone},
	} {
		r := check(t, l, "", c.o, func(string) KeyAnswer { return c.a })[0]
		if r.Reason != c.want || r.Security != c.a.Security || r.MultipleKeys != (len(c.a.Texts) > 1) {
			t.Errorf("%+v: %v, want %v", c.a, r.Reason, c.want)
		}
	}
	var b BodyHashes
	v := NewVerifier(VerifyOptions{Now: now}, l, &b)
	b.Close()
	if r := v.Finish()[0]; r.Reason != ReasonKeyQuery || r.Status != StatusTempError {
		t.Errorf("no answer at all: %v", r.Reason)
	}
}

func TestCoveragePolicies(t *testing.T) {
	l := signed(t, []string{from, "Subject: x", "X-Seen: y"}, "0123456789\r\n", func(o *SignOptions) { o.BodyLength = 6 })
	for _, c := range []struct {
		minimum string
		must    []string
		want    Reason
	}{
		{"6", nil, ReasonNone}, {"7", nil, ReasonBodyCoverage}, {"50%", nil, ReasonNone}, {"51%", nil, ReasonBodyCoverage}, {"6+", nil, ReasonNone}, {"5+", nil, ReasonBodyCoverage},
		{"0", []string{"Subject", "from", "Date"}, ReasonNone}, {"0", []string{"X-SEEN"}, ReasonUnprotectedHeader},
	} {
		m, err := ParseBodyMinimum(c.minimum)
		if err != nil {
			t.Fatal(err)
		}
		if r := check(t, l, "0123456789\r\n", VerifyOptions{MinimumBody: m, MustBeSigned: c.must}, nil)[0]; r.Reason != c.want {
			t.Errorf("%s, %v: %v, want %v", c.minimum, c.must, r.Reason, c.want)
		}
	}
	for _, bad := range []string{"", "x", "-1", "101%", "%", "+", "1.5"} {
		if m, err := ParseBodyMinimum(bad); err == nil {
			t.Errorf("%q is %+v", bad, m)
		}
	}
	if m := (BodyMinimum{Percent: 100}); !m.Allows(0, 0) || m.Allows(math.MaxInt64-1, math.MaxInt64) {
		t.Error("Minimum 100% is wrong at the edges")
	}
}

func TestHundredsOfSignatures(t *testing.T) {
	l := new(header.List)
	for i := range 500 {
		s := signed(t, []string{from}, "x\r\n", func(o *SignOptions) { o.Domain = fmt.Sprintf("d%d.example.com", i); o.BodyLength = int64(i % 3) })
		l.AddRaw(s.At(0).Raw)
	}
	l.AddRaw([]byte(from))
	var b BodyHashes
	v := NewVerifier(VerifyOptions{Now: now, MaximumSignatures: 4, TrustFirst: func(d string) bool { return d == "d400.example.com" || d == "d1.example.com" }}, l, &b)
	if n := len(v.Queries()); n != 4 {
		t.Errorf("%d queries", n)
	}
	if len(b.hashes) != 3 {
		t.Errorf("%d body hashes", len(b.hashes))
	}
	for _, q := range v.Queries() {
		v.SetKey(q, KeyAnswer{Texts: []string{testRecords(t)["ed25519"]}})
	}
	b.Write([]byte("x\r\n"))
	b.Close()
	passed := []string{}
	for _, r := range v.Finish() {
		switch r.Status {
		case StatusPass:
			passed = append(passed, r.Signature.Domain)
		default:
			if r.Reason != ReasonTooManySignatures || r.Status != StatusNeutral {
				t.Fatalf("%v, %v", r.Reason, r.Status)
			}
		}
	}
	if got := strings.Join(passed, " "); got != "d0.example.com d1.example.com d2.example.com d400.example.com" {
		t.Errorf("passed: %s", got)
	}
}

func TestQueriesAreDistinct(t *testing.T) {
	l := new(header.List)
	for _, d := range []string{"example.com", "EXAMPLE.com", "other.example"} {
		l.AddRaw(signed(t, []string{from}, "", func(o *SignOptions) { o.Domain = d }).At(0).Raw)
	}
	l.AddRaw([]byte(from))
	var b BodyHashes
	q := NewVerifier(VerifyOptions{Now: now}, l, &b).Queries()
	if len(q) != 2 || q[0].Name != "sel._domainkey.example.com" || fmt.Sprint(q[0].Signatures) != "[0 1]" || fmt.Sprint(q[1].Signatures) != "[2]" {
		t.Errorf("%+v", q)
	}
}

func TestSatisfied(t *testing.T) {
	var b BodyHashes
	if !b.Satisfied() {
		t.Error("nothing wanted, not satisfied")
	}
	b.Want(Simple, crypto.SHA256, 4)
	b.Want(Relaxed, crypto.SHA256, 2)
	b.Write([]byte("ab"))
	if b.Satisfied() {
		t.Error("satisfied too early")
	}
	b.Write([]byte(strings.Repeat("c", 5000)))
	if !b.Satisfied() {
		t.Error("not satisfied")
	}
	b.NeedTotal = true
	if b.Satisfied() {
		t.Error("satisfied though the total is needed")
	}
	b.Reset()
	b.Want(Simple, crypto.SHA256, -1)
	b.Write([]byte(strings.Repeat("c", 5000)))
	if b.Satisfied() {
		t.Error("satisfied without a limit")
	}
}

func TestResetForgetsTheMessage(t *testing.T) {
	var b BodyHashes
	for _, body := range []string{"a\r\n\r\n", "x  \r", "", "\r\n\r\n \t", "last"} {
		b.Reset()
		b.FixCRLF = body == "x  \r"
		for _, c := range []Canonicalization{Simple, Relaxed} {
			h := b.Want(c, crypto.SHA256, -1)
			if b.Want(c, crypto.SHA256, -1) != h {
				t.Error("the same hash twice")
			}
		}
		b.Write([]byte(body))
		b.Close()
		fixed := []byte(body)
		if b.FixCRLF {
			fixed = slowFix(fixed)
		}
		for _, h := range b.hashes {
			if want := sha256.Sum256(slowBody(fixed, h.canonicalization)); string(want[:]) != string(h.Sum()) {
				t.Errorf("%q, %v: state of an earlier message", body, h.canonicalization)
			}
		}
	}
}

func TestShortB(t *testing.T) {
	var results []Result
	for _, b := range []string{"abcdefghijkl", "abcdefghijxx", "zzzzzzzzzzzz", "ab", "", "same45678same", "same45678same"} {
		results = append(results, Result{Signature: &Signature{Encoded: b}})
	}
	if got := fmt.Sprint(ShortB(results)); got != "[abcdefghijk abcdefghijx zzzzzzzz ab  same4567 same4567]" {
		t.Error(got)
	}
}

func TestReasonsAreComplete(t *testing.T) {
	for r := range reasonCount {
		if r.String() == "" || r.Explain() == "" || !strings.HasSuffix(r.Explain(), ".") {
			t.Errorf("reason %d has no words", r)
		}
		if (r == ReasonNone) != (r.Status() == StatusPass) {
			t.Errorf("%v is a %v", r, r.Status())
		}
	}
}
