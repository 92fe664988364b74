package policy

import "testing"

// TestModes: a reply comes before all else, and what is malformed is neither signed nor
// verified whatever else a plan says.
func TestModes(t *testing.T) {
	sign := []SignRequest{{}}
	for want, p := range map[string]*Plan{
		"end":             {Reply: Reply{Action: TempFail}, malformed: true, Sign: sign, Verify: true},
		"exempt":          {exempt: true, Verify: true},
		"malformed":       {malformed: true, Sign: sign, Verify: true},
		"sign":            {Sign: sign},
		"verify":          {Verify: true},
		"sign and verify": {Sign: sign, Verify: true},
		"leave":           {},
	} {
		if got := p.Mode().String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
