package getopt

import (
	"bytes"
	"fmt"
	"testing"
)

// What Perl 5's Getopt::Long with "bundling" says of the options of opendkim-genkey:
// what is set, what is left over, and its words.
func TestPerl(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // selector, bits, testmode, verbose, the rest; false and its words after a mistake
	}{
		{[]string{"-sx", "-b", "1024", "-tvv", "a"}, `x 1024 true 2 ["a"] true`},
		{[]string{"-vb12t", "--", "-s"}, `"" 12 true 1 ["-s"] true`},
		{[]string{"--SELECTOR=a=b", "--bits=+5", "-"}, `a=b 5 false 0 ["-"] true`},
		{[]string{"--sel", "--", "-t", "--notest"}, `-- 0 false 0 [] true`},
		{[]string{"-t", "--no-testmode", "-s", "-t"}, `-t 0 false 0 [] true`},
		{[]string{"--s=1", "-b-5"}, `1 -5 false 0 [] true`},
		{[]string{"-b=5"}, "\"\" 0 false 0 [] false Value \"=5\" invalid for option b (number expected)\nUnknown option: =\nUnknown option: 5\n"},
		{[]string{"--bits=x", "-b"}, "\"\" 0 false 0 [] false Value \"x\" invalid for option bits (number expected)\nOption b requires an argument\n"},
		{[]string{"--domain=", "--verbose=2"}, "\"\" 0 false 0 [] false Unknown option: domain\nOption verbose does not take an argument\n"},
		{[]string{"--selector="}, "\"\" 0 false 0 [] false Option selector requires an argument\n"},
		{[]string{"--no", "x", "-S"}, "\"\" 0 false 0 [\"x\"] false Option no is ambiguous (no-t, no-testmode, nosub, not, notestmode)\nUnknown option: S\n"},
	} {
		var selector string
		var bits, verbose int
		var testmode bool
		var errs bytes.Buffer
		p := Perl{Err: &errs, Options: []Option{
			{Names: []string{"s", "selector"}, Text: &selector}, {Names: []string{"b", "bits"}, Number: &bits},
			{Names: []string{"t", "testmode"}, Flag: &testmode}, {Names: []string{"v", "verbose"}, Counter: &verbose},
			{Names: []string{"nosub"}, Counter: new(int)},
		}}
		rest, ok := p.Parse(c.args)
		if selector == "" {
			selector = `""`
		}
		got := fmt.Sprintf("%s %d %v %d %q %v", selector, bits, testmode, verbose, rest, ok)
		if !ok {
			got += " " + errs.String()
		}
		if got != c.want {
			t.Errorf("%q:\n%s\nwant\n%s", c.args, got, c.want)
		}
	}
}

// What glibc's getopt(3) says with the options "ab:".
func TestShort(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-ab", "v", "x", "-a"}, `a="" b="v" a="" ["x"] true `},
		{[]string{"-abv", "-b-a", "-b", "-a"}, `a="" b="v" b="-a" b="-a" [] true `},
		{[]string{"x", "--", "-a", "-q"}, `["x" "-a" "-q"] true `},
		{[]string{"-", "-b", "--"}, `b="--" ["-"] true `},
		{[]string{"-a:"}, "a=\"\" [] false p: invalid option -- ':'\n"},
		{[]string{"-q", "-a"}, "[] false p: invalid option -- 'q'\n"},
		{[]string{"-ab"}, "a=\"\" [] false p: option requires an argument -- 'b'\n"},
	} {
		var errs bytes.Buffer
		got := ""
		rest, ok := Short("p", &errs, c.args, "ab:", func(option byte, value string) { got += fmt.Sprintf("%c=%q ", option, value) })
		if got += fmt.Sprintf("%q %v %s", rest, ok, errs.String()); got != c.want {
			t.Errorf("%q:\n%s\nwant\n%s", c.args, got, c.want)
		}
	}
}
