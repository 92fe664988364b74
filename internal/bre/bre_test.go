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
		{"\\`a", "aa", "Xa"},
		{`a\'`, "aa", "aX"},
		{`\<a\>`, "a ab ba a", "X ab ba X"},
		{`\<ab`, "ab cab", "X cab"},
		{`\Wa`, "ba.a", "baX"},
		{`\Sa`, "ba a", "X a"},
		{`\%a`, "%a", "X"},
		{`a\+`, "aab", "Xb"},
		{`\+a`, "+a", "X"},
		{`\(a\|b\)c`, "ac bc", "X X"},
		{`a\{,2\}b`, "aaab", "aX"},
		{`a\{2,\}`, "a aaa", "a X"},
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

// TestClasses are those of the C locale (IEEE Std 1003.1 §7.3.1).
func TestClasses(t *testing.T) {
	const digits, upper, lower = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	const punct = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	controls := "\x7f"
	for c := range byte(' ') {
		controls += string(rune(c))
	}
	for expression, want := range map[string]string{
		"[[:digit:]]": digits, "[[:upper:]]": upper, "[[:lower:]]": lower, "[[:alpha:]]": upper + lower, "[[:alnum:]]": digits + upper + lower,
		"[[:xdigit:]]": digits + "abcdefABCDEF", "[[:space:]]": "\t\n\v\f\r ", "[[:blank:]]": "\t ", "[[:punct:]]": punct,
		"[[:graph:]]": digits + upper + lower + punct, "[[:print:]]": " " + digits + upper + lower + punct, "[[:cntrl:]]": controls,
		`\w`: digits + upper + lower + "_", `\s`: "\t\n\v\f\r ",
		"[[:digit:]a-c-]": digits + "abc-", "[]-a]": "]^_`a", "[a-c[.x.][=y=]]": "abcxy", "[[.a.]-[.c.]]": "abc", "[-x]": "-x",
	} {
		e, err := Compile(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		for c := range byte(128) {
			if _, _, ok := e.Find(string(rune(c))); ok != strings.ContainsRune(want, rune(c)) {
				t.Errorf("%s finds %q: %v", expression, c, ok)
			}
		}
	}
}

// TestLimits: an expression of 4096 octets is read, one more is too long, as are more
// repetitions than Go compiles.
func TestLimits(t *testing.T) {
	for n, want := range map[int]bool{4096: true, 4097: false} {
		if _, err := Compile(strings.Repeat("a", n)); (err == nil) != want {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	if _, err := Compile(`\(\(a\{1000\}\)\{1000\}\)\{1000\}`); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestWhatIsNoExpression(t *testing.T) {
	for expression, want := range map[string]string{
		`\(a`: `\( without \) at offset 0`, `a\)`: `\) without \( at offset 1`, "[a": "[ without ] at offset 0", `a\`: "backslash at the end at offset 1",
		`\{2\}`: `\{ with nothing before it to repeat at offset 0`, `a**`: "* behind a repetition at offset 2", `a\{2,1\}`: `\{2,1\} is no range at offset 1`,
		`\(a\)\1`: `back-reference \1 is not supported at offset 5`, `a\{1001\}`: "more than 1000 repetitions is not supported at offset 1", `\<.`: `\< before what need not be a letter, digit or _ is not supported at offset 0`,
		`\1`: `\1 without so many groups before it at offset 0`, "[[:x:]]": "unknown class [:x:] at offset 0",
		"[[:alpha:]-z]": "a class is no end of a range at offset 0", "[a-[:alpha:]]": "a class is no end of a range at offset 0",
		"[a-c-e]": "- that is neither first nor last nor of a range at offset 0", "[b-a]": "range that ends before it begins at offset 0",
		"[[:alpha]": "[: without :] at offset 0", "[^": "[ without ] at offset 0", "[]": "[ without ] at offset 0", "[[.ab.]]": "[. of several letters is not supported at offset 0",
		"[[.a.": "[. of several letters is not supported at offset 0", `\(\{2\}\)`: `\{ with nothing before it to repeat at offset 2`, `a*\{2\}`: `\{ behind a repetition at offset 2`,
		`\<a*`: `\< before what need not be a letter, digit or _ is not supported at offset 0`, `\<\w\?`: `\< before what need not be a letter, digit or _ is not supported at offset 0`,
		`.\>`: `\> behind what need not be a letter, digit or _ is not supported at offset 1`, `a\{x\}`: `"x" within \{ \} is no number at offset 1`,
		`a\{1,x\}`: `"x" within \{ \} is no number at offset 1`, `a\{1`: `\{ without \} at offset 1`,
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
