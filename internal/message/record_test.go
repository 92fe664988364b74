package message

import (
	"os"
	"strings"
	"testing"
)

// The reasons are names of events: one that is renamed there must be renamed here.
func TestTroublesAreEvents(t *testing.T) {
	source, err := os.ReadFile("../event/event.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range troubles {
		if !strings.Contains(string(source), `"`+name+`"`) {
			t.Errorf("there is no event %q", name)
		}
	}
	if isOurTrouble("not_internal") || !isOurTrouble("external_host") || isOurTrouble("dont_sign_mail_to") {
		t.Error("ourTroubles counts wrong")
	}
	if got := reasonOf([]string{"not_internal", "external_host"}); got != "external_host" {
		t.Errorf("reason %s", got)
	}
}
