package dataset

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
)

func compileText(t testing.TB, text string) *patterns {
	t.Helper()
	rows, err := parseRows("t", text, Options{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	return compile(rows)
}

func allMatches(p *patterns, key string) (lines []int32) {
	p.match(key, func(i int32) bool { lines = append(lines, int32(p.lineAt(i))); return true })
	return lines
}

// slowly is what the index has to agree with: a regular expression a row. It returns the
// lines that a key matches.
func slowly(rows *rows) func(key string) []int32 {
	var expressions []*regexp.Regexp
	for i := range rows.Len() {
		p, _ := rows.Row(i)
		re := strings.ReplaceAll(regexp.QuoteMeta(Fold(p.Key)), `\*`, ".*")
		expressions = append(expressions, regexp.MustCompile("(?s)^"+re+"$"))
	}
	return func(key string) (lines []int32) {
		for i, re := range expressions {
			if _, line := rows.Row(i); re.MatchString(Fold(key)) {
				lines = append(lines, int32(line))
			}
		}
		return lines
	}
}

func TestPatternsInFileOrder(t *testing.T) {
	p := compileText(t, strings.Join([]string{
		"user@example.com a", "*@example.com b", "user@* c", "*.example.com d", "u*@example.com e", "*x*ample* f",
		"* g", "USER@example.com h", "us*er@ex*com i", "user* j", "*com k", "u*m l", "**@**example.com m", "user@example.com n", "x[y]+z@example.com o",
	}, "\n"))
	for key, want := range map[string][]int32{
		"user@example.com":     {1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
		"User@Example.COM":     {1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
		"other@example.com":    {2, 6, 7, 11, 13},
		"a@sub.example.com":    {4, 6, 7, 11, 13},
		"user@elsewhere.net":   {3, 7, 10},
		"x[y]+z@example.com":   {2, 6, 7, 11, 13, 15},
		"":                     {7},
		"@":                    {7},
		"userexample.com":      {6, 7, 10, 11, 12},
		"xy@example.com":       {2, 6, 7, 11, 13},
		"example.com":          {6, 7, 11},
		"\xff\xfe@example.com": {2, 6, 7, 11, 13},
	} {
		if diff := cmp.Diff(want, allMatches(p, key)); diff != "" {
			t.Errorf("%q: %s", key, diff)
		}
	}
}

// TestPatternsAgreeWithSlow draws patterns and keys of few letters, so that
// they meet often.
func TestPatternsAgreeWithSlow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(letters string, most int) string {
		b := make([]byte, rng.IntN(most+1))
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	matched := 0
	for range 300 {
		var text strings.Builder
		for range 1 + rng.IntN(30) {
			fmt.Fprintf(&text, "%s v\n", "a"[:rng.IntN(2)]+draw("aB@.**", 6))
		}
		p := compileText(t, text.String())
		matches := slowly(&p.rows)
		for range 30 {
			key := draw("ab@.", 8)
			want := matches(key)
			matched += len(want)
			if got := allMatches(p, key); !slices.Equal(got, want) {
				t.Fatalf("%q in\n%s: %v, want %v", key, text.String(), got, want)
			}
		}
	}
	if matched < 1000 {
		t.Fatalf("only %d matches: the draw is too thin", matched)
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("*@example.com k\nuser@* j\na*b*c x", "user@example.com")
	f.Add("*", "")
	f.Add("*.* a\n.*. b\n*@*@ c", "@.@")
	f.Fuzz(func(t *testing.T, text, key string) {
		if len(text) > 2000 || len(key) > 200 || strings.ContainsRune(text, 0) {
			return
		}
		if !utf8.ValidString(text) || !utf8.ValidString(key) {
			return // regexp reads runes where we read bytes
		}
		rows, err := parseRows("t", text, Options{}.withDefaults())
		if err != nil {
			t.Skip()
		}
		if diff := cmp.Diff(slowly(rows)(key), allMatches(compile(rows), key)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add("key value # comment\n\n k2\tv:w\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := parseRows("t", text, Options{}.withDefaults())
		if err != nil {
			return
		}
		i := 0
		for number, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
			key, value, ok := parseRow(line)
			if !ok {
				continue
			}
			r, at := rows.Row(i)
			if (r != Pair{key, value}) || at != number+1 || rows.key(int32(i)) != key {
				t.Fatalf("row %q at line %d, key %q, want %q %q at %d", r, at, rows.key(int32(i)), key, value, number+1)
			}
			if key == "" || strings.ContainsAny(key+value, "#\n") || strings.IndexFunc(key, isBlank) >= 0 ||
				value != strings.TrimFunc(value, isBlank) {
				t.Fatalf("row %+v", r)
			}
			i++
		}
		if i != rows.Len() {
			t.Fatalf("%d rows, want %d", rows.Len(), i)
		}
	})
}

// manyPatterns is a SigningTable of a hoster: mostly *@domain, and every other shape.
func manyPatterns(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, "user%d@example%d.com k%d\n", i, i, i)
		case 1:
			fmt.Fprintf(&b, "user%d@* k%d\n", i, i)
		case 2:
			fmt.Fprintf(&b, "*.sub%d.example.org k%d\n", i, i)
		case 3:
			fmt.Fprintf(&b, "u%d*@shared.example k%d\n", i, i)
		case 4:
			fmt.Fprintf(&b, "sales*@d%d.example k%d\n", i, i)
		default:
			fmt.Fprintf(&b, "*@domain%d.example k%d\n", i, i)
		}
	}
	return b.String()
}

func TestManyPatternsCompileQuicklyAndSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(path, []byte(manyPatterns(100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := testutil.ProcessorTime(t)
	set, err := Open(context.Background(), "refile:"+path, Options{})
	took := testutil.ProcessorTime(t) - start
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("100,000 patterns: %v, %d MB", took, size>>20)
	// The goal is 0.3 s.
	if took > 2*time.Second || size > 100<<20 {
		t.Errorf("100,000 patterns took %v and %d bytes", took, size)
	}
	values, err := set.Lookup(context.Background(), "somebody@domain99999.example", 1)
	if err != nil || values[0] != "k99999" {
		t.Errorf("got %v, %v", values, err)
	}
}

func BenchmarkPatterns(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		p := compileText(b, manyPatterns(n))
		for _, key := range []string{"somebody@domain9.example", "user1@a.example", "sales@d4.example", "nobody@nowhere.example"} {
			b.Run(fmt.Sprintf("%d/%s", n, key), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.match(key, func(int32) bool { return false })
				}
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	text := manyPatterns(100_000)
	for b.Loop() {
		compileText(b, text)
	}
}

// Of patterns with an asterisk at both ends each is tried, within what is left.
func TestTriesAreBounded(t *testing.T) {
	var rows strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rows, "*u%d@* k\n", i)
	}
	p := open(t, "refile:"+writeTable(t, rows.String()), Options{}).(*patterns)
	for left, want := range map[int]int32{0: none, 99: none, 100: 99, 1000: 99} {
		before, first := left, none
		p.matchWithin(&left, "xu99@y", func(i int32) bool { first = i; return false })
		if first != want || left != max(0, before-100) {
			t.Errorf("%d tries: row %d, %d left", before, first, left)
		}
	}
}
