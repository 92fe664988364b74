package cli

import (
	"bytes"
	"strings"
	"testing"
)

// Whatever a command shows of a stranger's text, a terminal does not obey it.
func TestNothingSpeaksToTheTerminal(t *testing.T) {
	const hostile = "\x1b]0;title\x07\x1b[2J\u009b31m\u202eevil\x9b"
	message := "From: " + hostile + " <a@example.com>\r\nSubject: " + hostile + "\r\nDKIM-Signature: v=1; a=" + hostile +
		"; d=" + hostile + "; s=x; h=from; bh=; b=\r\n\r\n" + hostile + "\r\n"
	for _, args := range [][]string{
		{"dojang", "query", "csl:k=" + hostile, "k"},
		{"dojang", "explain", "--config", "testdata/none.conf"},
		{"dojang", "explain"},
		{"dojang", "testmsg", "--verify"},
		{"dojang", "config", "explain", hostile},
		{"dojang", hostile},
		{"opendkim", "-v", "-v", "-t", "-"},
		{"opendkim-testkey", "-d", hostile, "-s", "x"},
	} {
		var out, errs bytes.Buffer
		Main(t.Context(), args, Streams{In: strings.NewReader(message), Out: &out, Err: &errs})
		for _, shown := range []string{out.String(), errs.String()} {
			if strings.ContainsAny(shown, "\x1b\x07\u009b\u202e") || strings.Contains(strings.ToValidUTF8(shown, "\x1b"), "\x1b") {
				t.Errorf("%q: %q", args, shown)
			}
		}
		if out.Len()+errs.Len() == 0 {
			t.Errorf("%q: nothing is shown", args)
		}
	}
}
