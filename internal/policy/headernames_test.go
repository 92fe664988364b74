package policy

import (
	"strings"
	"testing"
)

func TestHeaderNames(t *testing.T) {
	for list, want := range map[string]string{
		"":                   "From,To",
		"*":                  "From,To",
		"*,+Cc, -to ,Sender": "From,Cc,Sender",
		"Cc,Subject":         "Cc,Subject",
		"+Cc":                "+Cc",
		".":                  ".",
		"*,list-*":           "From,To,list-*",
	} {
		if got := strings.Join(HeaderNames([]string{"From", "To"}, list), ","); got != want {
			t.Errorf("%q: %s, want %s", list, got, want)
		}
	}
}
