package platforms

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublicPackagesAreDocumented: what others may use is described as Go's own library
// is, each symbol by a sentence that begins with its name, and shown by examples that
// stand outside the package.
func TestPublicPackagesAreDocumented(t *testing.T) {
	for _, name := range []string{"dkim", "header", "taglist", "authres", "milter"} {
		files := token.NewFileSet()
		names, err := filepath.Glob("../../" + name + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		var sources []*ast.File
		examples := 0
		for _, path := range names {
			f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(path, "_test.go") {
				sources = append(sources, f)
			} else if f.Name.Name == name+"_test" {
				for _, e := range doc.Examples(f) {
					if examples++; e.Output == "" && !e.EmptyOutput {
						t.Errorf("%s: Example%s shows no output", name, e.Name)
					}
				}
			}
		}
		if examples == 0 {
			t.Errorf("%s has no example", name)
		}
		p, err := doc.NewFromFiles(files, sources, "dojang/"+name)
		if err != nil {
			t.Fatal(err)
		}
		described(t, name, p.Funcs)
		for _, typ := range p.Types {
			if !strings.HasPrefix(typ.Doc, typ.Name+" ") {
				t.Errorf("%s.%s is described by %q", name, typ.Name, typ.Doc)
			}
			described(t, name, typ.Funcs)
			described(t, name+"."+typ.Name, typ.Methods)
		}
	}
}

// described holds functions to their first sentences. What fmt and errors call needs none.
func described(t *testing.T, where string, functions []*doc.Func) {
	t.Helper()
	for _, f := range functions {
		interfaces := f.Name == "String" || f.Name == "Error" || f.Name == "Unwrap"
		verb := strings.TrimPrefix(f.Doc, f.Name+" ")
		if !interfaces && verb == f.Doc || strings.HasPrefix(verb, "returns") && f.Decl.Type.Results == nil {
			t.Errorf("%s.%s is described by %q", where, f.Name, f.Doc)
		}
	}
}
