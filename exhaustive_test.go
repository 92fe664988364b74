package dojang

import (
	"fmt"
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
	"slices"
	"strings"
	"sync"
	"testing"
)

// checked is the whole tree with its types, without tests: once for all who look at it.
var checked = sync.OnceValues(func() (*tree, error) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", `{{.ImportPath}}	{{.Export}}	{{.Dir}}	{{join .GoFiles " "}}`, "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
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
	all := &tree{places: token.NewFileSet(), info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}, files: map[string][]*ast.File{}}
	from := importer.ForCompiler(all.places, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range ours {
		for name := range strings.FieldsSeq(p[3]) {
			file, err := parser.ParseFile(all.places, filepath.Join(p[2], name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			all.files[p[0]] = append(all.files[p[0]], file)
		}
		config := types.Config{Importer: from}
		if _, err := config.Check(p[0], all.places, all.files[p[0]], all.info); err != nil {
			return nil, err
		}
	}
	return all, nil
})

// tree is Go source by package.
type tree struct {
	places *token.FileSet
	info   *types.Info
	files  map[string][]*ast.File
}

// each shows every node of the tree, with the package that it is in.
func (all *tree) each(visit func(in string, n ast.Node)) {
	for in, files := range all.files {
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				visit(in, n)
				return true
			})
		}
	}
}

// TestSwitchesOverClosedListsAreWhole: a switch over one of our lists of constants that
// names most members names every one, or says by "default" what is done with the rest, so
// that a new member cannot be forgotten. One that names fewer picks some out.
func TestSwitchesOverClosedListsAreWhole(t *testing.T) {
	all, err := checked()
	if err != nil {
		t.Fatal(err)
	}
	switches := 0
	all.each(func(_ string, n ast.Node) {
		if s, ok := n.(*ast.SwitchStmt); ok && s.Tag != nil {
			switches += checkSwitch(t, all.places, all.info, s)
		}
	})
	if switches < 20 {
		t.Errorf("only %d switches over closed lists were looked at", switches)
	}
}

// TestEveryLineOfTheLogIsAnEvent: nothing but package event gives a line to the log, so
// that each has a name there and stands in docs/events.md.
func TestEveryLineOfTheLogIsAnEvent(t *testing.T) {
	all, err := checked()
	if err != nil {
		t.Fatal(err)
	}
	events, writers := 0, []string{"Debug", "Info", "Warn", "Error", "Log", "LogAttrs"}
	all.each(func(in string, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		s, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(writers, strings.TrimSuffix(s.Sel.Name, "Context")) {
			return
		}
		of := ""
		if v, ok := all.info.Types[s.X]; ok {
			of = v.Type.String()
		} else if x, ok := s.X.(*ast.Ident); ok {
			of = x.Name // a package's
		}
		switch {
		case of != "*log/slog.Logger" && of != "slog":
		case in == "dojang/internal/event":
			events++
		default:
			t.Errorf("%s: a line of the log that is no event of internal/event", all.places.Position(call.Pos()))
		}
	})
	if events != 1 {
		t.Errorf("package event writes in %d places, want one", events)
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
