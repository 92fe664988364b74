package words

import "testing"

func TestCount(t *testing.T) {
	for n, want := range []string{"0 rows", "1 row", "2 rows"} {
		if got := Count(n, "row"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
