package attackdmarc

import (
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// TestSealThatHeMayNotHave: a customer who may send as his own shop gets no signature
// under a From in which any reader may be shown the bank.
func TestSealThatHeMayNotHave(t *testing.T) {
	key := filepath.Join(testutil.SecureDir(t), "key.private")
	if err := os.WriteFile(key, []byte(testutil.KeyPEM(testutil.RSAKey())), 0o600); err != nil {
		t.Fatal(err)
	}
	tables := "Mode sv\nRequireSafeKeys no\nKeyTable csl:bank=bank.example:sel:" + key + ",shop=shop.example:sel:" + key + "\n" +
		"SigningTable csl:bank.example=bank,shop.example=shop\n"
	body := "\r\nTo: joe@dojang.example\r\nSubject: a test\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: " +
		"<1@bank.example>\r\n\r\nHello.\r\n"
	shapes := map[string]string{
		"Sender":               "Sender: mallory@shop.example\r\nFrom: ann@bank.example",
		"Resent-From":          "Resent-From: mallory@shop.example\r\nFrom: ann@bank.example",
		"two authors":          "From: mallory@shop.example, ann@bank.example",
		"two fields":           "From: mallory@shop.example\r\nFrom: ann@bank.example",
		"two fields, reversed": "From: ann@bank.example\r\nFrom: mallory@shop.example",
		"display name":         `From: "ann@bank.example" <mallory@shop.example>`,
		"bare display name":    "From: ann@bank.example <mallory@shop.example>",
		"encoded display name": "From: =?utf-8?q?ann=40bank=2Eexample?= <mallory@shop.example>",
		"base64 display name":  "From: =?utf-8?b?YW5uQGJhbmsuZXhhbXBsZQ==?= <mallory@shop.example>",
		"comment":              "From: mallory@shop.example (ann@bank.example)",
		"group":                "From: Bank: ann@bank.example, mallory@shop.example;",
		"fold":                 "From: ann@bank.example\r\n <mallory@shop.example>",
	}
	options := []string{"RequireSenderMatch yes\nSenderHeaders Sender,Resent-From,From\n"}
	if testutil.Long() {
		options = append(options, "RequireSenderMatch yes\n", "RequireSenderMatch yes\nIdentityHeader Sender\n")
	}
	for _, more := range options {
		t.Run(strings.ReplaceAll(strings.TrimSpace(more), "\n", ", "), func(t *testing.T) {
			s := start(t, nameServer(t, "shop.example"), tables+more)
			send := func(raw string) string {
				s.sent++
				rcpt := fmt.Sprintf("joe%d@dojang.example", s.sent)
				if err := smtp.SendMail(s.mta, nil, "mallory@shop.example", []string{rcpt}, []byte(raw)); err != nil {
					t.Fatal(err)
				}
				return string(s.far.Await(t, rcpt))
			}
			if got := send("From: Mallory <mallory@shop.example>" + body); !strings.Contains(got, "d=shop.example") {
				t.Fatalf("his own mail is not signed\n%s", got)
			}
			for what, from := range shapes {
				if got := send(from + body); strings.Contains(got, "DKIM-Signature:") {
					t.Errorf("%s: signed\n%s", what, got)
				}
			}
		})
	}
}
