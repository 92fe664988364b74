package dkim

import (
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"dojang/header"
	"dojang/taglist"
)

// TestExponentsOfKeys: RFC 8017 §3.1 wants one between 3 and n-1; one that is not
// positive is no key at all, and a long one costs too much.
func TestExponentsOfKeys(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	n.SetBit(n, 0, 1)
	for _, c := range []struct {
		n, e *big.Int
		want bool
	}{
		{n, big.NewInt(65537), true}, {n, big.NewInt(1), true}, {n, big.NewInt(1<<31 - 1), true},
		{n, big.NewInt(1 << 31), false}, {n, big.NewInt(0), false}, {n, big.NewInt(-3), false},
		{big.NewInt(0), big.NewInt(3), false}, {new(big.Int).Neg(n), big.NewInt(3), false},
	} {
		der, err := asn1.Marshal(struct{ N, E *big.Int }{c.n, c.e})
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParseKeyRecord("v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der))
		if (err == nil) != c.want {
			t.Errorf("n of %d bits, e=%d: %v", c.n.BitLen(), c.e, err)
		}
		if err == nil && big.NewInt(int64(k.Key.(*rsa.PublicKey).E)).Cmp(c.e) != 0 {
			t.Errorf("e=%d became %d", c.e, k.Key.(*rsa.PublicKey).E)
		}
		if _, ok := parseRSAPublicKey(append(der, 0)); ok {
			t.Error("something behind the key is taken")
		}
	}
}

// TestQuotedPrintable of each octet, as RFC 6376 §2.11 has it, and of UTF-8 where that
// may stand.
func TestQuotedPrintable(t *testing.T) {
	none := func(byte) bool { return false }
	all := func(byte) bool { return true }
	for c := range 256 {
		quoted := fmt.Sprintf("=%02X", c)
		if got := string(appendQuoted(nil, []byte{byte(c)}, none, true)); got != quoted {
			t.Errorf("%d: %s", c, got)
		}
		want := quoted
		if c < 0x80 {
			want = string([]byte{byte(c)})
		}
		if got := string(appendQuoted(nil, []byte{byte(c)}, all, true)); got != want {
			t.Errorf("%d may stand: %s", c, got)
		}
		for _, text := range []string{quoted, fmt.Sprintf("=%02x", c)} {
			if got, ok := decodeQuoted(nil, []byte(text)); !ok || string(got) != string([]byte{byte(c)}) {
				t.Errorf("%s: %q, %v", text, got, ok)
			}
		}
	}
	for r := range rune(0x3000) {
		s := string(r)
		if r < 0x80 {
			continue
		}
		if got := string(appendQuoted(nil, []byte(s), none, true)); got != s {
			t.Errorf("%U: %s", r, got)
		}
		want := ""
		for i := range len(s) {
			want += fmt.Sprintf("=%02X", s[i])
		}
		if got := string(appendQuoted(nil, []byte(s), all, false)); got != want {
			t.Errorf("%U, ASCII only: %s, want %s", r, got, want)
		}
	}
}

// TestCanonicalizationsOfC: "relaxed" alone is relaxed/simple (RFC 6376 §3.5).
func TestCanonicalizationsOfC(t *testing.T) {
	for text, want := range map[string]string{"simple": "simple/simple", "relaxed": "relaxed/simple", "simple/relaxed": "simple/relaxed",
		"relaxed/relaxed": "relaxed/relaxed", "Relaxed/SIMPLE": "relaxed/simple", "": "no", "/": "no", "relaxed/": "no", "/relaxed": "no",
		"relaxed/relaxed/x": "no", "nofws": "no", "simple/nofws": "no"} {
		head, body, err := ParseCanonicalizations(text)
		got := head.String() + "/" + body.String()
		if err != nil {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestNamesOfH: blanks around names and empty places between colons are passed over, and
// without a name there is none (RFC 6376 §3.5).
func TestNamesOfH(t *testing.T) {
	for h, want := range map[string]string{"From": "From", "from : To": "from,To", ":From::To:": "From,To", " From ": "From",
		"From:\r\n\tTo": "From,To"} {
		s, err := ParseSignature([]byte(" v=1; a=rsa-sha256; d=example.com; s=s; h=" + h +
			"; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA"))
		if err != nil || strings.Join(s.Headers, ",") != want {
			t.Errorf("h=%q: %q, %v", h, s.Headers, err)
		}
	}
	for h, want := range map[string]Reason{":": ReasonHeadersEmpty, " : ": ReasonHeadersEmpty, "To": ReasonHeadersRequired,
		"Fro": ReasonHeadersRequired} {
		s := &Signature{}
		s.Tags, _ = taglist.Parse([]byte("h=" + h))
		if got := s.readHeaders(); got != want {
			t.Errorf("h=%q: %v, want %v", h, got, want)
		}
	}
}

// TestSingletonsThatAreThereOnce need not be signed; those repeated must be, each.
func TestSingletonsThatAreThereOnce(t *testing.T) {
	o := VerifyOptions{SingletonsSigned: true}
	fromAlone := func(o *SignOptions) { o.Sign = NewHeaderSet("From") }
	for _, c := range []struct {
		fields []string
		change func(*SignOptions)
		want   Reason
	}{
		{[]string{from, "Subject: x"}, fromAlone, ReasonNone},
		{[]string{from, "Subject: x"}, nil, ReasonNone},
		{[]string{from, "Subject: x", "Subject: y"}, nil, ReasonNone},
		{[]string{from, "Subject: x", "Subject: y"}, fromAlone, ReasonRepeatedField},
	} {
		l := signed(t, c.fields, "", c.change)
		if r := check(t, l, "", o, nil)[0]; r.Reason != c.want {
			t.Errorf("%q: %v, want %v", c.fields, r.Reason, c.want)
		}
	}
}

// TestTagNames: letters, digits and underscores (RFC 6376 §3.2), no neighbour of theirs,
// and none that signing writes.
func TestTagNames(t *testing.T) {
	for name, want := range map[string]bool{
		"azAZ09_": true, "aa": true, "zz": true, "A": true, "Z": true, "0": true, "9": true, "_": true, "r": true, "D": true,
		"": false, "`": false, "{": false, "@": false, "[": false, "/": false, ":": false, "a-b": false, "a b": false, "a;": false,
		"d": false, "b": false, "bh": false, "v": false, "q": false, "!cd": false,
	} {
		if ValidTag(name, "x") != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestTagValues: printable octets, blanks within and no semicolon (RFC 6376 §3.2).
func TestTagValues(t *testing.T) {
	for c := range 256 {
		if want := c == ' ' || c >= '!' && c <= '~' && c != ';'; ValidTag("r", "a"+string([]byte{byte(c)})+"b") != want {
			t.Errorf("%q: %v", byte(c), !want)
		}
	}
	for value, want := range map[string]bool{"": false, " a": false, "a ": false, "~": true, "!": true} {
		if ValidTag("r", value) != want {
			t.Errorf("%q: %v", value, !want)
		}
	}
}

// TestTagsWriteNoOthers: what is added to a signature is one tag, once, whenever it is
// given.
func TestTagsWriteNoOthers(t *testing.T) {
	for name, tags := range map[string][][2]string{
		"another":         {{"r", "y; d=example.org"}},
		"a field":         {{"r", "y\r\nFrom: x@example.org"}},
		"one of the list": {{"d", "example.org"}},
		"twice":           {{"r", "y"}, {"r", "n"}},
	} {
		o := SignOptions{Domain: "example.com", Selector: "s", Key: testKeys(t)["ed25519"], ExtraTags: tags}
		if _, err := NewSigner(o, new(header.List), new(BodyHashes)); err == nil {
			t.Errorf("%s is added", name)
		}
		o.ExtraTags = [][2]string{{"r", "n"}}
		var bodies BodyHashes
		s, err := NewSigner(o, new(header.List), &bodies)
		if err != nil {
			t.Fatal(err)
		}
		bodies.Close()
		if value, err := s.Sign(tags...); err == nil {
			t.Errorf("%s is added late: %s", name, value)
		}
		if value, err := s.Sign([2]string{"ra", "joe"}); err != nil || !strings.Contains(value, "ra=joe; r=n;") {
			t.Errorf("%s, %v", value, err)
		}
	}
}

// TestNumbers have up to 76 digits in l= (RFC 6376 §3.5); larger ones than fit are the limit.
func TestNumbers(t *testing.T) {
	zeros := strings.Repeat("0", 75)
	for text, want := range map[string]int64{"0": 0, "07": 7, "99": 99, "100": 100, "101": 100, zeros + "1": 1, "1" + zeros: 100,
		zeros + "01": -1, "": -1, "-1": -1, "1 ": -1} {
		got, ok := parseNumber([]byte(text), 100)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// TestFieldsWithoutColon, which no MTA hands over, are a name alone.
func TestFieldsWithoutColon(t *testing.T) {
	for raw, want := range map[string]string{"Broken": "broken", "Broken \t": "broken", "": "", "A:": "a:", "A :\r\n b  c ": "a:b c"} {
		if got := string(appendHeader(nil, []byte(raw), Relaxed)); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}
