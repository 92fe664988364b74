package dkim

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"

	"dojang/taglist"
)

// TestHashesAndTypesOfKeys: a record's h= and the type of its key say what may be verified by it
// (RFC 6376 §3.6.1).
func TestHashesAndTypesOfKeys(t *testing.T) {
	for hashes, want := range map[string]map[Algorithm]bool{
		"":               {RSASHA1: true, RSASHA256: true, Ed25519SHA256: true},
		"h=sha1; ":       {RSASHA1: true, RSASHA256: false, Ed25519SHA256: false},
		"h=SHA256; ":     {RSASHA1: false, RSASHA256: true, Ed25519SHA256: true},
		"h=sha1:sha256;": {RSASHA1: true, RSASHA256: true, Ed25519SHA256: true},
	} {
		k, err := ParseKeyRecord(hashes + strings.TrimPrefix(testRecords(t)["rsa1024"], "v=DKIM1; "))
		if err != nil {
			t.Fatal(err)
		}
		for a, allowed := range want {
			if k.AllowsHash(a) != allowed {
				t.Errorf("%s allows %v: %v", hashes, a, !allowed)
			}
		}
	}
	sum := sha256.Sum256([]byte("x"))
	for name, a := range map[string]Algorithm{"rsa1024": RSASHA256, "ed25519": Ed25519SHA256} {
		k, err := ParseKeyRecord(testRecords(t)[name])
		if err != nil {
			t.Fatal(err)
		}
		hash := crypto.SHA256
		if a == Ed25519SHA256 {
			hash = 0 // RFC 8463 §3: the hash is what is signed
		}
		value, err := testKeys(t)[name].Sign(rand.Reader, sum[:], hash)
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range []Algorithm{RSASHA256, Ed25519SHA256} {
			want := ReasonNone
			if said != a {
				want = ReasonKeyTypeMismatch
			}
			if got := k.verify(said, sum[:], value, nil); got != want {
				t.Errorf("%s for %v: %v", name, said, got)
			}
		}
	}
	for value, want := range map[string]Reason{"YWJj": ReasonNone, "YWJ": ReasonNone,
		"=": ReasonSignatureCorrupt, "YW!j": ReasonSignatureCorrupt} {
		tags, err := taglist.Parse([]byte("b=" + value))
		if got := (&Signature{Encoded: value, Tags: tags}).readValue(); got != want || err != nil {
			t.Errorf("b=%s: %v, %v, want %v", value, got, err, want)
		}
	}
}
