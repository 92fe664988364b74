package dkim

import (
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"
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
