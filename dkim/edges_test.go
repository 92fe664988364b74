package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"dojang/header"
)

// TestQuotedUTF8: what is no UTF-8 is quoted octet by octet, U+FFFD is a character.
func TestQuotedUTF8(t *testing.T) {
	for text, want := range map[string]string{"\ufffd": "\ufffd", "\xff": "=FF", "é\xc3": "é=C3", "\xef\xbf": "=EF=BF", "한;": "한=3B"} {
		if got := string(appendQuoted(nil, []byte(text), isQuotedSafe, true)); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestPaddingOfBase64 is there, or not, or too short, and never longer than two.
func TestPaddingOfBase64(t *testing.T) {
	for text, want := range map[string]bool{"": true, "QQ==": true, "QQ=": true, "QQ": true, "QUI=": true, "QUI": true, "QUJD": true,
		"QQ===": false, "=": true, "===": false, "Q=Q=": false, "Q": false} {
		if _, ok := decodeBase64([]byte(text)); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

// TestNumbersAboveTheirLimit are the limit.
func TestNumbersAboveTheirLimit(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "9": 9, "987": 987, "1000": 1000, "1001": 1000,
		"10009": 1000, "99999999999999999999": 1000} {
		if got, ok := parseNumber([]byte(text), 1000); got != want || !ok {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
	if got, ok := parseNumber([]byte("99999999999999999999999999"), math.MaxInt64); got != math.MaxInt64 || !ok {
		t.Errorf("%d, %v", got, ok)
	}
	for _, none := range []string{"", "-1", "+1", "1 ", "0x1", "/", ":"} {
		if got, ok := parseNumber([]byte(none), 1000); ok {
			t.Errorf("%q: %d", none, got)
		}
	}
}

// TestNamesThatAreNone: neither selector nor domain may be one.
func TestNamesThatAreNone(t *testing.T) {
	long := strings.Repeat("a", 64)
	for names, want := range map[[2]string]bool{{"s", "example.com"}: true, {long, "example.com"}: false, {"s", long + ".com"}: false} {
		if name, ok := QueryName(names[0], names[1]); ok != want || ok == (name == "") {
			t.Errorf("%q: %q, %v", names, name, ok)
		}
	}
	if isWithin(long+".com", long+".com") || isWithin(long, "") || isWithin("aexample.com", "example.com") ||
		!isWithin("a.Example.com", "example.com") {
		t.Error("what is no name is within itself, or a name is not within one above it")
	}
	for name, want := range map[string]bool{"a": true, "a.b-c_d": true, "xn--bcher-kva.example": true, "bücher.example": true,
		"": false, ".": false,
		"a.": false, ".a": false, "a..b": false, "a b": false, "\xff.example": false, "b\xc3.example": false, "a/b": false, "*.a": false} {
		if got := ValidDomain(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// TestReasonsBeyondTheLast have words all the same.
func TestReasonsBeyondTheLast(t *testing.T) {
	for _, r := range []Reason{reasonCount, reasonCount + 1, 255} {
		if r.Explain() == "" || r.Explain() != r.String() || r.Status() != StatusPermError || r.Error() != r.String() {
			t.Errorf("%d: %q, %q, %v", r, r.String(), r.Explain(), r.Status())
		}
	}
}

// TestPublicKeysInDER (RFC 8017 appendix A.1.1, RFC 5280 §4.1): an RSA key is one of RSA in
// whole octets, with nothing behind it.
func TestPublicKeysInDER(t *testing.T) {
	good := x509.MarshalPKCS1PublicKey(testKeys(t)["rsa2048"].Public().(*rsa.PublicKey))
	whole := func(oid asn1.ObjectIdentifier, key []byte, bits int) []byte {
		der, err := asn1.Marshal(struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}{pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}, asn1.BitString{Bytes: key, BitLength: bits}})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	number := func(n, e int64) []byte {
		der, err := asn1.Marshal(struct{ N, E int64 }{n, e})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	spki := whole(oidRSA, good, 8*len(good))
	for name, c := range map[string]struct {
		der  []byte
		want bool
	}{
		"bare": {good, true}, "whole": {spki, true},
		"with something behind it":             {append(bytes.Clone(good), 0), false},
		"whole, with something behind it":      {append(bytes.Clone(spki), 0), false},
		"whole, with something behind the key": {whole(oidRSA, append(bytes.Clone(good), 0), 8*len(good)+8), false},
		"of another algorithm":                 {whole(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, good, 8*len(good)), false},
		"not of whole octets":                  {whole(oidRSA, append(bytes.Clone(good), 0), 8*len(good)+1), false},
		"cut short":                            {good[:len(good)-1], false},
		"nothing":                              {nil, false},
		"modulus 0":                            {number(0, 65537), false}, "modulus negative": {number(-5, 65537), false},
		"exponent 0": {number(5, 0), false}, "exponent negative": {number(5, -3), false},
		"exponent of 31 bits": {number(5, 1<<31-1), true}, "exponent of 32 bits": {number(5, 1<<31), false},
	} {
		if key, ok := parseRSAPublicKey(c.der); ok != c.want || ok != (key != nil) {
			t.Errorf("%s: %v, %v", name, key, ok)
		}
	}
}

// TestTagsOfOldKeys: g= of RFC 4871, which means nothing now, is there to be told.
func TestTagsOfOldKeys(t *testing.T) {
	record := testRecords(t)["rsa2048"]
	for text, want := range map[string]string{record: "none", record + "; g=*": "*", record + "; g=": "", record + "; g=a*b": "a*b"} {
		key, err := ParseKeyRecord(text)
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if key.HasGranularity {
			got = key.Granularity
		}
		if got != want {
			t.Errorf("%.30s...: %q, want %q", text, got, want)
		}
	}
}

// tired is a key that is not there when it is needed: a token that was pulled out.
type tired struct{ crypto.Signer }

var errTired = errors.New("no token")

func (tired) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errTired }

// TestSignersThatCannot: what is wrong is told before the message or behind it, and nothing
// is signed.
func TestSignersThatCannot(t *testing.T) {
	l := new(header.List)
	l.AddRaw([]byte(from))
	o := SignOptions{Domain: "example.com", Selector: "sel", Key: tired{testKeys(t)["rsa2048"]}}
	bodies := new(BodyHashes)
	s, err := NewSigner(o, l, bodies)
	if err != nil {
		t.Fatal(err)
	}
	if value, err := s.Sign(); err == nil {
		t.Errorf("before the end of the body: %s", value)
	}
	bodies.Close()
	if value, err := s.Sign(); !errors.Is(err, errTired) || value != "" {
		t.Errorf("%q, %v", value, err)
	}
	o.Condition = "a b"
	if _, err := NewSigner(o, l, new(BodyHashes)); err == nil || !strings.Contains(err.Error(), `"a b" is not a domain name`) {
		t.Errorf("%v", err)
	}
}

// TestOrderOfBodyHashes: what comes too late is a fault of the program; a second end is none.
func TestOrderOfBodyHashes(t *testing.T) {
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return
	}
	b := new(BodyHashes)
	h := b.Want(Relaxed, crypto.SHA256, -1)
	if b.Want(Relaxed, crypto.SHA256, -5) != h || b.Want(Relaxed, crypto.SHA256, 0) == h || b.Want(Simple, crypto.SHA256, -1) == h {
		t.Error("the same is asked for twice, or another is the same")
	}
	b.Write([]byte("x"))
	if !panics(func() { b.Want(Simple, crypto.SHA256, -1) }) {
		t.Error("a hash is wanted when the body has begun")
	}
	b.Close()
	sum, length := string(h.Sum()), h.CanonicalLength()
	b.Close()
	if string(h.Sum()) != sum || h.CanonicalLength() != length || length != 3 {
		t.Errorf("the end of the body counts twice: %d octets", h.CanonicalLength())
	}
	if !panics(func() { b.Write([]byte("y")) }) {
		t.Error("a body goes on behind its end")
	}
	if !panics(func() { new(BodyHashes).Want(Simple, crypto.MD5, -1) }) {
		t.Error("MD5 is a hash of DKIM")
	}
}

// TestHashesOfOneMessageAfterAnother: whichever were wanted before, each is its own.
func TestHashesOfOneMessageAfterAnother(t *testing.T) {
	b := new(BodyHashes)
	body := []byte("text\r\n")
	s1, s256 := sha1.Sum(body), sha256.Sum256(body)
	want := map[crypto.Hash]string{crypto.SHA1: string(s1[:]), crypto.SHA256: string(s256[:])}
	for i, wanted := range [][]crypto.Hash{{crypto.SHA256}, {crypto.SHA1}, {crypto.SHA1, crypto.SHA256}, {crypto.SHA256, crypto.SHA1}} {
		hashes := map[crypto.Hash]*BodyHash{}
		for _, h := range wanted {
			hashes[h] = b.Want(Simple, h, -1)
		}
		b.Write(body)
		b.Close()
		for h, got := range hashes {
			if string(got.Sum()) != want[h] || got.HashedLength() != int64(len(body)) {
				t.Errorf("message %d, %v: %x of %d octets", i, h, got.Sum(), got.HashedLength())
			}
		}
		b.Reset()
	}
}

// TestNamesOfFieldsInLowerCase (RFC 6376 §3.4.2), every letter of them and nothing else.
func TestNamesOfFieldsInLowerCase(t *testing.T) {
	for c := range 256 {
		if c == ':' || isHeaderSpace(byte(c)) {
			continue
		}
		want := byte(c)
		if c >= 'A' && c <= 'Z' {
			want += 'a' - 'A'
		}
		if got := string(AppendHeader(nil, []byte{'X', byte(c), ':', 'Y'}, Relaxed)); got != "x"+string([]byte{want})+":Y\r\n" {
			t.Errorf("%q: %q", byte(c), got)
		}
	}
}

// TestWhatAResultTells beside its verdict.
func TestWhatAResultTells(t *testing.T) {
	l := signed(t, []string{from}, "one \r\ntwo\r\n\r\n", nil)
	r := check(t, l, "one \r\ntwo\r\n\r\n", VerifyOptions{}, nil)[0]
	if r.Status != StatusPass || r.CanonicalBodyLength != 11 || !r.BodyChecked || !r.BodyOK || !r.HeaderChecked ||
		!r.HeaderOK {
		t.Errorf("%+v", r)
	}
	r = check(t, l, "three\r\n", VerifyOptions{}, nil)[0]
	if r.Status != StatusFail || !r.BodyChecked || r.BodyOK || !r.HeaderOK {
		t.Errorf("%+v", r)
	}
}

// TestWholeMessagesAreMeasured to their end, whatever l= says.
func TestWholeMessagesAreMeasured(t *testing.T) {
	l := signed(t, []string{from}, "text\r\n", func(o *SignOptions) { o.BodyLength = new(int64) })
	message := string(l.At(0).Raw) + "\r\n" + from + "\r\n\r\ntext\r\nmore\r\n"
	results, err := Verify(t.Context(), []byte(message), VerifyOptions{Now: now}, func(context.Context, string) ([]string, error) {
		return []string{testRecords(t)["ed25519"]}, nil
	})
	if err != nil || len(results) != 1 || results[0].Status != StatusPass || results[0].CanonicalBodyLength != 12 {
		t.Errorf("%+v, %v", results, err)
	}
}

// TestSignedFilesVerify: a file whose lines end in LF may get its field, whose lines end
// in CRLF, before it is verified.
func TestSignedFilesVerify(t *testing.T) {
	lookup := func(context.Context, string) ([]string, error) { return []string{testRecords(t)["ed25519"]}, nil }
	for _, file := range []string{from + "\n\none\ntwo\n", from + "\r\n\none\ntwo\n",
		from + "\r\n\r\none\r\ntwo\r\n", from + "\n\n", from + "\n"} {
		field, err := Sign([]byte(file), SignOptions{Domain: "example.com", Selector: "s", Key: testKeys(t)["ed25519"]})
		if err != nil {
			t.Fatal(err)
		}
		sent := strings.ReplaceAll(strings.ReplaceAll(file, "\r\n", "\n"), "\n", "\r\n")
		for _, message := range []string{string(field) + file, string(field) + sent} {
			results, err := Verify(t.Context(), []byte(message), VerifyOptions{Now: now}, lookup)
			if err != nil || len(results) != 1 || results[0].Status != StatusPass {
				t.Errorf("%q: %v, %v", message, results, err)
			}
		}
	}
}

// TestNothingKept: a limit of no octets is reached at once.
func TestNothingKept(t *testing.T) {
	b := new(BodyHashes)
	b.Want(Simple, crypto.SHA256, 0)
	b.Keep(Simple, 0)
	if !b.Satisfied() {
		t.Error("there is more to keep")
	}
	b.Keep(Simple, -1)
	if b.Satisfied() {
		t.Error("there is nothing more to keep of all")
	}
}

// TestNotesThatEndEarly are no quoted-printable (RFC 6376 §2.11).
func TestNotesThatEndEarly(t *testing.T) {
	for text, want := range map[string]string{"=41": "A", "x=41y": "xAy", "=4": "no", "=": "no", "x=4": "no", "x=": "no",
		"=4g": "no", "=g4": "no", "": ""} {
		got, ok := decodeQuotedText([]byte(text))
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]string{"a=3Bb": "a;b", "a=4": "a=4"} { // what is none stays as it is
		if k, err := ParseKeyRecord(testRecords(t)["ed25519"] + "; n=" + text); k.Notes != want || err != nil {
			t.Errorf("n=%s: %q, %v", text, k.Notes, err)
		}
	}
	for text, want := range map[string]bool{"\r": true, "\r\n": false, "\rx": true, "\r\nx": false, "\r\r\n": true} {
		if got := isBareCR([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestIdentityBytes: RFC 6376 §2.11: a dkim-safe-char of i= stands as it is, all else encoded.
func TestIdentityBytes(t *testing.T) {
	for c := byte(1); c < 0x80; c++ {
		want := string(rune(c))
		if c <= ' ' || c == ';' || c == '=' || c == 0x7f {
			want = fmt.Sprintf("=%02X", c)
		}
		l := signed(t, []string{from}, "", func(o *SignOptions) { o.Identity = "a" + string(rune(c)) + "b@example.com" })
		if got := string(l.At(0).Raw); !strings.Contains(got, "; i=a"+want+"b@example.com;") {
			t.Errorf("%q: %q", c, got)
		}
	}
}

// TestAnswersThatWereJudged before they came are taken as they are.
func TestAnswersThatWereJudged(t *testing.T) {
	l := signed(t, []string{from}, "", nil)
	good := testRecords(t)["ed25519"]
	for _, c := range []struct {
		answer KeyAnswer
		want   Reason
	}{
		{KeyAnswer{Texts: []string{good}}, ReasonNone},
		{KeyAnswer{Texts: []string{good}, RecordReason: ReasonKeyVersion}, ReasonKeyVersion},
		{KeyAnswer{Texts: []string{"v=DKIM1; p="}}, ReasonKeyRevoked},
	} {
		if got := check(t, l, "", VerifyOptions{}, func(string) KeyAnswer { return c.answer })[0].Reason; got != c.want {
			t.Errorf("%+v: %v, want %v", c.answer, got, c.want)
		}
	}
}

// TestPartsOfAVerifier: its signatures may be left before the last, and a rule about what they
// cover needs the whole body.
func TestPartsOfAVerifier(t *testing.T) {
	l := signed(t, []string{from}, "", func(o *SignOptions) { o.BodyLength = new(int64) })
	l.AddRaw(bytes.Clone(l.At(0).Raw))
	covers := func(length, total int64) bool { return length == total }
	for _, covered := range []func(length, total int64) bool{nil, covers} {
		bodies := new(BodyHashes)
		NewVerifier(VerifyOptions{Now: now, Covered: covered}, l, bodies)
		if bodies.Satisfied() != (covered == nil) {
			t.Errorf("l=0, with a rule: %v: the body is not needed: %v", covered != nil, bodies.Satisfied())
		}
	}
	v := NewVerifier(VerifyOptions{Now: now}, l, new(BodyHashes))
	n := 0
	for range v.Signatures() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d signatures", n)
	}
}
