package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
)

// mutant is one change.
type mutant struct {
	file     string
	line     int
	function string
	was, is  string
	text     []byte // the whole file, changed
	tests    []string
}

// String names the change, whatever line it is on.
func (m *mutant) String() string {
	return fmt.Sprintf("%s %s: %s => %s", m.file, m.function, m.was, m.is)
}

// built reports whether a file is compiled on this system.
func built(file string) bool {
	ok, err := build.Default.MatchFile(filepath.Dir(file), filepath.Base(file))
	return ok && err == nil
}

// mutantsOf are the changes of one file: a comparison that is another, "and" for "or", a
// condition turned round, a constant one more, a statement less.
func mutantsOf(file string) ([]mutant, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, file, source, 0)
	if err != nil || ast.IsGenerated(tree) {
		return nil, err
	}
	var found []mutant
	for _, d := range tree.Decls {
		f := &finder{source: source, files: files, file: file, function: "constants", found: &found}
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.function = fn.Name.Name
			if fn.Name.Name == "String" {
				continue // of a number out of its list
			}
		}
		ast.Inspect(d, f.look)
	}
	return found, nil
}

type finder struct {
	source         []byte
	files          *token.FileSet
	file, function string
	found          *[]mutant
}

// replace adds the change of the text from one place to another.
func (f *finder) replace(from, to token.Pos, is string) {
	start, end := f.files.Position(from).Offset, f.files.Position(to).Offset
	was := string(f.source[start:end])
	const maxNamed = 60
	*f.found = append(*f.found, mutant{
		file: f.file, line: f.files.Position(from).Line, function: f.function,
		was: oneLine(was, maxNamed), is: oneLine(is, maxNamed),
		text: bytes.Join([][]byte{f.source[:start], []byte(is), f.source[end:]}, nil),
	})
}

func oneLine(s string, most int) string {
	s = string(bytes.Join(bytes.Fields([]byte(s)), []byte(" ")))
	return s[:min(len(s), most)]
}

func (f *finder) textOf(n ast.Node) string {
	return string(f.source[f.files.Position(n.Pos()).Offset:f.files.Position(n.End()).Offset])
}

// others are what a comparison or connection becomes.
var others = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==", token.LAND: "||", token.LOR: "&&",
}

func (f *finder) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if other, ok := others[n.Op]; ok {
			f.replace(n.Pos(), n.End(), f.textOf(n.X)+" "+other+" "+f.textOf(n.Y))
		}
	case *ast.IfStmt:
		if _, simple := n.Cond.(*ast.BinaryExpr); !simple {
			f.replace(n.Cond.Pos(), n.Cond.End(), "!("+f.textOf(n.Cond)+")")
		}
	case *ast.GenDecl:
		if n.Tok != token.CONST {
			return n.Tok == token.VAR
		}
		f.constants(n)
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
	}
	return true
}

// constants are numbers that bound something.
func (f *finder) constants(d *ast.GenDecl) {
	for _, s := range d.Specs {
		for _, v := range s.(*ast.ValueSpec).Values {
			if number, ok := v.(*ast.BasicLit); ok && number.Kind == token.INT {
				if n, err := strconv.ParseInt(number.Value, 0, 64); err == nil {
					f.replace(number.Pos(), number.End(), strconv.FormatInt(n+1, 10))
				}
			}
		}
	}
}

// statements are left out one by one, where what is left compiles.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
			f.replace(s.Pos(), s.End(), "")
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				f.replace(s.Pos(), s.End(), "")
			}
		case *ast.BranchStmt:
			if s.Tok == token.CONTINUE {
				f.replace(s.Pos(), s.End(), "")
			}
		}
	}
}
