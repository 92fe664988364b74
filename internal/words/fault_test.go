package words

import (
	"testing"
)

// Every code of keyrecord has words, and no others have.
func TestEveryFaultHasWords(t *testing.T) {
	codes := codesIn(t, "../keyrecord/inspect.go", 29, "Fault")
	for code := range codes {
		if _, ok := faultsEnglish[code]; !ok {
			t.Errorf("%s has no words", code)
		}
	}
	for code := range faultsEnglish {
		if !codes[code] {
			t.Errorf("%s is no code", code)
		}
	}
}
