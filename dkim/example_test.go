package dkim_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
)

// published answers as name servers would, from the records of RFC 8463 appendix A.
func published(_ context.Context, name string) ([]string, error) {
	data, err := os.ReadFile("testdata/rfc/rfc8463-a3.dns")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, name+": "); ok {
			return []string{strings.TrimSpace(text)}, nil
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// The message of RFC 8463 appendix A.3. In earnest, lookup is
// net.DefaultResolver.LookupTXT, and Now is time.Now().
func ExampleVerify() {
	message, err := os.ReadFile("testdata/rfc/rfc8463-a3.eml")
	if err != nil {
		panic(err)
	}
	o := dkim.VerifyOptions{Now: time.Unix(1528637909, 0)}
	results, err := dkim.Verify(context.Background(), message, o, published)
	if err != nil {
		panic(err)
	}
	for _, r := range results {
		fmt.Println(r.Signature.Domain, r.Signature.Selector, r.Status)
	}
	// Output:
	// football.example.com brisbane pass
	// football.example.com test pass
}

func ExampleSign() {
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=") // RFC 8463 appendix A.2
	if err != nil {
		panic(err)
	}
	message := []byte("From: Joe SixPack <joe@football.example.com>\r\nSubject: Is dinner ready?\r\n\r\nHi.\r\n")
	field, err := dkim.Sign(message, dkim.SignOptions{
		Domain: "football.example.com", Selector: "brisbane", Key: ed25519.NewKeyFromSeed(seed),
		HeaderCanonicalization: dkim.Relaxed, BodyCanonicalization: dkim.Relaxed,
	})
	if err != nil {
		panic(err)
	}
	signed := append(field, message...)
	results, err := dkim.Verify(context.Background(), signed, dkim.VerifyOptions{Now: time.Now()}, published)
	if err != nil {
		panic(err)
	}
	fmt.Println(results[0].Status)

	changed := strings.Replace(string(signed), "Hi.", "Ho.", 1)
	results, err = dkim.Verify(context.Background(), []byte(changed), dkim.VerifyOptions{Now: time.Now()}, published)
	if err != nil {
		panic(err)
	}
	fmt.Println(results[0].Status, "header:", results[0].HeaderOK, "body:", results[0].BodyOK)
	// Output:
	// pass
	// fail header: true body: false
}

// A body that arrives in pieces is hashed as it comes, and never kept.
func ExampleNewVerifier() {
	message, err := os.ReadFile("testdata/rfc/rfc8463-a3.eml")
	if err != nil {
		panic(err)
	}
	fields, body, err := header.Parse(message)
	if err != nil {
		panic(err)
	}
	bodies := dkim.BodyHashes{FixCRLF: true} // the file has lines that end in LF
	verifier := dkim.NewVerifier(dkim.VerifyOptions{Now: time.Unix(1528637909, 0)}, fields, &bodies)
	for _, q := range verifier.Queries() { // in earnest, while the body arrives
		verifier.SetKey(q, dkim.AnswerOf(published(context.Background(), q.Name)))
	}
	for len(body) > 0 && !bodies.Satisfied() {
		n := min(len(body), 16)
		bodies.Write(body[:n])
		body = body[n:]
	}
	bodies.Close()
	for _, r := range verifier.Finish() {
		fmt.Println(r.Signature.Algorithm, r.Status)
	}
	// Output:
	// ed25519-sha256 pass
	// rsa-sha256 pass
}

// A filter adds the field when the body has passed.
func ExampleNewSigner() {
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=") // RFC 8463 appendix A.2
	if err != nil {
		panic(err)
	}
	var fields header.List
	fields.Add([]byte("From"), []byte(" joe@football.example.com"), true)
	fields.Add([]byte("Subject"), []byte(" Is dinner ready?"), true)
	var bodies dkim.BodyHashes
	signer, err := dkim.NewSigner(dkim.SignOptions{
		Domain: "football.example.com", Selector: "brisbane", Key: ed25519.NewKeyFromSeed(seed),
		Oversign: dkim.NewHeaderSet("From"), Time: time.Unix(1528637909, 0), TTL: 7 * 24 * time.Hour,
		ExtraTags: [][2]string{{"r", "y"}}, // RFC 6651 §3.1: reports are wanted
	}, &fields, &bodies)
	if err != nil {
		panic(err)
	}
	for _, chunk := range []string{"We lost the game.\r\n", "Are you hungry yet?\r\n"} {
		bodies.Write([]byte(chunk))
	}
	bodies.Close()
	value, err := signer.Sign()
	if err != nil {
		panic(err)
	}
	s, err := dkim.ParseSignature([]byte(value))
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Headers, s.Expire.Sub(s.Time))
	// Output:
	// [From Subject From] 168h0m0s
}
