package filtertest

import (
	"net/netip"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/header"
	"dojang/milter"
)

// Outside is a message from a client that is not ours.
func Outside(raw string) milter.Message {
	return milter.Message{
		Envelope: milter.Envelope{
			Host: "mail.example.net", Helo: "helo.example.net", From: "user@example.com", Rcpts: []string{"rcpt@example.net"},
			Addr: milter.ConnAddr{Family: milter.FamilyInet, Addr: netip.MustParseAddr("192.0.2.1"), Port: 12345},
		},
		Macros: map[string]string{"j": "mx.example.org", "i": "JOB"},
		Raw:    []byte(raw),
	}
}

// FromHere makes a message come from this host.
func FromHere(m *milter.Message) {
	m.Host, m.Addr.Addr = "localhost", netip.MustParseAddr("127.0.0.1")
}

// Added is the value of the first field of a name that the filter adds, "" for none.
func Added(o milter.Outcome, name string) string {
	for _, e := range o.Edits {
		if strings.EqualFold(e.Name, name) && e.Value != "" {
			return e.Value
		}
	}
	return ""
}

// Signature signs a message by our own signer, whose bytes other packages hold
// against other implementations, and returns the field.
func Signature(t testing.TB, message string, o dkim.SignOptions) string {
	t.Helper()
	fields, body, err := header.Parse([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	var bodies dkim.BodyHashes
	s, err := dkim.NewSigner(o, fields, &bodies)
	if err != nil {
		t.Fatal(err)
	}
	bodies.Write(body)
	bodies.Close()
	value, err := s.Sign()
	if err != nil {
		t.Fatal(err)
	}
	return dkim.FieldName + ":" + value + "\r\n"
}
