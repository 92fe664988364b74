package cli

import (
	"strings"
	"testing"

	"dojang/internal/exit"
)

// TestBenchRefusesNumbersThatMeanNothing, before anything is sent.
func TestBenchRefusesNumbersThatMeanNothing(t *testing.T) {
	for _, args := range []string{
		"--connections 0", "--connections -1", "--messages 0", "--messages -5", "--for -1s", "--duration -1s", "--rate -1", "--rate NaN",
		"--rate Inf", "--size -1", "--size 99999999999", "--domains -1", "--domains 5", "--mode both", "--mode both --mix none=1",
		"--mix sign=x", "--from joe@d%d.example", "--from joe\r\nX:y@d.example", "--socket inet:8891@192.0.2.1",
	} {
		list := []string{"dojang", "bench", "--socket", "local:/nonexistent/socket", "--from", "joe@example.com"}
		list = append(list, strings.Split(args, " ")...)
		var out, errs strings.Builder
		if code := Main(t.Context(), list, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != exit.Usage ||
			!strings.Contains(errs.String(), strings.Fields(args)[0]) {
			t.Errorf("%s: exit code %d, %s%s", args, code, &out, &errs)
		}
	}
}
