package dkim

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"testing"
	"time"

	"dojang/header"
)

// TestSignThenVerify shows that the signer's options reach the signature and
// that the verifier agrees with it. It proves consistency only; the vectors
// prove correctness.
func TestSignThenVerify(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	edPub, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	fields, body, err := header.Parse([]byte("From: a@example.com\r\nTo: b@example.org\r\nTo: c@example.org\r\nSubject: " +
		"x\r\n\tfolded\r\n\r\nHello  you\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1700000000, 0)
	var all BodyHashes
	o := SignOptions{
		Domain: "example.com", Selector: "sel", Key: rsaKey, Time: now,
		HeaderCanonicalization: Relaxed, BodyCanonicalization: Simple,
	}
	e := o
	e.Key, e.Selector, e.BodyCanonicalization = edKey, "ed", Relaxed
	var signers []*Signer
	for _, o := range []SignOptions{o, e} {
		s, err := NewSigner(o, fields, &all)
		if err != nil {
			t.Fatal(err)
		}
		signers = append(signers, s)
	}
	all.Write(body)
	all.Close()
	signed := new(header.List)
	for _, s := range signers {
		value, err := s.Sign()
		if err != nil {
			t.Fatal(err)
		}
		signed.Add([]byte(FieldName), []byte(value), true)
	}
	for i := 0; i < fields.Len(); i++ {
		signed.AddRaw(fields.At(i).Raw)
	}
	var b BodyHashes
	v := NewVerifier(VerifyOptions{Now: now}, signed, &b)
	for _, q := range v.Queries() {
		text := "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
		if q.Name == "ed._domainkey.example.com" {
			text = "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPub)
		}
		v.SetKey(q, KeyAnswer{Texts: []string{text}})
	}
	b.Write(body)
	b.Close()
	results := v.Finish()
	if len(results) != 2 {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		if r.Status != StatusPass {
			t.Errorf("s=%s: %v, %v", r.Signature.Selector, r.Status, r.Reason)
		}
	}
}
