package keycheck

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"dojang/internal/keyrecord"
	"dojang/internal/testutil"
)

func TestJudge(t *testing.T) {
	key := testutil.ReadKey(t, "../keyrecord/testdata/s2048.private")
	right := testutil.KeyRecord(key)
	other := testutil.ReadKey(t, "../keyrecord/testdata/s4096.private").Public()
	if r := Judge(right, key.Public()); !r.OK || r.Bits != 2048 || len(r.Faults) != 0 || r.Tag("k") != "rsa" {
		t.Errorf("%+v", r)
	}
	if r := Judge(right, other); r.OK || codes(r) != "mismatch" {
		t.Errorf("%s", codes(r))
	}
	for text, code := range map[string]string{
		"": keyrecord.FaultAbsent, right[:255]: keyrecord.FaultCut, `"` + right + `"`: keyrecord.FaultQuotes,
		strings.Replace(right, "k=rsa", "k=rsa; h=sha1", 1): keyrecord.FaultHash, strings.Repeat("x", 70000): keyrecord.FaultNotAKey,
	} {
		if r := Judge(text, nil); r.OK || codes(r) != code {
			t.Errorf("%.40q: %s, want %s", text, codes(r), code)
		}
	}
}

func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		"mail._domainkey.example.com": "mail example.com", " a.b._domainkey.bücher.example. \n": "a.b bücher.example",
		"DKIM-Signature: v=1; a=rsa-sha256;\r\n\td=example.com; s=mail;\r\n b=x": "mail example.com", "v=1; s=x; d=y.z": "x y.z",
		"example.com": "", "": "", "._domainkey.x": "", "d=x": "", "<script>": "",
	} {
		domain, selector, ok := Place(text)
		if got := selector + " " + domain; ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %t", text, got, ok)
		}
	}
}

func TestHoldsPrivateKey(t *testing.T) {
	pem, err := os.ReadFile("../keyrecord/testdata/s2048.private")
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.Join(strings.Split(strings.TrimSpace(string(pem)), "\n")[1:], "")
	bare, _, _ = strings.Cut(bare, "-----")
	if _, err := base64.StdEncoding.DecodeString(bare); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(pem), bare, "v=DKIM1; k=rsa; p=" + bare,
		"KTrow example.com:mail:" + strings.TrimRight(string(pem), "\n"), "AGE-SECRET-KEY-1QQ"} {
		if !HoldsPrivateKey(text) {
			t.Errorf("%.60q passes", text)
		}
	}
	for _, text := range []string{"", testutil.KeyRecord(testutil.ReadKey(t, "../keyrecord/testdata/s2048.private")), "hello"} {
		if HoldsPrivateKey(text) {
			t.Errorf("%.60q is refused", text)
		}
	}
}
