// Package platforms checks the types of the whole tree, its tests included, for each
// system that dojang is to be built on.
package platforms

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Each system with its usual processor; the BSDs and darwin differ from linux in what
// the system calls are, and the others in the width and order of their octets.
var systems = []string{"linux/amd64", "linux/arm64", "linux/riscv64", "linux/arm", "freebsd/amd64", "openbsd/amd64",
	"netbsd/amd64", "darwin/amd64", "darwin/arm64"}

// TestTypes reads all packages from source; of those that are not ours the bodies of
// functions are left out, which makes it seconds a system.
func TestTypes(t *testing.T) {
	for _, system := range systems {
		goos, goarch, _ := strings.Cut(system, "/")
		t.Run(system, func(t *testing.T) {
			check(t, goos, goarch)
		})
	}
}

func check(t *testing.T, goos, goarch string) {
	fset := token.NewFileSet()
	config := &packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax |
			packages.NeedTypesInfo | packages.NeedTypesSizes,
		Dir:   "../..",
		Env:   append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS="),
		Fset:  fset,
		Tests: true,
		ParseFile: func(fset *token.FileSet, name string, source []byte) (*ast.File, error) {
			file, err := parser.ParseFile(fset, name, source, parser.SkipObjectResolution)
			if file != nil && (strings.Contains(name, "/pkg/mod/") || strings.Contains(name, "/src/") &&
				!strings.Contains(name, "dojang")) {
				for _, d := range file.Decls {
					if f, ok := d.(*ast.FuncDecl); ok {
						f.Body = nil
					}
				}
			}
			return file, err
		},
	}
	loaded, err := packages.Load(config, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) < 60 {
		t.Fatalf("only %d packages", len(loaded))
	}
	for _, p := range loaded {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.ID, e)
		}
	}
}
