package reports

import (
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/milter"
)

// TestConditionalMail goes by a mailing list: what the list changes breaks the
// author's signature, and the weak one beside it counts with the list's own.
func TestConditionalMail(t *testing.T) {
	testutil.NeedRoot(t)
	record := keyRecord(t, "")
	f := start(t, "ours", filtertest.Ours(t), `Mode sv
TestDNSData file:DIR/dns
ConditionalSignatures csl:list.example
KeyTable csl:k=example.com:sel:DIR/key
SigningTable csl:example.com=k
`, map[string]string{
		"dns": "sel._domainkey.example.com " + record + "\nsel._domainkey.list.example " + record + "\n",
		"key": testutil.KeyPEM(testutil.RSAKey()),
	})
	text := strings.ReplaceAll(message, "\n", "\r\n")
	o := f.send(t, text, filtertest.FromHere, func(m *milter.Message) { m.Rcpts = []string{"users@list.example"} })
	text = strings.TrimPrefix(string(milter.Apply([]byte(text), o.Edits)), "\r\n")
	if strings.Count(text, dkim.FieldName+":") != 2 || !strings.Contains(text, "v=2;") || !strings.Contains(text, "!cd=list.example;") {
		t.Fatalf("signed so:\n%s", text)
	}
	changed := strings.Replace(text, "Subject: a", "Subject: [users] a", 1) + "-- \r\nfooter\r\n"
	if got := f.results(t, changed); strings.Contains(got, "dkim=pass") || strings.Count(got, "dkim=fail") != 2 {
		t.Errorf("without the list's signature: %s", got)
	}
	byList := signed(t, strings.ReplaceAll(changed, "\r\n", "\n"), none, dkim.SignOptions{Domain: "list.example"})
	got := f.results(t, byList)
	if strings.Count(got, "dkim=pass") != 2 || strings.Count(got, "dkim=fail") != 1 {
		t.Errorf("with the list's signature: %s", got)
	}
}
