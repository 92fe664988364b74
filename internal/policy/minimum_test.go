package policy

import (
	"math"
	"testing"
)

func TestMinimum(t *testing.T) {
	for _, c := range []struct {
		minimum string
		length  int64 // of a body of 12 octets
		want    bool
	}{
		{"6", 6, true}, {"7", 6, false}, {"50%", 6, true}, {"51%", 6, false}, {"6+", 6, true}, {"5+", 6, false},
		{"0", 0, true}, {"100", 12, true}, {"100%", 11, false}, {"0+", 11, false}, {"0+", 12, true}, {"0+", 13, true},
	} {
		m, err := ParseMinimum(c.minimum)
		if err != nil {
			t.Fatal(err)
		}
		covered := m.covered()
		if got := covered == nil || covered(c.length, 12); got != c.want {
			t.Errorf("Minimum %s with l=%d: %v", c.minimum, c.length, got)
		}
	}
	for _, bad := range []string{"", "x", "-1", "101%", "%", "+", "1.5"} {
		if m, err := ParseMinimum(bad); err == nil {
			t.Errorf("%q is %+v", bad, m)
		}
	}
	if m := (Minimum{Percent: 100}); !m.allows(0, 0) || m.allows(math.MaxInt64-1, math.MaxInt64) {
		t.Error("Minimum 100% is wrong at the edges")
	}
}
