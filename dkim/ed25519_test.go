package dkim

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// TestSmallOrderKeys: with a point of small order as key a constant signature holds for
// one message of eight, whoever wrote it. The points are those of "Taming the many EdDSAs"
// (IACR ePrint 2020/1244), table 5, with both signs.
func TestSmallOrderKeys(t *testing.T) {
	const body = "x\r\n"
	hash := sha256.Sum256([]byte(body))
	held := 0
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080", "0000000000000000000000000000000000000000000000000000000000000000",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"0100000000000000000000000000000000000000000000000000000000000080", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		key, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		answer := KeyAnswer{Texts: []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key)}}
		signature := append([]byte{1}, make([]byte, ed25519.SignatureSize-1)...) // R the neutral element, S 0
		for i := range 64 {
			raw := fmt.Sprintf("DKIM-Signature: v=1; a=ed25519-sha256; d=example.com; s=s; h=from:subject; bh=%s; b=%s\r\n"+
				"From: a@example.com\r\nSubject: %d\r\n\r\n%s", base64.StdEncoding.EncodeToString(hash[:]),
				base64.StdEncoding.EncodeToString(signature), i, body)
			r := verifyMessage(t, []byte(raw), VerifyOptions{}, func(string) KeyAnswer { return answer }, -1, true)[0]
			if r.HeaderOK {
				held++
			}
			if r.Status != StatusPolicy || r.Reason != ReasonKeyWeak {
				t.Fatalf("%s, message %d: %v, %v", text, i, r.Status, r.Reason)
			}
		}
	}
	if held < 64 {
		t.Errorf("the constant signature held %d times: the test proves nothing", held)
	}
	honest, _, err := ed25519.GenerateKey(strings.NewReader(strings.Repeat("k", 64)))
	if err != nil || weakEd25519(honest) {
		t.Errorf("an honest key is weak (%v)", err)
	}
}
