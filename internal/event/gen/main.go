// Command gen writes docs/events.md from the functions of package event: their names,
// levels, fields and comments. It is run from internal/event by go generate.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	text, err := page(".")
	if err == nil {
		err = os.WriteFile("../../docs/events.md", text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// severities are the levels in syslog's names, by the functions that make an Event of them.
var severities = map[string]string{
	"detail": "debug (JSON alone)", "debug": "debug", "info": "info", "notice": "notice", "warning": "warning", "failure": "err",
	"critical": "crit", "summary": "none (summary alone)",
}

const head = `# Events of the log

This page is made from package ` + "`internal/event`" + ` (` + "`go generate ./internal/event`" + `); change them there.

With ` + "`LogFormat json`" + ` each line of the log is one JSON object: ` + "`time`, `level` and `msg`" + `, the line as syslog has it; ` + "`event`" + `,
the name that the tables below have; ` + "`job`" + ` where the line is about a message; and the fields of the event. What
strangers wrote is cut to 256 octets. Fields may be added; names stay.
`

// page is docs/events.md, made from the Go files of a folder.
func page(folder string) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	p := &source{functions: map[string]*ast.FuncDecl{}}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(&p.places, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				p.functions[d.Name.Name] = d
			}
		}
	}
	p.page.WriteString(head)
	for _, f := range files {
		if err := p.tables(f); err != nil {
			return nil, err
		}
	}
	return p.page.Bytes(), nil
}

// source is what the package has, and the page made of it.
type source struct {
	places    token.FileSet
	functions map[string]*ast.FuncDecl
	page      bytes.Buffer
}

// tables writes the events of one file. A comment that belongs to nothing begins a table.
func (p *source) tables(f *ast.File) error {
	titles := f.Comments
	for _, d := range f.Decls {
		d, ok := d.(*ast.FuncDecl)
		if !ok || d.Recv != nil || !d.Name.IsExported() || !makesEvent(d) {
			continue
		}
		for ; len(titles) > 0 && titles[0] != d.Doc; titles = titles[1:] {
			if title := strings.TrimSpace(titles[0].Text()); title != "" && p.standsAlone(titles[0], f) {
				fmt.Fprintf(&p.page, "\n## %s\n\n| event | level | fields | when |\n|---|---|---|---|\n", strings.TrimSuffix(title, "."))
			}
		}
		e := event{}
		p.read(d, &e)
		if e.name == "" || severities[e.level] == "" {
			return fmt.Errorf("%s makes no event of a name and a level", d.Name.Name)
		}
		fields := ""
		if len(e.fields) > 0 {
			fields = "`" + strings.Join(e.fields, "`, `") + "`"
		}
		fmt.Fprintf(&p.page, "| `%s` | %s | %s | %s |\n", e.name, severities[e.level], fields, when(d))
	}
	return nil
}

// standsAlone reports whether a comment is outside declarations and about none.
func (p *source) standsAlone(c *ast.CommentGroup, f *ast.File) bool {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == c {
				return false
			}
		case *ast.GenDecl:
			if d.Doc == c {
				return false
			}
		}
	}
	return c != f.Doc && p.places.Position(c.Pos()).Column == 1
}

// when is the comment of a function, without the function's name.
func when(d *ast.FuncDecl) string {
	text := strings.Join(strings.Fields(d.Doc.Text()), " ")
	text = strings.TrimPrefix(text, d.Name.Name)
	text = strings.TrimPrefix(strings.TrimPrefix(text, ":"), " is")
	text = strings.TrimSpace(text)
	return strings.ToUpper(text[:1]) + text[1:]
}

func makesEvent(d *ast.FuncDecl) bool {
	if d.Type.Results == nil || len(d.Type.Results.List) != 1 {
		return false
	}
	result, ok := d.Type.Results.List[0].Type.(*ast.Ident)
	return ok && result.Name == "Event"
}

// event is what a function's body says of the event that it makes.
type event struct {
	name, level string
	fields      []string
}

// read finds the level, the name and the fields in a function and in those of the
// package that it calls.
func (p *source) read(d *ast.FuncDecl, e *event) {
	ast.Inspect(d.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch called := call.Fun.(type) {
		case *ast.Ident:
			if _, is := severities[called.Name]; is {
				e.level, e.name = called.Name, literal(call.Args[0])
			} else if d := p.functions[called.Name]; d != nil {
				p.read(d, e)
			}
		case *ast.SelectorExpr:
			if d := p.functions[called.Sel.Name]; d != nil {
				p.read(d, e)
			}
			if from, ok := called.X.(*ast.Ident); ok && from.Name == "slog" {
				if name := literal(call.Args[0]); !slices.Contains(e.fields, name) {
					e.fields = append(e.fields, name)
				}
			}
		}
		return true
	})
}

// literal is the text of an expression; of a sum, that of its left side and "STEP".
func literal(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(x.Value)
		return text
	case *ast.BinaryExpr:
		return literal(x.X) + "STEP"
	}
	return ""
}
