package dataset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSwapChangesOnlyTheFields(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		change           Change
		err              error
	}{
		{"blanks and comments", "# keys\n\n  k1\texample.com : s1 :/k/s1  # the first\nk2 example.org:s1:/k/o\n", "# keys\n\n  k1\texample.com : s2 :/k/s2  # the first\nk2 example.org:s1:/k/o\n",
			Change{"k1", []string{"example.com", "s1", "/k/s1"}, []string{"example.com", "s2", "/k/s2"}}, nil},
		{"CRLF and BOM", "\ufeffk1 example.com:s1:/k/s1\r\nk2 example.org:s1:/k/o\r\n", "\ufeffk1 example.com:s2:/k/s2\r\nk2 example.org:s1:/k/o\r\n",
			Change{"k1", []string{"example.com", "s1", "/k/s1"}, []string{"example.com", "s2", "/k/s2"}}, nil},
		{"no final line end", "k2 example.org:s1:/k/o\nk1 example.com:s1:/k/s1", "k2 example.org:s1:/k/o\nk1 example.com:s2:/k/s2",
			Change{"k1", []string{"example.com", "s1", "/k/s1"}, []string{"example.com", "s2", "/k/s2"}}, nil},
		{"algorithm stays", "k1 example.com:s1:/k/s1:rsa-sha256\n", "k1 example.com:s2:/k/s2:rsa-sha256\n",
			Change{"k1", []string{"example.com", "s1", "/k/s1", "rsa-sha256"}, []string{"example.com", "s2", "/k/s2", "rsa-sha256"}}, nil},
		{"twice alike", "k1 d:s1:/a\nx y:z:w\nk1 d:s1:/a\n", "k1 d:s2:/b\nx y:z:w\nk1 d:s2:/b\n", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, nil},
		{"twice unlike", "k1 d:s1:/a\nk1 d:s9:/a\n", "", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"edited", "k1 d:s1:/other\n", "", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"gone", "k2 d:s1:/a\n", "", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"a longer value", "k1 d:s1:/a/more\n", "", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"another separator", "k1 d;s1:/a\n", "", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"fewer fields", "k1 d\n", "", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"more fields than there were", "k1 d:s1\n", "", Change{"k1", []string{"d", "s1"}, []string{"d", "s2", "/b"}}, ErrChanged},
		{"less", "k1 d:s1\n", "", Change{"k1", []string{"d", "s1"}, []string{"d"}}, ErrChanged},
		{"no value", "k1\n", "", Change{"k1", []string{"d"}, []string{"e"}}, ErrChanged},
		{"a value for none", "k1\n", "k1\n", Change{"k1", []string{""}, []string{""}}, nil},
		{"a mark within", "k1 d:s1:/a\n\ufeffk1 d:s1:/a\n", "k1 d:s2:/b\n\ufeffk1 d:s1:/a\n", Change{"k1", []string{"d", "s1", "/a"}, []string{"d", "s2", "/b"}}, nil},
		{"name in value", "s1 s1:s1:/s1 # s1\n", "s1 s1:s2:/s1b # s1\n", Change{"s1", []string{"s1", "s1", "/s1"}, []string{"s1", "s2", "/s1b"}}, nil},
		{"new row", "k1 d:s1:/a", "k1 d:s1:/a\nk2 d:s2:/b\n", Change{"k2", nil, []string{"d", "s2", "/b"}}, nil},
		{"new row is there", "k2 d:s1:/a\n", "", Change{"k2", nil, []string{"d", "s2", "/b"}}, ErrChanged},
		{"taken out", "# a\nk1 d:s1:/a # b\nk2 d:s2:/b\n", "# a\nk2 d:s2:/b\n", Change{"k1", []string{"d", "s1", "/a"}, nil}, nil},
		{"taken out behind a mark", "\ufeffk1 d:s1:/a\nk2 d:s2:/b\n", "\ufeffk2 d:s2:/b\n", Change{"k1", []string{"d", "s1", "/a"}, nil}, nil},
		{"taken out, edited", "k1 d:s1:/c\n", "", Change{"k1", []string{"d", "s1", "/a"}, nil}, ErrChanged},
		{"commented out", "#k1 d:s1:/a\n", "", Change{"k1", []string{"d", "s1", "/a"}, nil}, ErrChanged},
	} {
		path := filepath.Join(t.TempDir(), "KeyTable")
		if err := errors.Join(os.WriteFile(path, []byte(c.text), 0o600), os.Chmod(path, 0o640)); err != nil {
			t.Fatal(err)
		}
		err := TextTable{Path: path}.Swap(t.Context(), []Change{c.change})
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		want := c.want
		if c.err != nil {
			want = c.text
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("%s:\n%q, want\n%q", c.name, got, want)
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v", c.name, info.Mode())
		}
	}
}

// Several changes are made all or none, as one after the other.
func TestSwapSeveral(t *testing.T) {
	const text = "k1 d:s1:/a\nk2 d:s1:/b # b\nk3 d:s1:/c"
	row := func(selector, path string) []string { return []string{"d", selector, path} }
	for _, c := range []struct {
		changes []Change
		want    string // "" for none
	}{
		{[]Change{{"k3", row("s1", "/c"), row("s2", "/C")}, {"k1", row("s1", "/a"), nil}, {"k4", nil, row("s", "/d")}}, "k2 d:s1:/b # b\nk3 d:s2:/C\nk4 d:s:/d\n"},
		{[]Change{{"k1", row("s1", "/a"), row("s2", "/A")}, {"k1", row("s2", "/A"), row("s3", "/a")}}, "k1 d:s3:/a\nk2 d:s1:/b # b\nk3 d:s1:/c"},
		{[]Change{{"k4", nil, row("s", "/d")}, {"k4", row("s", "/d"), row("t", "/e")}}, text + "\nk4 d:t:/e\n"},
		{[]Change{{"k1", row("s1", "/a"), row("s2", "/A")}, {"k2", row("s1", "/other"), row("s2", "/B")}}, ""},
		{[]Change{{"k1", row("s1", "/a"), row("s2", "/A")}, {"k9", row("s1", "/a"), nil}}, ""},
		{[]Change{{"k1", row("s1", "/a"), row("s2", "/A")}, {"k2", nil, row("s2", "/B")}}, ""},
	} {
		got, err := TextTable{Path: "t"}.swap(text, c.changes)
		if got != c.want || errors.Is(err, ErrChanged) != (c.want == "") {
			t.Errorf("%v: %q, %v, want %q", c.changes, got, err, c.want)
		}
	}
}

// Over random tables: every other byte stays, and the table then says what it said
// but for the one row.
func TestSwapOverRandomTables(t *testing.T) {
	const seed = 20261129
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for i := range 1000 {
		var lines []string
		n := 1 + r.IntN(12)
		target := r.IntN(n)
		for j := range n {
			for r.IntN(3) == 0 {
				lines = append(lines, pick("", "# k0 d0.example:s:/k", "   ", "\t#", "#"))
			}
			blank := func() string { return pick("", "", " ", "\t", "  ") }
			lines = append(lines, fmt.Sprintf("%sk%d%s%sd%d.example%s:%ss%s:%s/k/d%d%s%s%s", blank(),
				j, pick(" ", "\t", " \t "), blank(), j, blank(), blank(), blank(), blank(), j,
				pick("", ":rsa-sha256"), blank(), pick("", "# c", "#k1 d:s:/k")))
		}
		text := pick("", "\ufeff") + strings.Join(lines, pick("\n", "\r\n")) + pick("", "\n")
		table := TextTable{Path: "t"}
		before, err := pairsIn(text)
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Split(before[target].Value, ":")
		for k := range old {
			old[k] = strings.TrimFunc(old[k], isBlank)
		}
		with := append([]string(nil), old...)
		with[1], with[2] = "20261129", "/k/new"
		got, err := table.swap(text, []Change{{before[target].Key, old, with}})
		if err != nil {
			t.Fatalf("seed %d, table %d: %v\n%q", seed, i, err, text)
		}
		after, err := pairsIn(got)
		if err != nil || len(after) != len(before) {
			t.Fatalf("seed %d, table %d: %v", seed, i, err)
		}
		for j := range before {
			want := before[j].Value
			if j == target {
				want = strings.Join(with, ":")
			}
			value := after[j].Value
			if j == target {
				fields := strings.Split(value, ":")
				for k := range fields {
					fields[k] = strings.TrimFunc(fields[k], isBlank)
				}
				value = strings.Join(fields, ":")
			}
			if after[j].Key != before[j].Key || value != want {
				t.Fatalf("seed %d, table %d, row %d: %q, want %q\n%q", seed, i, j, after[j], want, got)
			}
		}
		back, err := table.swap(got, []Change{{before[target].Key, with, old}})
		if err != nil || back != text {
			t.Fatalf("seed %d, table %d: back is\n%q, was\n%q (%v)", seed, i, back, text, err)
		}
	}
}

// pairsIn are the rows of a text.
func pairsIn(text string) (pairs []Pair, err error) {
	r, err := parseRows("t", text, Options{}.withDefaults())
	if err != nil {
		return nil, err
	}
	for i := range r.Len() {
		p, _ := r.Row(i)
		pairs = append(pairs, p)
	}
	return pairs, nil
}
