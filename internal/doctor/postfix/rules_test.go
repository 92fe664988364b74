package postfix

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestRules: the ways of writing that regexp_table(5) and pcre_table(5) name.
func TestRules(t *testing.T) {
	for _, test := range []struct {
		text string
		want []Rule
	}{
		{"# none\n\n", nil},
		{"/a/ IGNORE\n", []Rule{{1, 1, "IGNORE"}}},
		{"/a/im replace b\n/c/ DUNNO", []Rule{{1, 1, "REPLACE"}, {2, 2, "DUNNO"}}},
		{"!/a/ STRIP why\n", []Rule{{1, 1, "STRIP"}}},
		{"/a/!/b/ PREPEND c\n", []Rule{{1, 1, "PREPEND"}}},
		{`/a\/ IGNORE/ WARN` + "\n", []Rule{{1, 1, "WARN"}}},
		{"|a/ IGNORE| WARN\n", []Rule{{1, 1, "WARN"}}},
		{"/a/\n  REPLACE\n\tb\n/c/ REJECT\n", []Rule{{1, 3, "REPLACE"}, {4, 4, "REJECT"}}},
		{"/a/\n# between\n\n  IGNORE\n", []Rule{{1, 4, "IGNORE"}}},
		{"if /IGNORE/\n/a/ DUNNO\nendif\n", []Rule{{2, 2, "DUNNO"}}},
		{"if !/IGNORE/ IGNORE\nendif\n", nil},
		{"/a/\n/b IGNORE\n", nil},
	} {
		path := filepath.Join(t.TempDir(), "table")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"regexp:", "pcre:"} {
			if got := Rules(kind + path); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%q: %v, want %v", test.text, got, test.want)
			}
		}
		if got := Rules("cidr:" + path); got != nil {
			t.Errorf("cidr: %v", got)
		}
	}
}

// TestTakeOutRules types the command: the rules are gone, and nothing else.
func TestTakeOutRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's a table")
	if err := os.WriteFile(path, []byte("/a/ IGNORE\n/b/ WARN\n/c/\n  REPLACE d\n/e/ DUNNO\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := "regexp:" + path
	rules := Rules(table)
	command, _, _ := strings.Cut((&Setup{}).TakeOutRules(nil, "", table, []Rule{rules[0], rules[2]}), " && ")
	if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	const want = "#/a/ IGNORE\n/b/ WARN\n#/c/\n#  REPLACE d\n/e/ DUNNO\n"
	if got, _ := os.ReadFile(path); string(got) != want {
		t.Errorf("%s: %s", command, got)
	}
}
