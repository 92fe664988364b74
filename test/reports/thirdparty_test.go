package reports

import (
	"regexp"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/filtertest"
)

const anothers = `From: Ann <ann@author.example>
To: rcpt@example.net
Subject: a test
Date: Mon, 23 Nov 2026 10:00:00 +0000

Hello.
`

// TestATPSAsOpenDKIM compares dkim-atps. Where nobody claims anything, opendkim
// says neutral and we nothing; a record with d= fails there although its own
// tool writes such; sha256 is asked for as there, padded.
func TestATPSAsOpenDKIM(t *testing.T) {
	const sha1Name = "bsvpesvrudbtiqganl7jtx4ymns3a6a7._atps.author.example"
	const sha256Name = "un42n5xov642kxrxrqiyanhcoupgql5lt4wtbkyt2ijflbwodfdq====._atps.author.example"
	theirs, ours := both(t, "Mode v\nTestDNSData file:DIR/dns\n", map[string]string{
		"dns": "sel._domainkey.example.com " + keyRecord(t, "") + "\n" + sha1Name + " v=ATPS1\n" + sha256Name + " v=ATPS2\n",
	})
	for _, c := range []struct {
		name       string
		tags       [][2]string
		f          fault
		text, want string
	}{
		{"consent", [][2]string{{"atps", "author.example"}, {"atpsh", "sha1"}}, none, anothers, "pass"},
		{"another version", [][2]string{{"atps", "author.example"}, {"atpsh", "sha256"}}, none, anothers, "fail"},
		{"not published", [][2]string{{"atps", "other.example"}, {"atpsh", "sha1"}}, none, strings.ReplaceAll(anothers, "author.example", "other.example"), "neutral"},
		{"no hash", [][2]string{{"atps", "author.example"}}, none, anothers, "neutral"},
		{"wrong signature", [][2]string{{"atps", "author.example"}, {"atpsh", "sha1"}}, wrongHeader, anothers, "neutral"},
		{"not the author's", [][2]string{{"atps", "author.example"}, {"atpsh", "sha1"}}, none, message, "neutral"},
	} {
		text := signed(t, c.text, c.f, dkim.SignOptions{ExtraTags: c.tags})
		for _, f := range []*filter{theirs, ours} {
			if got := methodOf(f.results(t, text), "dkim-atps"); got != c.want {
				t.Errorf("%s: %s says %q, want %q", c.name, f.name, got, c.want)
			}
		}
	}
	plain := signed(t, anothers, none, dkim.SignOptions{})
	if got := methodOf(ours.results(t, plain), "dkim-atps"); got != "" {
		t.Errorf("nothing claimed: ours says %q", got)
	}
}

// results are the values of all Authentication-Results fields that are added.
func (f *filter) results(t *testing.T, text string) string {
	t.Helper()
	var all []string
	for _, e := range f.send(t, text).Edits {
		if e.Name == "Authentication-Results" && e.Value != "" {
			all = append(all, e.Value)
		}
	}
	return strings.Join(all, "\n")
}

// methodOf is what follows a method's name.
func methodOf(results, method string) string {
	m := regexp.MustCompile(`(?:^|[\s;])` + method + `=([^;\r\n]*(?:\r?\n\t header\.m[^;\r\n]*)*)`).FindStringSubmatch(results)
	if m == nil {
		return ""
	}
	return strings.Join(strings.Fields(m[1]), " ")
}

// TestVBRAsOpenDKIM compares what is said and claimed. opendkim writes a field
// of its own without its semicolon, and says temperror when nobody is believed.
func TestVBRAsOpenDKIM(t *testing.T) {
	// opendkim's Nameservers knows no ports, and its VBR no TestDNSData.
	server := dnstest.OnPort53(t)
	server.AddTXT("sel._domainkey.example.com", keyRecord(t, ""))
	server.AddTXT("example.com._vouch.cert.example", "all")
	server.AddTXT("example.com._vouch.cert2.example", "transaction list")
	theirs, ours := both(t, `Mode sv
Nameservers `+server.Addr+`
VBR-TrustedCertifiers cert.example,cert2.example
VBR-Type transaction
VBR-Certifiers cert.example:cert2.example
KeyTable csl:k=example.com:sel:DIR/key
SigningTable csl:example.com=k
`, map[string]string{
		"key": testutil.KeyPEM(testutil.RSAKey()),
	})
	for _, c := range []struct {
		info string
		f    fault
	}{
		{"md=example.com; mc=all; mv=cert.example", none},
		{"md=example.com; mc=list; mv=cert2.example", none},
		{"md=example.com; mc=newsletter; mv=cert2.example", none},
		{"md=example.com; mc=all; mv=evil.example:cert.example", none},
		{"md=example.com; mc=all; mv=cert2.example:cert.example", none},
		{"md=example.com; mc=all; mv=cert.example", wrongHeader},
		{"md=other.example; mc=all; mv=cert.example", none},
	} {
		text := signed(t, "VBR-Info: "+c.info+"\n"+message, c.f, dkim.SignOptions{})
		b := methodOf(ours.results(t, text), "vbr")
		// opendkim's answer to one and the same message changes at times: it names a
		// certifier of an earlier one, or fails. What it says at all, of a few times.
		said := map[string]bool{}
		for range 10 {
			a := methodOf(theirs.results(t, text), "vbr")
			said[a] = true
			if a == b {
				break
			}
		}
		if b == "" || !said[b] {
			t.Errorf("%s: opendkim says %v, ours %q", c.info, said, b)
		}
	}
	text := strings.ReplaceAll(message, "\n", "\r\n")
	a, b := filtertest.Added(theirs.send(t, text, filtertest.FromHere), "VBR-Info"),
		filtertest.Added(ours.send(t, text, filtertest.FromHere), "VBR-Info")
	if strings.TrimSpace(a) != strings.TrimSpace(b) || a == "" {
		t.Errorf("opendkim claims %q, ours %q", a, b)
	}
}
