package dojang

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSwitchesOverClosedListsAreWhole: a switch over one of our lists of constants that
// names most members names every one, or says by "default" what is done with the rest, so
// that a new member cannot be forgotten. One that names fewer picks some out.
func TestSwitchesOverClosedListsAreWhole(t *testing.T) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", `{{.ImportPath}}	{{.Export}}	{{.Dir}}	{{join .GoFiles " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	var ours [][]string
	for line := range strings.Lines(string(out)) {
		columns := strings.Split(strings.TrimSpace(line), "\t")
		if len(columns) < 2 {
			continue
		}
		exports[columns[0]] = columns[1]
		if len(columns) == 4 && (columns[0] == "dojang" || strings.HasPrefix(columns[0], "dojang/")) {
			ours = append(ours, columns)
		}
	}
	files := token.NewFileSet()
	from := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	switches := 0
	for _, p := range ours {
		var trees []*ast.File
		for name := range strings.FieldsSeq(p[3]) {
			tree, err := parser.ParseFile(files, filepath.Join(p[2], name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			trees = append(trees, tree)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		config := types.Config{Importer: from}
		if _, err := config.Check(p[0], files, trees, info); err != nil {
			t.Fatal(err)
		}
		for _, tree := range trees {
			ast.Inspect(tree, func(n ast.Node) bool {
				if s, ok := n.(*ast.SwitchStmt); ok && s.Tag != nil {
					switches += checkSwitch(t, files, info, s)
				}
				return true
			})
		}
	}
	if switches < 20 {
		t.Errorf("only %d switches over closed lists were looked at", switches)
	}
}

// checkSwitch reports what a switch forgets, and how many switches over closed lists it
// is: one or none.
func checkSwitch(t *testing.T, files *token.FileSet, info *types.Info, s *ast.SwitchStmt) int {
	members := membersOf(info.Types[s.Tag].Type)
	all := len(members)
	if all < 3 {
		return 0
	}
	for _, c := range s.Body.List {
		clause := c.(*ast.CaseClause)
		if clause.List == nil {
			return 1 // default
		}
		for _, e := range clause.List {
			if v := info.Types[e].Value; v != nil {
				delete(members, v.ExactString())
			}
		}
	}
	if 2*len(members) >= all {
		return 1
	}
	for _, name := range members {
		t.Errorf("%s: the switch says nothing of %s", files.Position(s.Pos()), name)
	}
	return 1
}

// membersOf are the constants of one of our types by their values, if they are a list
// from nought or one; none for other types.
func membersOf(of types.Type) map[string]string {
	named, ok := of.(*types.Named)
	if !ok || named.Obj().Pkg() == nil || !strings.HasPrefix(named.Obj().Pkg().Path(), "dojang") {
		return nil
	}
	if basic, ok := named.Underlying().(*types.Basic); !ok || basic.Info()&types.IsInteger == 0 {
		return nil
	}
	members := map[string]string{}
	scope := named.Obj().Pkg().Scope()
	for _, name := range scope.Names() {
		c, ok := scope.Lookup(name).(*types.Const)
		if !ok || !types.Identical(c.Type(), named) {
			continue
		}
		if n, exact := constant.Int64Val(c.Val()); !exact || n < 0 || n > 255 {
			return nil
		}
		members[c.Val().ExactString()] = name
	}
	return members
}
