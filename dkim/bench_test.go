package dkim

import (
	"bytes"
	"crypto"
	"strings"
	"testing"
	"time"

	"dojang/header"
)

var textLine = "The quick brown fox jumps over the lazy dog, and then it does so again.\r\n"

func benchmarkBody(b *testing.B, c Canonicalization, body []byte) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var hashes BodyHashes
	for b.Loop() {
		hashes.Reset()
		hashes.Want(c, crypto.SHA256, -1)
		for p := body; len(p) > 0; {
			n := min(len(p), 65535)
			hashes.Write(p[:n])
			p = p[n:]
		}
		hashes.Close()
	}
}

func BenchmarkBodySimple(b *testing.B) {
	benchmarkBody(b, Simple, bytes.Repeat([]byte(textLine), 15000))
}

func BenchmarkBodyRelaxed(b *testing.B) {
	benchmarkBody(b, Relaxed, bytes.Repeat([]byte(textLine), 15000))
}

func BenchmarkBodyRelaxedWhite(b *testing.B) {
	benchmarkBody(b, Relaxed, bytes.Repeat([]byte("  two  blanks\tand a tab  \r\n"), 40000))
}

func BenchmarkBodyRelaxedBase64(b *testing.B) {
	benchmarkBody(b, Relaxed, bytes.Repeat([]byte(strings.Repeat("QUJD", 19)+"\r\n"), 15000))
}

// BenchmarkRelaxedAlone is the canonicalization without hashing.
func BenchmarkRelaxedAlone(b *testing.B) {
	body := bytes.Repeat([]byte(textLine), 15000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	c := &bodyCanon{}
	for b.Loop() {
		c.reset()
		c.relaxed(body)
		c.closeRelaxed()
	}
}

func benchmarkMessage(b *testing.B) (*signVector, *header.List, SignOptions) {
	v := signVectors(b, "canon-relaxed-simple-rsa2048-*")[0]
	l := new(header.List)
	for i := range 20 {
		l.Add([]byte("X-Field"), []byte(" a value of usual length, number "+string(rune('a'+i))), true)
	}
	for _, f := range v.Fields {
		l.AddRaw(f)
	}
	return v, l, v.options(b, testKeys(b))
}

func BenchmarkSign(b *testing.B) {
	v, l, o := benchmarkMessage(b)
	b.ReportAllocs()
	var hashes BodyHashes
	for b.Loop() {
		hashes.Reset()
		s, err := NewSigner(o, l, &hashes)
		if err != nil {
			b.Fatal(err)
		}
		hashes.Write(v.Body)
		hashes.Close()
		if _, err := s.Sign(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignHeader is signing without the key's work.
func BenchmarkSignHeader(b *testing.B) {
	v, l, o := benchmarkMessage(b)
	o.Key = noKey{o.Key}
	b.ReportAllocs()
	var hashes BodyHashes
	for b.Loop() {
		hashes.Reset()
		s, _ := NewSigner(o, l, &hashes)
		hashes.Write(v.Body)
		hashes.Close()
		if _, err := s.Sign(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	v, l, o := benchmarkMessage(b)
	signed := new(header.List)
	signed.Add([]byte(FieldName), []byte(v.sign(b, o, l, wholeBody(v))), true)
	for i := range l.Len() {
		signed.AddRaw(l.At(i).Raw)
	}
	record, err := ParseKeyRecord(testRecords(b)[v.Options.Key])
	if err != nil {
		b.Fatal(err)
	}
	now := time.Unix(v.Time, 0)
	b.ReportAllocs()
	var hashes BodyHashes
	for b.Loop() {
		hashes.Reset()
		ver := NewVerifier(VerifyOptions{Now: now}, signed, &hashes)
		for _, q := range ver.Queries() {
			ver.SetKey(q, KeyAnswer{Record: record})
		}
		hashes.Write(v.Body)
		hashes.Close()
		if r := ver.Finish(); r[0].Status != StatusPass {
			b.Fatal(r[0].Reason)
		}
	}
}

func BenchmarkParseSignature(b *testing.B) {
	v, _, _ := benchmarkMessage(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseSignature(v.Signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseKeyRecord(b *testing.B) {
	record := testRecords(b)["rsa2048"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseKeyRecord(record); err != nil {
			b.Fatal(err)
		}
	}
}
