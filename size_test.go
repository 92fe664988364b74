package dojang

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// What a file may hold (CONTRIBUTING.md, house rules). A TAB is four columns.
const (
	maxFileLines     = 400
	maxFunctionLines = 60
	maxStoryLines    = 90 // of a function in a test
	maxColumns       = 140
)

// TestFilesFitAScreen holds the tree to its rules about size. Tables, the rows of a list
// or map in code, may be as long and wide as what they list; so may what is generated.
func TestFilesFitAScreen(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(path, ".git") || path == "dist"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		files := token.NewFileSet()
		tree, err := parser.ParseFile(files, path, text, parser.ParseComments)
		if err != nil || ast.IsGenerated(tree) {
			return err
		}
		checkFile(t, path, text, files, tree)
		return nil
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files: %v", seen, err)
	}
}

func checkFile(t *testing.T, path string, text []byte, files *token.FileSet, tree *ast.File) {
	lines := bytes.Split(text, []byte("\n"))
	if n := len(lines) - 1; n > maxFileLines {
		t.Errorf("%s has %d lines, more than %d", path, n, maxFileLines)
	}
	table, records := tableLines(files, tree, len(lines))
	most := maxFunctionLines
	if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/testutil/") || strings.HasPrefix(path, "test/") {
		most = maxStoryLines
	}
	for i, line := range lines {
		if n := utf8.RuneCount(line) + 3*bytes.Count(line, []byte("\t")); n > maxColumns && !table[i+1] {
			t.Errorf("%s:%d has %d columns, more than %d", path, i+1, n, maxColumns)
		}
	}
	for _, d := range tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		n := 0
		for i := files.Position(fn.Pos()).Line; i <= files.Position(fn.End()).Line; i++ {
			if !table[i] && !records[i] {
				n++
			}
		}
		if n > most {
			t.Errorf("%s: %s has %d lines beside its tables, more than %d", path, fn.Name.Name, n, most)
		}
	}
}

// tableLines are the lines, from 1, on which rows of tables and texts of several lines
// stand, and those of the fields of records.
func tableLines(files *token.FileSet, tree *ast.File, n int) (table, records []bool) {
	table, records = make([]bool, n+2), make([]bool, n+2)
	mark := func(lines []bool, from, to token.Pos) {
		for i := files.Position(from).Line; i <= files.Position(to).Line; i++ {
			lines[i] = true
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			lines := records
			switch n.Type.(type) {
			case *ast.ArrayType, *ast.MapType:
				lines = table
			}
			for _, row := range n.Elts {
				if files.Position(row.Pos()).Line > files.Position(n.Lbrace).Line {
					mark(lines, row.Pos(), row.End())
				}
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && n.Value[0] == '`' {
				mark(table, n.Pos(), n.End())
			}
		}
		return true
	})
	return table, records
}
