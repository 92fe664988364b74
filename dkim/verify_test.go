package dkim

import (
	"crypto"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/header"
)

func TestOversignUnsignedField(t *testing.T) {
	l := signed(t, []string{from, "Sender: x", "Sender: y"}, "", func(o *SignOptions) {
		o.Oversign = NewHeaderSet("Sender", "X-*", "a;b", "Subject")
	})
	r := check(t, l, "", VerifyOptions{}, nil)[0]
	if got := strings.Join(r.Signature.Headers, ":"); r.Status != StatusPass || got != "From:Sender:Sender:Sender:Subject" {
		t.Errorf("%v, h=%s", r.Reason, got)
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
	if _, err := NewSigner(o, new(header.List), new(BodyHashes)); err == nil ||
		!strings.Contains(err.Error(), "private key too small (768 bits, need at least 1024)") {
		t.Errorf("%v", err)
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
		r := check(t, l, "", VerifyOptions{Now: now.Add(c.after), ClockDrift: c.drift, Thorough: true}, nil)[0]
		if r.Reason != c.want || !r.HeaderOK || !r.BodyOK {
			t.Errorf("%v after signing, drift %v: %v, want %v", c.after, c.drift, r.Reason, c.want)
		}
		var bodies BodyHashes
		v := NewVerifier(VerifyOptions{Now: now.Add(c.after), ClockDrift: c.drift}, l, &bodies)
		if asks := len(v.Queries()) > 0; asks != (c.want == ReasonNone) {
			t.Errorf("%v after signing, drift %v: asks for the key: %v", c.after, c.drift, asks)
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
	l := signed(t, []string{from, "Subject: x", "X-Seen: y"}, "0123456789\r\n", func(o *SignOptions) { o.BodyLength = new(int64(6)) })
	for _, c := range []struct {
		least int64
		must  []string
		want  Reason
	}{
		{6, nil, ReasonNone}, {7, nil, ReasonBodyCoverage},
		{0, []string{"Subject", "from", "Date"}, ReasonNone}, {0, []string{"X-SEEN"}, ReasonUnprotectedHeader},
	} {
		covered := func(length, total int64) bool {
			if length != 6 || total != 12 {
				t.Errorf("asked about %d of %d octets", length, total)
			}
			return length >= c.least
		}
		if r := check(t, l, "0123456789\r\n", VerifyOptions{Covered: covered, MustBeSigned: c.must}, nil)[0]; r.Reason != c.want {
			t.Errorf("%d, %v: %v, want %v", c.least, c.must, r.Reason, c.want)
		}
	}
}

// TestTrustedSignaturesAreBounded: 32 of them are looked at before any other, however few
// are wanted.
func TestTrustedSignaturesAreBounded(t *testing.T) {
	l := new(header.List)
	one := signed(t, []string{from}, "x\r\n", nil).At(0).Raw
	for range 40 {
		l.AddRaw(one)
	}
	l.AddRaw([]byte(from))
	for most, want := range map[int]int{1: 32, 33: 33, 40: 40} {
		var b BodyHashes
		v := NewVerifier(VerifyOptions{Now: now, MaximumSignatures: most, TrustFirst: func(string) bool { return true }}, l, &b)
		b.Close()
		looked := 0
		for _, r := range v.Finish() {
			if r.Reason != ReasonTooManySignatures {
				looked++
			}
		}
		if looked != want {
			t.Errorf("of 40, %d wanted: %d are looked at", most, looked)
		}
	}
}

func TestHundredsOfSignatures(t *testing.T) {
	l := new(header.List)
	for i := range 500 {
		if i > maxRead {
			l.AddRaw([]byte("DKIM-Signature: d=d1.example.com"))
			continue
		}
		s := signed(t, []string{from}, "x\r\n",
			func(o *SignOptions) { o.Domain = fmt.Sprintf("d%d.example.com", i); o.BodyLength = new(int64(i % 3)) })
		l.AddRaw(s.At(0).Raw)
	}
	l.AddRaw([]byte(from))
	var b BodyHashes
	v := NewVerifier(VerifyOptions{Now: now, MaximumSignatures: 4,
		TrustFirst: func(d string) bool { return d == "d120.example.com" || d == "d1.example.com" }}, l, &b)
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
	passed, results := []string{}, v.Finish()
	if len(results) != maxRead {
		t.Errorf("%d results", len(results))
	}
	for _, r := range results {
		switch r.Status {
		case StatusPass:
			passed = append(passed, r.Signature.Domain)
		default:
			if r.Reason != ReasonTooManySignatures || r.Status != StatusNeutral {
				t.Fatalf("%v, %v", r.Reason, r.Status)
			}
		}
	}
	if got := strings.Join(passed, " "); got != "d0.example.com d1.example.com d2.example.com d120.example.com" {
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
	if len(q) != 2 || q[0].Name != "sel._domainkey.example.com" || fmt.Sprint(q[0].Signatures) != "[0 1]" ||
		fmt.Sprint(q[1].Signatures) != "[2]" {
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
	short := b.Want(Relaxed, crypto.SHA256, 2)
	b.Keep(Relaxed, 3000)
	for range 100 {
		b.Write([]byte(strings.Repeat("c", 1000)))
	}
	if !b.Satisfied() || len(b.Kept(Relaxed)) != 3000 {
		t.Errorf("satisfied %t, kept %d", b.Satisfied(), len(b.Kept(Relaxed)))
	}
	if n := short.CanonicalLength(); n < 3000 || n > 10_000 {
		t.Errorf("%d octets were canonicalized", n)
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
