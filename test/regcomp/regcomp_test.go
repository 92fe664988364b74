// Package regcomp compares internal/bre with the C library's regcomp and regexec, which
// OpenDKIM calls.
package regcomp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/bre"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// program answers each line "expression<TAB>text" with the place of the match, "none", or
// "error". It stays in the C locale, as opendkim does.
const program = `
#include <regex.h>
#include <stdio.h>
#include <string.h>
int main(void) {
	static char line[65536];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *text = strrchr(line, '\t');
		*text++ = 0;
		regex_t re;
		regmatch_t m[1];
		if (regcomp(&re, line, 0)) { puts("error"); continue; }
		if (regexec(&re, text, 1, m, 0)) puts("none");
		else printf("%d %d\n", (int)m[0].rm_so, (int)m[0].rm_eo);
		regfree(&re);
	}
	return 0;
}`

var parts = []string{
	"a", "b", "ab", "x", ".", "*", "*", `\(`, `\)`, `\(a\)`, `\(a*\)`, `\|`, `\+`, `\?`, `\{2\}`, `\{1,2\}`, `\{0,\}`, `\{,2\}`, `\{`, `\}`, `\{2,1\}`, `\{a\}`, "^", "$", "(", ")", "|", "+", "?", "{", "}", "{2}",
	"[ab]", "[^a]", "[]a]", "[^]a]", "[a-c]", "[c-a]", "[a-]", "[-a]", "[[:alpha:]]", "[[:space:]x]", "[[:nothing:]]", "[[.a.]b]", "[[=a=]]", "[[:alpha:]-z]", "[", "]", `[\w]`, `[a\]`,
	`\w`, `\W`, `\s`, `\S`, `\b`, `\B`, `\<a`, `a\>`, "\\`", `\'`, `\.`, `\*`, `\[`, `\]`, `\^`, `\$`, `\\`, `\/`, `\a`, `\n`, `\-`, `\1`, `\9`, "_", "-", " ", "\xc3\xa9", "\xff", "€", "1", "(EUR)", "it?",
}

var letters = []string{"a", "b", "ab", "c", "x", "\xc3\xa9", "\xff", "€", " ", "_", "-", "1", "(", ")", "|", "+", "?", "{", "}", "{2}", "[", "]", "^", "$", `\`, ".", "*", "n", "EUR", "it", "z", "/", "w"}

func TestAgainstTheCLibrary(t *testing.T) {
	cc := testutil.Need(t, "cc")
	dir := t.TempDir()
	source, path := filepath.Join(dir, "regcomp.c"), filepath.Join(dir, "regcomp")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-o", path, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	count := 20_000
	if testutil.Long() {
		count = 1_000_000
	}
	const seed = 20261129
	r := rand.New(rand.NewPCG(seed, 0))
	var input strings.Builder
	type pair struct{ expression, text string }
	pairs := make([]pair, count)
	for i := range pairs {
		pairs[i] = pair{several(r, parts, 7), several(r, letters, 9)}
		fmt.Fprintf(&input, "%s\t%s\n", pairs[i].expression, pairs[i].text)
	}
	answers := strings.Split(strings.TrimSuffix(proctest.Ask(t, input.String(), path), "\n"), "\n")
	if len(answers) != count {
		t.Fatalf("%d answers", len(answers))
	}
	matched, refused, unsupported, wrong := 0, 0, 0, 0
	for i, p := range pairs {
		ours := "none"
		e, err := bre.Compile(p.expression)
		switch {
		case errors.Is(err, bre.ErrUnsupported):
			unsupported++
			continue
		case err != nil:
			ours = "error"
			refused++
		default:
			if start, end, ok := e.Find(p.text); ok {
				ours = fmt.Sprintf("%d %d", start, end)
				matched++
			}
		}
		if ours != answers[i] {
			if wrong++; wrong <= 20 {
				t.Errorf("%q on %q: the C library says %s, we %s (%v)", p.expression, p.text, answers[i], ours, err)
			}
		}
	}
	t.Logf("%d pairs: %d match, %d are no expressions, %d are not supported, %d wrong", count, matched, refused, unsupported, wrong)
	if matched < count/20 || unsupported > count/4 {
		t.Error("this compares little")
	}
}

func several(r *rand.Rand, of []string, most int) string {
	var b strings.Builder
	for range 1 + r.IntN(most) {
		b.WriteString(of[r.IntN(len(of))])
	}
	return b.String()
}
