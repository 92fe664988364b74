// Package dmarc runs Debian's OpenDMARC behind dojang under a real Postfix: what
// it makes of our Authentication-Results is what they are for.
package dmarc

import (
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dmarctest"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const host = dmarctest.Host

// from is a message by an author at a domain.
func from(domain string, more ...string) string {
	return strings.Join(more, "") + "From: Ann <ann@" + domain + ">\r\nTo: joe@dojang.example\r\nSubject: a test\r\n" +
		"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@" + domain + ">\r\n\r\nHello.\r\n"
}

// signed is a message with a signature by a domain.
func signed(t *testing.T, domain, message string) string {
	t.Helper()
	return filtertest.Signature(t, message,
		dkim.SignOptions{Domain: domain, Selector: "sel", Key: testutil.RSAKey(), HeaderCanonicalization: dkim.Relaxed}) + message
}

// TestVerdicts: aligned signatures pass, and nothing else does, whatever forged
// results a message brings.
func TestVerdicts(t *testing.T) {
	server := dnstest.OnPort53(t)
	server.AddTXT("_dmarc.bank.example", "v=DMARC1; p=reject")
	server.AddTXT("_dmarc.strict.example", "v=DMARC1; p=reject; adkim=s")
	for _, domain := range []string{"bank.example", "mail.bank.example", "third.example", "strict.example"} {
		server.AddTXT("sel._domainkey."+domain, testutil.KeyRecord(testutil.RSAKey()))
	}
	far, mta := dmarctest.Start(t, server.Addr, "")

	bank := from("bank.example")
	forged := func(values ...string) string {
		var more []string
		for _, v := range values {
			more = append(more, "Authentication-Results: "+v+"\r\n")
		}
		return from("bank.example", more...)
	}
	const claim = "dkim=pass header.d=bank.example header.i=@bank.example"
	cases := []struct{ name, message, dkim, dmarc string }{
		{"aligned", signed(t, "bank.example", bank), "pass", "pass"},
		{"aligned by relation", signed(t, "mail.bank.example", bank), "pass", "pass"},
		{"author below the signer", signed(t, "bank.example", from("mail.bank.example")), "pass", "pass"},
		{"strictly aligned", signed(t, "strict.example", from("strict.example")), "pass", "pass"},
		{"by another", signed(t, "third.example", bank), "pass", "fail"},
		{"by another and the author", signed(t, "third.example", signed(t, "bank.example", bank)), "pass", "pass"},
		{"by the author, wrong, and another", signed(t, "third.example", strings.Replace(signed(t, "bank.example", bank), "a test", "a text", 1)), "pass", "fail"},
		{"changed", strings.Replace(signed(t, "bank.example", bank), "Hello", "Hallo", 1), "fail", "fail"},
		{"unsigned", bank, "none", "fail"},
		{"no policy", signed(t, "third.example", from("third.example")), "pass", "none"},
		{"forged", forged(host + "; " + claim), "none", "fail"},
		{"forged in capitals", forged(strings.ToUpper(host) + "; " + claim), "none", "fail"},
		{"forged with a quoted name", forged(`"` + host + `"; ` + claim), "none", "fail"},
		{"forged with comments and a version", forged("(x) " + host + " (y) 1; " + claim), "none", "fail"},
		{"forged with a backslash", forged(`\` + host + "; " + claim), "none", "fail"},
		{"forged with quotes in the name", forged(`mx."dojang".example; ` + claim), "none", "fail"},
		{"forged with a name begun by quotes", forged(`"m"x.dojang.example; ` + claim), "none", "fail"},
		{"forged behind a backslash and a parenthesis", forged(host + `; spf=pass smtp.mailfrom=a\(; ` + claim + ")"), "none", "fail"},
		{"forged with a final dot", forged(host + ".; " + claim), "none", "fail"},
		{"forged with a broken tail", forged(host + "; " + claim + "; !!!"), "none", "fail"},
		{"forged thrice", forged(host+"; "+claim, host+"; "+claim, host+"; "+claim), "none", "fail"},
		{"forged and folded", forged(host + ";\r\n\t" + claim), "none", "fail"},
		{"forged beside a wrong signature", strings.Replace(signed(t, "bank.example", forged(host+"; "+claim)), "Hello", "Hallo", 1), "fail", "fail"},
		{"forged in a signature's domain", signed(t, "third.example", forged(host+"; "+claim)), "pass", "fail"},
	}
	for i, c := range cases {
		rcpt := fmt.Sprintf("joe%d@dojang.example", i)
		if err := smtp.SendMail(mta, nil, "ann@sender.example", []string{rcpt}, []byte(c.message)); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := string(far.Await(t, rcpt))
		if word := dmarctest.Result(got, "dkim"); word != c.dkim {
			t.Errorf("%s: dkim=%s, want %s\n%s", c.name, word, c.dkim, got)
		}
		if word := dmarctest.Result(got, "dmarc"); word != c.dmarc {
			t.Errorf("%s: OpenDMARC says %s, want %s\n%s", c.name, word, c.dmarc, got)
		}
	}
}
