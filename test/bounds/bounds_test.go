// Package bounds takes each bound of SECURITY.md away and expects the test that is named
// beside it to fail. SCALE=long runs it: every bound wants a compilation of its package.
package bounds

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

const root = "../.."

// row is a line of the table whose bound is a constant.
var row = regexp.MustCompile("(?m)^\\| .+ \\| [0-9,]+ ?[A-Za-z]* \\| `([a-z0-9]+)\\.(\\w+)` \\| `(\\w+)` \\|$")

// TestEveryBoundIsTested: a bound four times as high is noticed.
func TestEveryBoundIsTested(t *testing.T) {
	if !testutil.Long() {
		t.Skip("SCALE=long compiles a package for each bound")
	}
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 40 {
		t.Fatalf("%d rows", len(rows))
	}
	places := testsByName(t)
	for _, r := range rows {
		t.Run(r[1]+"."+r[2], func(t *testing.T) {
			overlay := raised(t, r[1], r[2])
			if len(places[r[3]]) == 0 {
				t.Fatalf("there is no %s", r[3])
			}
			said := ""
			for _, folder := range places[r[3]] {
				cmd := exec.Command("go", "test", "-timeout", "3m", "-overlay", overlay, "-run", "^"+r[3]+"$", "./"+folder)
				cmd.Dir = root
				out, err := cmd.CombinedOutput()
				said += string(out)
				if strings.Contains(string(out), "[build failed]") {
					t.Fatalf("%s", out)
				}
				if err != nil {
					return
				}
			}
			t.Errorf("%s passes without the bound\n%s", r[3], said)
		})
	}
}

// raised is an overlay in which a constant of a package is four times as high.
func raised(t *testing.T, name, constant string) (overlay string) {
	t.Helper()
	folder := name
	if found, _ := filepath.Glob(filepath.Join(root, "internal", name)); found != nil {
		folder = filepath.Join("internal", name)
	} else if found, _ := filepath.Glob(filepath.Join(root, "internal/*", name)); found != nil {
		folder, _ = filepath.Rel(root, found[0])
	}
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		tree, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		value := valueOf(tree, constant)
		if value == nil || strings.HasSuffix(path, "_test.go") {
			continue
		}
		begin, end := files.Position(value.Pos()).Offset, files.Position(value.End()).Offset
		changed := fmt.Sprintf("%s4*(%s)%s", source[:begin], source[begin:end], source[end:])
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		other, overlay := filepath.Join(dir, "raised.go"), filepath.Join(dir, "overlay.json")
		replace, err := json.Marshal(map[string]map[string]string{"Replace": {absolute: other}})
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{other: changed, overlay: string(replace)} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return overlay
	}
	t.Fatalf("there is no %s.%s", name, constant)
	return ""
}

// valueOf is what a constant is set to, within a function too.
func valueOf(tree *ast.File, constant string) (value ast.Expr) {
	ast.Inspect(tree, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if name.Name == constant && i < len(spec.Values) {
					value = spec.Values[i]
				}
			}
		}
		return value == nil
	})
	return value
}

// testsByName are the folders of the tests of each name.
func testsByName(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	test := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		folder, _ := filepath.Rel(root, filepath.Dir(path))
		for _, m := range test.FindAllStringSubmatch(string(source), -1) {
			found[m[1]] = append(found[m[1]], folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
