package milter_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/milter"
)

// signing signs every message for one domain.
type signing struct {
	milter.Passive
	key          ed25519.PrivateKey
	leadingSpace bool
	fields       header.List
	bodies       dkim.BodyHashes
	signer       *dkim.Signer
}

func (s *signing) Negotiated(n milter.Negotiation) { s.leadingSpace = n.LeadingSpace }

func (s *signing) MailFrom(string, []string) milter.Response {
	s.fields.Reset()
	s.bodies.Reset()
	return milter.Continue
}

func (s *signing) Header(name, value []byte) milter.Response {
	s.fields.Add(name, value, s.leadingSpace)
	return milter.Continue
}

func (s *signing) EndOfHeader() milter.Response {
	var err error
	s.signer, err = dkim.NewSigner(dkim.SignOptions{Domain: "example.com", Selector: "s", Key: s.key,
		HeaderCanonicalization: dkim.Relaxed, BodyCanonicalization: dkim.Relaxed, Time: time.Now()}, &s.fields, &s.bodies)
	if err != nil {
		return milter.TempFail
	}
	return milter.Continue
}

func (s *signing) Body(chunk []byte) milter.Response {
	s.bodies.Write(chunk)
	return milter.Continue
}

func (s *signing) EndOfMessage(e *milter.Edits) milter.Response {
	s.bodies.Close()
	value, err := s.signer.Sign()
	if err != nil || e.InsertHeader(0, dkim.FieldName, value) != nil {
		return milter.TempFail
	}
	return milter.Accept
}

// A filter that signs, and what a verifier makes of a message that went through it.
func Example_signing() {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		panic(err)
	}
	server := milter.NewServer(func(*milter.Conn) milter.Session { return &signing{key: key} },
		milter.Options{Required: milter.ActionAddHeaders, WantHeaderLeadingSpace: true})
	go server.Serve(l) //nolint:errcheck // milter.ErrServerClosed, when it is closed
	defer server.Close()

	client, err := milter.Dial("unix", l.Addr().String(), milter.ClientOptions{})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	message := []byte("From: joe@example.com\r\nSubject: dinner\r\n\r\nIs it ready?\r\n")
	out, err := client.Send(context.Background(), milter.Message{Raw: message})
	if err != nil {
		panic(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	results, err := dkim.Verify(context.Background(), milter.Apply(message, out.Edits), dkim.VerifyOptions{Now: time.Now()},
		func(context.Context, string) ([]string, error) { return []string{record}, nil })
	if err != nil {
		panic(err)
	}
	fmt.Println(out.Final.String(), results[0].Signature.Domain, results[0].Status)
	// Output:
	// accept example.com pass
}
