package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func hasHangul(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0xac00 && r <= 0xd7a3 })
}

// codesIn are the values of a file's constants whose names begin with one of prefixes.
func codesIn(t *testing.T, path string, least int, prefixes ...string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(spec.Names[0].Name, p) }) {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes[code] = true
		return true
	})
	if len(codes) < least {
		t.Fatalf("only %d codes were found", len(codes))
	}
	return codes
}

// causeCodes are the constants of package explain that are codes.
func causeCodes(t *testing.T) map[string]bool {
	return codesIn(t, "../explain/cause.go", 40, "Code", "Note")
}

// Every code of explain has words in both languages, whatever its arguments, and no others have.
func TestEveryCauseHasWords(t *testing.T) {
	codes := causeCodes(t)
	full := map[string]string{}
	for name := range strings.FieldsSeq("field is was number count kept from absent present below about tag detail list " +
		"length body lines line first who time fields canonicalization algorithm") {
		full[name] = "VALUE"
	}
	cases := []map[string]string{nil, full}
	for how := range strings.FieldsSeq("order dropped repeated added written parts to-base64 to-quoted-printable " +
		"from-base64 from-quoted-printable single doubled crcrlf lf cr ! to-utf-8 to-latin-1") {
		cases = append(cases, map[string]string{"how": how})
	}
	cases = append(cases, map[string]string{"lines": "1"}, map[string]string{"was": "x"},
		map[string]string{"is": "x"}, map[string]string{"canonicalization": "simple"})
	said := map[string]bool{}
	for name := range causes {
		part, code, _ := strings.Cut(name, "/")
		said[code] = true
		if !codes[code] {
			t.Errorf("%s is no code", name)
		}
		for _, args := range cases {
			english, korean := Cause(part, code, args), Korean.Cause(part, code, args)
			if english == "" || english == code || hasHangul(english) || !hasHangul(korean) || strings.Contains(english+korean, "%!") {
				t.Errorf("%s %v: %q %q", name, args, english, korean)
			}
		}
	}
	for code := range codes {
		if !said[code] {
			t.Errorf("%s has no words", code)
		}
	}
	if got := Cause("body", "no-such", nil); got != "no-such" {
		t.Error(got)
	}
}
