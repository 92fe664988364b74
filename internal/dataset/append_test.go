package dataset

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/problem"
)

func TestTextTableOf(t *testing.T) {
	for spec, want := range map[string]TextTable{
		"/etc/t": {Path: "/etc/t"}, "file:t": {Path: "t"}, "FILE:/t": {Path: "/t"}, "refile:/t": {Path: "/t", Patterns: true},
		"t": {}, "csl:a=b": {}, "/etc/t.db": {}, "dsn:sqlite3:///x/table=t?keycol=k?datacol=d": {}, "nosuch:x": {}, "": {},
	} {
		got, ok := TextTableOf(spec)
		if got != want || ok != (want.Path != "") {
			t.Errorf("%q: %+v, %v", spec, got, ok)
		}
	}
}

func TestAppendStandsOnALineOfItsOwn(t *testing.T) {
	for before, want := range map[string]string{
		"": "k v w\n", "a b": "a b\nk v w\n", "a b\n": "a b\nk v w\n", "# c": "# c\nk v w\n", "a b\n\n": "a b\n\nk v w\n", "a b\r\n": "a b\r\nk v w\n",
	} {
		path := filepath.Join(t.TempDir(), "t")
		if before != "" {
			if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		table := TextTable{Path: path}
		if err := table.Append(Pair{"k", "v w"}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != want || err != nil {
			t.Errorf("%q: %q, %v", before, got, err)
		}
		if values, lines, err := table.Find("K"); err != nil || len(lines) != 1 || values[0] != "v w" {
			t.Errorf("%q: %v, %v, %v", before, values, lines, err)
		}
	}
	if err := (TextTable{Path: filepath.Join(t.TempDir(), "none", "t")}).Append(Pair{"k", "v"}); err == nil {
		t.Error("appended to a file in no folder")
	}
}

// TestPreviewTellsOfTheNewRowAlone has for each kind of table a row that is hidden,
// one that is not, and mistakes in rows that are there.
func TestPreviewTellsOfTheNewRowAlone(t *testing.T) {
	text := "*@a.example k1\n*.example k2\n@x k3\nnokey\n*@A.example k4\nuser@c.net k"
	for _, test := range []struct {
		patterns, all bool
		key           string
		want          []string
	}{
		{true, false, "*@b.example", []string{`pattern "*@b.example" never matches: "*.example" at line 2 takes everything it could`}},
		{true, true, "*@b.example", nil},
		{true, false, "*@a.example", []string{`"*@a.example" is listed before, at line 1, and this row is never used`}},
		{true, false, "*@c.net", nil},
		{false, false, "USER@c.net", []string{`"USER@c.net" is listed before, at line 6, and this row is never used`}},
		{false, true, "user@c.net", []string{`"user@c.net" is listed before, at line 6, and this row is never used`}},
		{false, false, "c.net", nil},
	} {
		table := TextTable{Path: writeTable(t, text), Patterns: test.patterns}
		lint := Lint{Option: "SigningTable", AllMatches: test.all}
		found, err := table.Preview(context.Background(), Pair{test.key, "new"}, Options{FoldCase: true}, lint.SigningTable)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range found {
			got = append(got, p.Text)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: %s", test, diff)
		}
	}
	empty := TextTable{Path: filepath.Join(t.TempDir(), "none")}
	found, err := empty.Preview(context.Background(), Pair{"a", "b"}, Options{}, func(context.Context, Set) problem.List { return nil })
	if err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}
