package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// Every code of keyrecord has words, and no others have.
func TestEveryFaultHasWords(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../keyrecord/inspect.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Fault") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes[code] = true
		return true
	})
	if len(codes) < 29 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for code := range codes {
		if _, ok := faultsEnglish[code]; !ok {
			t.Errorf("%s has no words", code)
		}
	}
	for code := range faultsEnglish {
		if !codes[code] {
			t.Errorf("%s is no code", code)
		}
	}
}
