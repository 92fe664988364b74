package build

import (
	"testing"

	"dojang/internal/keystore"
	"dojang/internal/status"
	"dojang/internal/testutil"
)

// A key that was used before KeyFile and Selector changed is none that the filter has.
func TestUsedKeysOfKeyFile(t *testing.T) {
	k := &Keys{defaultKey: &keystore.SigningKey{Selector: "new", Signer: testutil.RSAKey(), Source: "/k"}}
	used := []status.Used{{Domain: "example.com", Selector: "old"}, {Domain: "example.com", Selector: "new"}}
	list := k.List(t.Context(), "example.com", used)
	if len(list) != 1 || list[0].Selector != "new" {
		t.Errorf("%+v", list)
	}
	if list := new(Keys).List(t.Context(), "example.com", used); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
