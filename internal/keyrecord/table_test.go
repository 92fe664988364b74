package keyrecord

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rsaOf is p= of an RSA key of so many bits.
func rsaOf(t *testing.T, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// tell is a fault in one line: its code, "!" where it is fatal, and its arguments.
func tell(f Fault) string {
	words := []string{f.Code}
	if f.Fatal {
		words[0] += "!"
	}
	var args []string
	for name, value := range f.Args {
		args = append(args, name+"="+value)
	}
	slices.Sort(args)
	return strings.Join(append(words, args...), " ")
}

// TestEachFaultOfARecord has what RFC 6376 §3.6.1, RFC 8301 and RFC 8463 refuse or warn of, and
// what panels and people make of a good record.
func TestEachFaultOfARecord(t *testing.T) {
	key := rsaOf(t, 2048)
	good := "v=DKIM1; k=rsa; p=" + key
	long := func(n int) string { return "v=DKIM1; k=rsa; p=!" + strings.Repeat("A", n-len("v=DKIM1; k=rsa; p=!")) }
	der, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{good, ""}, {"v=DKIM1; p=" + key, ""}, {"v=DKIM1; h=sha1:SHA256; p=" + key, ""}, {"v=DKIM1; s=*; t=s; n=x; p=" + key, ""},
		{"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", ""},
		{"v=DKIM1; p=" + rsaOf(t, 2047), "weak bits=2047"}, {"v=DKIM1; p=" + rsaOf(t, 1024), "weak bits=1024"},
		{"v=DKIM1; p=" + rsaOf(t, 1023), "weak! bits=1023"},
		{"k=rsa; p=" + key, "version-missing"}, {"k=rsa; v=DKIM1; p=" + key, "version-order!"}, {"v=DKIM2; p=" + key, "version! v=DKIM2"},
		{"v=DKIM1; p=" + key[:9] + " " + key[9:], "blanks"}, {"v=DKIM1; t=y; p=" + key, "testing"}, {"v=DKIM1; t=s:y; p=" + key, "testing"},
		{"v=DKIM1; h=sha1; p=" + key, "hash! case=sha1 h=sha1"}, {"v=DKIM1; h=rsa-sha256; p=" + key, "hash! case=algorithm h=rsa-sha256"},
		{"v=DKIM1; h=x: Ed25519-sha256; p=" + key, "hash! case=algorithm h=x: Ed25519-sha256"}, {"v=DKIM1; h=md5; p=" + key, "hash! h=md5"},
		{"v=DKIM1; s=tlsrpt; p=" + key, "service! s=tlsrpt"}, {"v=DKIM1; k=dsa; p=" + key, "type! k=dsa"},
		{"v=DKIM1; k=rsa", "no-key! case=missing"}, {"v=DKIM1; k=rsa; p=", "revoked!"},
		{"v=DKIM1; p=!!!!", "no-key! case=base64"}, {"v=DKIM1; p=" + key[:8] + "-_", "no-key! case=url-alphabet"},
		{"v=DKIM1; p=AAAAA", "cut! case=base64 characters=5"}, {"v=DKIM1; p=AA AAA", "cut! case=base64 characters=5"},
		{"v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der[:99]), fmt.Sprintf("cut! bytes=99 case=key expected_bytes=%d", len(der))},
		{"v=DKIM1; p=AAAA", "bad-key! bytes=3 k=rsa"}, {"v=DKIM1; k=ed25519; p=AAAA", "bad-key! bytes=3 k=ed25519"},
		{long(239), "cut! case=base64 characters=221"}, {long(240), "cut! case=length characters=240"},
		{long(256), "cut! case=length characters=256"}, {long(257), "cut! case=base64 characters=239"},
		{`s._domainkey IN TXT "` + good + `"`, "zone-line!"}, {` ( "` + good + `" )`, "zone-line!"},
		{`IN TXT "` + good + `"`, "quotes! mended=no"}, {`s._domainkey TXT "` + good + `"`, "quotes! mended=no"},
		{`s._domainkey IN "` + good + `"`, "quotes! mended=no"},
		{`"` + good[:99] + `" "` + good[99:] + `"`, "quotes! mended=yes"}, {"“" + good[:99] + "” “" + good[99:] + "”", "quotes! mended=yes"},
		{strings.ReplaceAll(good, ";", `\;`), "backslashes! mended=yes"}, {`v=DKIM1\; p=!`, "backslashes! mended=no"},
		{`"` + strings.ReplaceAll(good, ";", `\;`) + `"`, "quotes! backslashes=yes mended=yes"},
		{"hello", "not-a-key! text=hello"}, {"v=DKIM1; p=AAAA; p=BBBB", "syntax! case=duplicate"},
		{"v=DKIM1; p=A\x01", "syntax! detail=syntax error in key data (ASCII 0x01 at offset 12)"},
		{"v=DKIM1; p=" + key + "; x", "syntax! detail=tag without value at end of key data"},
	} {
		var got []string
		for _, f := range Inspect([]string{c.text}) {
			got = append(got, tell(f))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%.60s: %q, want %q", c.text, got, c.want)
		}
	}
	for _, c := range []struct {
		texts []string
		want  string
	}{
		{nil, "absent!"}, {[]string{good, good}, "several-records! keys=2 records=2"},
		{[]string{good, "v=spf1 -all"}, "several-records! keys=1 records=2"}, {[]string{"x", "y", "z"}, "several-records! keys=0 records=3"},
		{[]string{good[:200], good[200:]}, "several-records! case=halves"},
		{[]string{good[200:], "x", good[:200]}, "several-records! case=halves"},
		{[]string{good[:12], good[12:]}, "several-records! keys=0 records=2"},
	} {
		if got := Inspect(c.texts); len(got) != 1 || tell(got[0]) != c.want {
			t.Errorf("%.40q: %+v, want %s", c.texts, got, c.want)
		}
	}
	if got := NewFault("x", false, "a", strings.Repeat("1", 256), "b", strings.Repeat("2", 257), "c"); len(got.Args["a"]) != 256 ||
		len(got.Args["b"]) != 259 || len(got.Args) != 2 {
		t.Errorf("%+v", got)
	}
}

// TestSyntaxErrorsAreWhereTheyAre: every text of a few octets of each kind against the grammar
// written as regular expressions (RFC 6376 §3.2 as libopendkim reads it).
func TestSyntaxErrorsAreWhereTheyAre(t *testing.T) {
	const blank, word, value = `[\t-\r ]`, `[A-Za-z0-9_]`, `[\t-\r -:<-~]`
	tags := `^(?:(?:` + blank + `|;)*` + word + `+` + blank + `*=` + value + `*;)*(?:` + blank + `|;)*`
	complete := regexp.MustCompile(tags + `(?:` + word + `+` + blank + `*=` + value + `*)?$`)
	begun := regexp.MustCompile(tags + `(?:` + word + `+` + blank + `*(?:=` + value + `*)?)?$`)
	octets := []string{"a", "Z", "0", "9", "_", "z", "=", ";", " ", "\t", "\r", "\v", "\x08", "\x0e", "\x7f", "~",
		"/", ":", "@", "[", "`", "{", "é"}
	check := func(text string) {
		want := ""
		if !complete.MatchString(text) {
			want = "tag without value at end of key data"
		}
		for i := range len(text) {
			if !begun.MatchString(text[:i+1]) {
				want = fmt.Sprintf("syntax error in key data (ASCII 0x%02x at offset %d)", text[i], i)
				break
			}
		}
		if got := SyntaxError(text); got != want {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	}
	for _, a := range octets {
		for _, b := range octets {
			for _, c := range octets {
				check(a + b + c)
			}
			check("a " + a + b + ";b=1")
			check("a=" + a + b + "=2")
		}
	}
}

// TestHashesOfRecords: signature algorithms are no hashes, each hash counts once, and one must
// be SHA-256 (RFC 8301 §3.1).
func TestHashesOfRecords(t *testing.T) {
	for list, want := range map[string]string{"rsa-sha256": "sha256", "RSA-SHA256": "sha256", "ed25519-sha256": "sha256",
		"rsa-sha1:rsa-sha256": "sha1:sha256",
		"sha256:rsa-sha256":   "sha256", " rsa-sha256 :x": "sha256:x", "sha256": "", "sha256:sha256": "", "": "", "md5": ""} {
		got, changed := CorrectHashes(list)
		if changed != (want != "") || changed && got != want || !changed && got != list {
			t.Errorf("%q: %q, %v", list, got, changed)
		}
	}
	for list, want := range map[string]string{"": "", "sha256": "", "sha1:sha256": "", "sha256:sha1": "",
		"sha1": "receivers must not accept SHA-1",
		"md5":  `"md5" is no hash of DKIM`, "sha256:md5": `"md5" is no hash of DKIM`, "rsa-sha256": "not signature algorithms"} {
		if err := CheckHashes(list); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", list, err, want)
		}
	}
}

// TestLengthsOfSequences are those that DER gives them (X.690 §8.1.3), in the forms that keys have.
func TestLengthsOfSequences(t *testing.T) {
	for der, want := range map[string]int{"\x30\x05\x00\x00": 7, "\x30\x7f\x00\x00": 129, "\x30\x81\x80\x00": 131, "\x30\x82\x01\x22": 294,
		"\x30\x83\x01\x00": 0, "\x31\x05\x00\x00": 0, "\x30\x05\x00": 0, "\x30\x80\x00\x00": 0, "": 0} {
		if got, ok := derLength([]byte(der)); got != want || ok != (want != 0) {
			t.Errorf("%x: %d, %v", der, got, ok)
		}
	}
}

// TestFlagsAndNames of records as they are written, and who has none.
func TestFlagsAndNames(t *testing.T) {
	for want, r := range map[string]Record{"": {}, "t=y; ": {Testing: true}, "t=s; ": {NoSubdomains: true},
		"t=y:s; ":   {Testing: true, NoSubdomains: true},
		"s=email; ": {EmailOnly: true}} {
		r.KeyType, r.PublicKey = "rsa", "AAAA"
		if got := r.Text(); got != "v=DKIM1; k=rsa; "+want+"p=AAAA" {
			t.Errorf("%+v: %s", r, got)
		}
	}
	if got := (Record{Selector: "s"}).Name(); got != "s._domainkey" {
		t.Errorf("without domain: %s", got)
	}
	p := Published("S1._domainkey.Example.com.", "example.com", "v=DKIM1; k=rsa; p=", 60)
	if p.Selector != "s1" || p.Name() != "s1._domainkey.example.com." || p.Text() != "v=DKIM1; k=rsa; p=" {
		t.Errorf("%+v, %s", p, p.Name())
	}
	if _, _, err := PublicKey(&ecdsa.PublicKey{}); err == nil {
		t.Error("a key of an elliptic curve is one of DKIM")
	}
	if _, _, err := PublicKey(&rsa.PublicKey{}); err == nil {
		t.Error("a key without numbers is one")
	}
	for what, f := range map[string]func() error{"format": func() error { _, err := ParseFormat("x"); return err },
		"write": func() error { return Write(new(strings.Builder), "x") }} {
		err := f()
		for _, format := range Formats() {
			if err == nil || !strings.Contains(err.Error(), string(format)) {
				t.Errorf("%s: %v does not name %s", what, err, format)
			}
		}
	}
	if f, err := ParseFormat("Zone-Line"); f != ZoneLine || err != nil {
		t.Errorf("%v, %v", f, err)
	}
	if got := resourceName("aZ09z.-_"); got != "dkim_aZ09z___" {
		t.Error(got)
	}
}

// TestUpdatesOfTwoZones are sent one by one: an update is of one zone (RFC 2136 §3.1.1).
func TestUpdatesOfTwoZones(t *testing.T) {
	record := func(domain string) Record {
		return Record{Selector: "s", Domain: domain, KeyType: "rsa", PublicKey: "AAAA"}
	}
	var b strings.Builder
	if err := Write(&b, NSUpdate, record("a.example"), record("A.example"), record("b.example")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Join(strings.Fields(line)[:min(2, len(strings.Fields(line)))], " "))
	}
	want := []string{"update delete", "update add", "update delete", "update add", "send", "update delete", "update add", "send"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
