package dkim

import (
	"encoding/asn1"
	"math/big"
	"testing"
)

// TestExponentIsBounded: a hostile key's exponent of 32 bits or more is none.
func TestExponentIsBounded(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	for bits, want := range map[uint]bool{2: true, 17: true, 31: true, 32: false, 33: false, 64: false, 1000: false} {
		der, err := asn1.Marshal(struct{ N, E *big.Int }{n.SetBit(n, 0, 1),
			new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), bits-1), 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := parseRSAPublicKey(der); ok != want {
			t.Errorf("an exponent of %d bits: %v", bits, ok)
		}
	}
}
