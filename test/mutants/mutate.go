package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mutant is one change.
type mutant struct {
	number         int
	file           string
	line, lastLine int
	function       string
	was, is        string
	again          int // how many before it in the function have the same words
	edits          []edit
	constant       bool // it cannot be switched: the text is changed
}

// edit puts text in the place of that from start to end, both in bytes of the file. A
// "%d" in it is the number of the mutant.
type edit struct {
	start, end int
	text       string
	closes     bool // what it closes was opened by the edits before
}

// String names the change, whatever line it is on.
func (m *mutant) String() string {
	again := ""
	if m.again > 0 {
		again = fmt.Sprintf(" (%d)", m.again+1)
	}
	return fmt.Sprintf("%s %s: %s => %s%s", m.file, m.function, m.was, cmp.Or(m.is, "nothing"), again)
}

// built reports whether a file is compiled on this system.
func built(file string) bool {
	ok, err := build.Default.MatchFile(filepath.Dir(file), filepath.Base(file))
	return ok && err == nil
}

// mutantsOf are the changes of one file: a comparison that is another, "and" for "or", a
// condition turned round or never met, a constant one more, a statement less.
func mutantsOf(file string) ([]*mutant, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, file, source, 0)
	if err != nil || ast.IsGenerated(tree) {
		return nil, err
	}
	f := &finder{source: source, files: files, file: file, names: map[string]int{}}
	for _, d := range tree.Decls {
		f.function = "constants"
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.function = fn.Name.Name
			if fn.Name.Name == "String" {
				continue // of a number out of its list
			}
		}
		ast.Inspect(d, f.look)
	}
	return f.found, nil
}

type finder struct {
	source         []byte
	files          *token.FileSet
	file, function string
	names          map[string]int
	found          []*mutant
}

// add keeps the change of a node into what is, made by the edits.
func (f *finder) add(n ast.Node, is string, edits ...edit) *mutant {
	const maxNamed = 60
	m := &mutant{
		file: f.file, line: f.files.Position(n.Pos()).Line, lastLine: f.files.Position(n.End()).Line, function: f.function,
		was: oneLine(f.textOf(n), maxNamed), is: oneLine(is, maxNamed), edits: edits,
	}
	name := m.String()
	m.again = f.names[name]
	f.names[name]++
	f.found = append(f.found, m)
	return m
}

func oneLine(s string, most int) string {
	s = string(bytes.Join(bytes.Fields([]byte(s)), []byte(" ")))
	return strings.TrimSpace(s[:min(len(s), most)])
}

func (f *finder) offset(p token.Pos) int { return f.files.Position(p).Offset }

func (f *finder) textOf(n ast.Node) string {
	return string(f.source[f.offset(n.Pos()):f.offset(n.End())])
}

// around puts text before a node and behind it.
func (f *finder) around(n ast.Node, before, behind string) []edit {
	start, end := f.offset(n.Pos()), f.offset(n.End())
	return []edit{{start: start, end: start, text: before}, {start: end, end: end, text: behind, closes: true}}
}

// others are what a comparison or connection becomes, and the function of switch.go.txt
// that is the one or the other.
var others = map[token.Token]struct{ becomes, function string }{
	token.LSS: {"<=", "mutantLess"}, token.LEQ: {"<", "mutantLessEqual"},
	token.GTR: {">=", "mutantGreater"}, token.GEQ: {">", "mutantGreaterEqual"},
	token.LAND: {"||", "mutantAnd"}, token.LOR: {"&&", "mutantOr"},
	token.EQL: {"!=", ""}, token.NEQ: {"==", ""},
}

func (f *finder) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.IfStmt:
		f.add(n.Cond, "false", f.around(n.Cond, "((", ") && !mutantOn(%d))")...)
		if _, simple := n.Cond.(*ast.BinaryExpr); !simple {
			f.add(n.Cond, "!("+f.textOf(n.Cond)+")", f.around(n.Cond, "((", ") != mutantOn(%d))")...)
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

func (f *finder) binary(n *ast.BinaryExpr) {
	other, ok := others[n.Op]
	if !ok {
		return
	}
	is := f.textOf(n.X) + " " + other.becomes + " " + f.textOf(n.Y)
	if other.function == "" {
		f.add(n, is, f.around(n, "((", ") != mutantOn(%d))")...)
		return
	}
	sign := edit{start: f.offset(n.OpPos), end: f.offset(n.OpPos) + len(n.Op.String()), text: ","}
	behind := ")"
	if n.Op == token.LAND || n.Op == token.LOR {
		sign.text, behind = ", func() bool { return (", ") })"
	}
	f.add(n, is, append(f.around(n, other.function+"(%d, ", behind), sign)...)
}

// constants are numbers that bound something.
func (f *finder) constants(d *ast.GenDecl) {
	for _, s := range d.Specs {
		for _, v := range s.(*ast.ValueSpec).Values {
			if number, ok := v.(*ast.BasicLit); ok && number.Kind == token.INT {
				if n, err := strconv.ParseInt(number.Value, 0, 64); err == nil {
					is := strconv.FormatInt(n+1, 10)
					was := f.function
					f.function = s.(*ast.ValueSpec).Names[0].Name
					f.add(number, is, edit{start: f.offset(number.Pos()), end: f.offset(number.End()), text: is}).constant = true
					f.function = was
				}
			}
		}
	}
}

// statements are left out one by one.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch t := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
		case *ast.AssignStmt:
			if t.Tok == token.DEFINE {
				continue
			}
		case *ast.BranchStmt:
			if t.Tok != token.CONTINUE {
				continue
			}
		default:
			continue
		}
		f.add(s, "", f.around(s, "if !mutantOn(%d) { ", " }")...)
	}
}
