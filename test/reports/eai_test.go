package reports

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
	"dojang/milter"
)

const internationalised = `From: Jörg Müller <jörg@bücher.example>
To: 안나 <안나@예시.example>
Subject: Über ein Buch
Date: Mon, 23 Nov 2026 10:00:00 +0000

Grüße.
`

// dkimpy verifies a message with a key whatever its name, which it prints.
const dkimpy = `
import sys, dkim
key = open(sys.argv[1], 'rb').read()
def ask(name, timeout=5):
    print(name.decode() if isinstance(name, bytes) else name)
    return key
print('pass' if dkim.verify(open(sys.argv[2], 'rb').read(), dnsfunc=ask) else 'fail')
`

// TestInternationalisedMail signs and verifies mail whose header is UTF-8 (RFC
// 6532, RFC 8616), with names in UTF-8 in the tables; dkimpy agrees.
func TestInternationalisedMail(t *testing.T) {
	testutil.NeedRoot(t)
	const name = "prüf._domainkey.bücher.example"
	ascii, _ := dkim.QueryName("prüf", "bücher.example")
	if ascii != "xn--prf-ioa._domainkey.xn--bcher-kva.example" {
		t.Fatalf("the key of %s would be looked up at %s", name, ascii)
	}
	f := start(t, "ours", filtertest.Ours(t), `Mode sv
TestDNSData file:DIR/dns
KeyTable refile:DIR/KeyTable
SigningTable refile:DIR/SigningTable
OversignHeaders From
`, map[string]string{
		"dns":          ascii + " " + keyRecord(t, "") + "\n",
		"key":          testutil.KeyPEM(testutil.RSAKey()),
		"KeyTable":     "k bücher.example:prüf:./key\n",
		"SigningTable": "*@bücher.example k:jörg@%\n",
	})
	text := strings.ReplaceAll(internationalised, "\n", "\r\n")
	m := milter.Message{Raw: []byte(text)}
	signature := filtertest.Added(f.send(t, text, filtertest.FromHere), dkim.FieldName)
	for _, want := range []string{"d=bücher.example;", "s=prüf;", "i=jörg@bücher.example;"} {
		if !strings.Contains(signature, want) {
			t.Errorf("the signature lacks %q: %q", want, signature)
		}
	}
	signedText := dkim.FieldName + ":" + signature + "\r\n" + string(m.Raw)
	if got := f.results(t, signedText); !strings.Contains(got, "dkim=pass") || !strings.Contains(got, `header.d="bücher.example"`) {
		t.Errorf("ours says %q", got)
	}
	if got := f.results(t, strings.Replace(signedText, "Über", "Uber", 1)); !strings.Contains(got, "dkim=fail") {
		t.Errorf("ours says %q of changed mail", got)
	}
	// The same table signs ASCII mail without putting UTF-8 into it.
	plain := strings.NewReplacer("jörg@bücher.example", "joe@xn--bcher-kva.example", "ö", "o", "ü",
		"u", "Ü", "U", "ß", "s", "안나 <안나@예시.example>", "ann@example.net").Replace(text)
	signature = filtertest.Added(f.send(t, plain, filtertest.FromHere), dkim.FieldName)
	if !strings.Contains(signature, "d=xn--bcher-kva.example;") || !strings.Contains(signature, "s=xn--prf-ioa;") ||
		strings.ContainsAny(signature, "üö") {
		t.Errorf("ASCII mail is signed with %q", signature)
	}
	dir := t.TempDir()
	for file, data := range map[string]string{"key": keyRecord(t, ""), "utf8": signedText,
		"ascii": dkim.FieldName + ":" + signature + "\r\n" + plain} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"utf8", "ascii"} {
		out, err := exec.Command("/usr/bin/python3", "-c", dkimpy, filepath.Join(dir, "key"), filepath.Join(dir, file)).CombinedOutput()
		if err != nil && !testutil.PeersRequired() {
			t.Skipf("dkimpy, of Debian's python3-dkim, does not run: %v", err)
		}
		if !strings.HasSuffix(string(out),
			"._domainkey."+map[string]string{"utf8": "bücher.example", "ascii": "xn--bcher-kva.example"}[file]+".\npass\n") {
			t.Errorf("%s: dkimpy says %q", file, out)
		}
	}
}
