package resolver

import (
	"context"
	"testing"

	"dojang/internal/testutil/dnstest"
)

func TestLookupTXT(t *testing.T) {
	s := dnstest.New(t, "k._domainkey.example.com 60 IN TXT \"v=DKIM1; \" \"p=abc\"\nalias.example.com IN CNAME k._domainkey.example.com.\n")
	d, err := New(Options{Nameservers: []string{s.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		a, err := d.LookupTXT(context.Background(), "alias.Example.com")
		if err != nil || len(a.Texts) != 1 || a.Texts[0] != "v=DKIM1; p=abc" || a.CNAMEs != 1 || a.Security != Insecure || a.FromCache != (i > 0) {
			t.Fatalf("%+v, %v", a, err)
		}
	}
}
