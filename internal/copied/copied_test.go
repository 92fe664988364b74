package copied

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/header"
)

func TestCompare(t *testing.T) {
	const from = "From: a@example.com"
	base := []string{from, "To: one", "To: two", "Subject: x  y"}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	field, err := dkim.Sign([]byte(strings.Join(base, "\r\n")+"\r\n\r\n"), dkim.SignOptions{
		Domain: "example.com", Selector: "s", Key: key, HeaderCanonicalization: dkim.Relaxed,
		CopyHeaders: true, Oversign: dkim.NewHeaderSet("Cc"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{base, ""},
		{[]string{from, "To: one", "To: two", "SUBJECT:  x y "}, ""},
		{[]string{from, "To: one", "To: two", "Subject: [list] x  y"}, "changed Subject 4 ' x  y'>' [list] x  y'"},
		{[]string{from, "To: one", "Subject: x y"}, "removed To -1 ' two'>''"},
		{[]string{from, "To: one", "To: three", "Subject: x y"}, "changed To 3 ' two'>' three'"},
		{[]string{from, "To: one", "To: two", "Subject: x y", "Cc: z"}, "added Cc 5 ''>' z'"},
		{[]string{from, "To: one", "To: two", "Subject: x y", "X-Other: z"}, ""},
		{[]string{"To: one", "To: two", "Subject: x y"}, "removed From -1 ' a@example.com'>''"},
	} {
		m := new(header.List)
		m.AddRaw(bytes.TrimRight(field, "\r\n"))
		for _, f := range c.fields {
			m.AddRaw([]byte(f))
		}
		s, err := dkim.ParseSignature(m.At(0).Value())
		if err != nil {
			t.Fatal(err)
		}
		differences, err := Compare(s, m)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range differences {
			got = append(got, fmt.Sprintf("%v %s %d '%s'>'%s'", d.Kind, d.Name, d.Index, d.Then, d.Now))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%q: %q, want %q", c.fields, got, c.want)
		}
	}
}
