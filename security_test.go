package dojang

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"dojang/internal/config"
)

// TestBoundsAreThoseOfSecurity reads the table of bounds in SECURITY.md: each is
// the constant or default that it names, and each has a test.
func TestBoundsAreThoseOfSecurity(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Bounds\n")
	table, _, _ = strings.Cut(table, "\n## ")
	tests := testsOfTree(t)
	constants := map[string]map[string]constant.Value{}
	row := regexp.MustCompile("(?m)^\\| (.+) \\| ([0-9,]+) ?([A-Za-z]*) \\| (option )?`([A-Za-z.]+)` \\| `(\\w+)` \\|$")
	rows := row.FindAllStringSubmatch(table, -1)
	if lines := strings.Count(table, "\n| ") - 1; len(rows) != lines || lines < 30 {
		t.Fatalf("%d of %d rows can be read", len(rows), lines)
	}
	for _, r := range rows {
		what, where, test := r[1], r[5], r[6]
		want := amount(t, r[2], r[3])
		var got int64
		if r[4] != "" {
			got = defaultOf(t, where)
		} else {
			folder, name, _ := strings.Cut(where, ".")
			if constants[folder] == nil {
				constants[folder] = constantsOf(t, folder)
			}
			value := constants[folder][name]
			if value == nil {
				t.Errorf("%s: there is no constant %s", what, where)
				continue
			}
			got, _ = constant.Int64Val(constant.ToInt(value))
		}
		if got != want {
			t.Errorf("%s: %s is %d, SECURITY.md says %s %s (%d)", what, where, got, r[2], r[3], want)
		}
		if !tests[test] {
			t.Errorf("%s: there is no test %s", what, test)
		}
	}
}

// units by their names in the table; without a name it is a number of things.
var units = map[string]int64{"": 1, "bytes": 1, "octets": 1, "bits": 1, "KiB": 1 << 10, "MiB": 1 << 20,
	"s": int64(time.Second), "min": int64(time.Minute)}

func amount(t *testing.T, number, unit string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 64)
	factor, ok := units[unit]
	if err != nil || !ok {
		t.Fatalf("%s %s is no amount", number, unit)
	}
	return n * factor
}

// defaultOf is an option's default: a number, or a duration.
func defaultOf(t *testing.T, name string) int64 {
	t.Helper()
	o := config.Find(name)
	if o == nil {
		t.Fatalf("there is no option %s", name)
	}
	if d, err := time.ParseDuration(o.Default); err == nil && o.Default != "0" {
		return int64(d)
	}
	n, err := strconv.ParseInt(o.Default, 10, 64)
	if err != nil {
		t.Fatalf("the default of %s is %q", name, o.Default)
	}
	return n
}

// constantsOf evaluates all constants of a package, those within functions too.
func constantsOf(t *testing.T, name string) map[string]constant.Value {
	t.Helper()
	folder := name
	if _, err := os.Stat(folder); err != nil {
		folder = filepath.Join("internal", name)
	}
	files := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no package %s", name)
	}
	var parsed []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	info := types.Info{Defs: map[*ast.Ident]types.Object{}}
	c := types.Config{Importer: timeAlone{}, Error: func(error) {}}
	_, _ = c.Check(name, files, parsed, &info)
	found := map[string]constant.Value{}
	for ident, object := range info.Defs {
		if c, ok := object.(*types.Const); ok && c.Val().Kind() != constant.Unknown {
			found[ident.Name] = c.Val()
		}
	}
	return found
}

// timeAlone imports of package time what constants are made of, and no other
// package: no constant of the table needs one.
type timeAlone struct{}

func (timeAlone) Import(path string) (*types.Package, error) {
	if path != "time" {
		return nil, errors.ErrUnsupported
	}
	p := types.NewPackage(path, path)
	duration := types.NewNamed(types.NewTypeName(token.NoPos, p, "Duration", nil), types.Typ[types.Int64], nil)
	p.Scope().Insert(duration.Obj())
	for name, d := range map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second,
		"Minute": time.Minute, "Hour": time.Hour} {
		p.Scope().Insert(types.NewConst(token.NoPos, p, name, duration, constant.MakeInt64(int64(d))))
	}
	p.MarkComplete()
	return p, nil
}

// testsOfTree are the names of all tests.
func testsOfTree(t *testing.T) map[string]bool {
	t.Helper()
	names, declared := map[string]bool{}, regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
