package bre

import (
	"errors"
	"strings"
	"testing"
)

// TestReplace has what sed of POSIX does with s/EXPRESSION/X/g in the C locale.
func TestReplace(t *testing.T) {
	for _, c := range []struct{ expression, in, want string }{
		{"(EUR)", "5 (EUR) EUR", "5 X EUR"},
		{`a\{2\}`, "a{2} aaa", "a{2} Xa"},
		{"it?", "it? i", "X i"},
		{`it\?`, "it? i", "X? X"},
		{`\bword\b`, "word words", "X words"},
		{"*a", "*a a", "X a"},
		{`\(*a\)*`, "*a*a", "X"},
		{"^a^", "a^a^", "Xa^"},
		{"a$b", "a$b", "X"},
		{`a\|bc*`, "a bcc", "X X"},
		{"a.b", "a\nb", "X"},
		{"a..b", "aéb", "X"},
		{"[^a-z]", "aéb", "aXXb"},
		{`[\n]`, `\n`, "XX"},
		{"abc*\\|ab", "abcc", "X"},
	} {
		e, err := Compile(c.expression)
		if err != nil {
			t.Errorf("%q: %v", c.expression, err)
			continue
		}
		if got := e.Replace(c.in, "X"); got != c.want {
			t.Errorf("%q on %q: %q, want %q", c.expression, c.in, got, c.want)
		}
	}
}

func TestWhatIsNoExpression(t *testing.T) {
	for expression, want := range map[string]string{
		`\(a`: `\( without \) at offset 0`, `a\)`: `\) without \( at offset 1`, "[a": "[ without ] at offset 0", `a\`: "backslash at the end at offset 1",
		`\{2\}`: `\{ with nothing before it to repeat at offset 0`, `a**`: "* behind a repetition at offset 2", `a\{2,1\}`: `\{2,1\} is no range at offset 1`,
		`\(a\)\1`: `back-reference \1 is not supported at offset 5`, `a\{1001\}`: "more than 1000 repetitions is not supported at offset 1", `\<.`: `\< before what need not be a letter, digit or _ is not supported at offset 0`,
		`\1`: `\1 without so many groups before it at offset 0`, "[[:x:]]": "unknown class [:x:] at offset 0",
	} {
		_, err := Compile(expression)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != want || errors.Is(err, ErrUnsupported) != strings.Contains(want, "not supported") {
			t.Errorf("%q: %v, want %s", expression, err, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`\(a*\)\{2\}$`, "[[:alpha:]-]*", `\<a\>`, "^*\\|[]x]"} {
		f.Add(s, "aaa")
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		e, err := Compile(expression)
		if err != nil {
			return
		}
		start, end, ok := e.Find(text)
		if ok && (start < 0 || end < start || end > len(text)) {
			t.Fatalf("%q in %q at %d, %d", expression, text, start, end)
		}
		if got := e.Replace(text, ""); !ok && got != text {
			t.Fatalf("%q replaces in %q without a match: %q", expression, text, got)
		}
	})
}
