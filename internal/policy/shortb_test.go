package policy

import (
	"fmt"
	"testing"

	"dojang/dkim"
)

func TestShortB(t *testing.T) {
	var results []dkim.Result
	for _, b := range []string{"abcdefghijkl", "abcdefghijxx", "zzzzzzzzzzzz", "ab", "", "same45678same", "same45678same"} {
		results = append(results, dkim.Result{Signature: &dkim.Signature{Encoded: b}})
	}
	if got := fmt.Sprint(shortB(results)); got != "[abcdefghijk abcdefghijx zzzzzzzz ab  same4567 same4567]" {
		t.Error(got)
	}
}
