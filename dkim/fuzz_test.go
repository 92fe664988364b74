package dkim

import (
	"bytes"
	"errors"
	"testing"

	"dojang/header"
)

// FuzzSignature shows that no field breaks the parser, that its error is
// always a Reason, and that the whole verifier survives what it accepts.
func FuzzSignature(f *testing.F) {
	for _, v := range signVectors(f, "z-*") {
		f.Add([]byte(v.Signature))
	}
	for _, v := range verdicts(f) {
		f.Add([]byte(v.Signature))
	}
	record, err := ParseKeyRecord(testRecords(f)["rsa1024"])
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		s, err := ParseSignature(value)
		if s == nil || !bytes.Equal(s.Raw, value) {
			t.Fatal("no signature")
		}
		var reason Reason
		if err != nil && (!errors.As(err, &reason) || reason == ReasonNone) {
			t.Fatalf("%T %v is no reason", err, err)
		}
		l := new(header.List)
		l.Add([]byte(FieldName), value, true)
		l.AddRaw([]byte("From: a@example.com"))
		results := check(t, l, "body\r\n", VerifyOptions{AllowSHA1: true}, func(name string) KeyAnswer {
			if name == "" || len(name) > maxDomainBytes {
				t.Fatalf("asks for %q", name)
			}
			return KeyAnswer{Record: record}
		})
		if len(results) != 1 || results[0].Status == StatusPass && !(results[0].HeaderOK && results[0].BodyOK) {
			t.Fatalf("%+v", results)
		}
		if err != nil {
			return
		}
		if !isWithin(s.IdentityDomain(), s.Domain) || s.Covers("from") == 0 || len(s.BodyHash) != s.Algorithm.Hash().Size() {
			t.Fatalf("%q is accepted: %+v", value, s)
		}
		_, _ = s.CopiedHeaderFields()
		if b, ok := s.Tags.Get("b"); !ok || string(compact(nil, s.Raw[b.Start:b.End])) != s.Encoded {
			t.Fatalf("b= of %q is at %d to %d", value, b.Start, b.End)
		}
		if s, err = ParseSignature(l.At(0).Value()); err != nil { // its line ends are CRLF now
			t.Fatalf("%q is refused as a field: %v", value, err)
		}
		blanked := s.CanonicalHeader(l, 0)
		if len(s.Encoded) > 20 && bytes.Count(blanked, []byte(s.Encoded)) > bytes.Count(value, []byte(s.Encoded)) {
			t.Fatalf("b= is not blanked in %q", blanked)
		}
	})
}

// FuzzKeyRecord shows that no record breaks the parser and that accepted keys
// can be used.
func FuzzKeyRecord(f *testing.F) {
	for _, v := range verdicts(f) {
		if v.Record != nil {
			f.Add(*v.Record)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKeyRecord(text)
		var reason Reason
		if k == nil || err != nil && (!errors.As(err, &reason) || reason == ReasonNone) {
			t.Fatalf("%v is no reason", err)
		}
		if err != nil {
			return
		}
		if k.Key == nil || k.Bits <= 0 {
			t.Fatalf("no key in %q", text)
		}
		if k.Bits > DefaultMaximumKeyBits {
			return
		}
		for _, a := range []Algorithm{RSASHA256, RSASHA1, Ed25519SHA256} {
			if k.verify(a, make([]byte, a.Hash().Size()), make([]byte, (k.Bits+7)/8), nil) == ReasonNone {
				t.Fatalf("%q verifies nonsense", text)
			}
		}
	})
}
