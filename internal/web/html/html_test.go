package html

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"
)

// hostile is what strangers write.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</textarea><script>`, `</title><b>`, `<!--`, `]]>`,
	"a\x00b", "\x1b[2J", "\xff\xfe", "\u202egnp.exe", "&lt;", "javascript:alert(1)", "\u2028", "<svg/onload=alert(1)>", "{{.}}", "${x}", "--><script>",
}

// TestTextIsText: a reader of HTML that we did not write finds the text as text, in every
// element and attribute, and no element besides.
func TestTextIsText(t *testing.T) {
	for name, void := range elements {
		for _, bad := range hostile {
			attrs := []any{A("class", bad), A("title", bad), A("value", bad)}
			if !void && name != "script" {
				attrs = append(attrs, bad)
			}
			page := string(Render(El("div", El(name, attrs...))))
			z := nethtml.NewTokenizer(strings.NewReader(page))
			for {
				kind := z.Next()
				if kind == nethtml.ErrorToken {
					break
				}
				token := z.Token()
				switch kind {
				case nethtml.StartTagToken, nethtml.EndTagToken:
					if !strings.EqualFold(token.Data, name) && token.Data != "div" {
						t.Errorf("%s with %q: an element %q: %s", name, bad, token.Data, page)
					}
					for _, a := range token.Attr {
						if a.Key != "class" && a.Key != "title" && a.Key != "value" {
							t.Errorf("%s with %q: an attribute %q: %s", name, bad, a.Key, page)
						}
					}
				case nethtml.CommentToken, nethtml.DoctypeToken, nethtml.SelfClosingTagToken:
					t.Errorf("%s with %q: %v", name, bad, token)
				}
			}
		}
	}
}

func TestAddressesStayHere(t *testing.T) {
	for address, want := range map[string]string{
		"/check?d=x&s=y": "/check?d=x&amp;s=y", "?lang=ko": "?lang=ko", "#result": "#result",
		"//evil.example": "#", "https://evil.example": "#", "javascript:alert(1)": "#", " javascript:alert(1)": "#", "\x01javascript:x": "#",
		"/\\evil.example": "#", "/\tx": "#", "data:text/html,x": "#", "evil": "#", "": "#", "/\n/evil.example": "#",
	} {
		if got := string(Render(El("a", A("href", address)))); got != `<a href="`+want+`"></a>` {
			t.Errorf("%q: %s", address, got)
		}
	}
}

// TestAuthorsMistakesPanic: what is not in the lists cannot be written.
func TestAuthorsMistakesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"element":   func() { El("iframe") },
		"style":     func() { El("style") },
		"handler":   func() { A("onclick", "x") },
		"attribute": func() { A("style", "x") },
		"injected":  func() { El("p><script") },
		"inline":    func() { El("script", "alert(1)") },
		"part":      func() { El("p", 1) },
		"switch":    func() { Is("onload", true) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestOnlyHereIsMarkup: no other file of the pages writes markup.
func TestOnlyHereIsMarkup(t *testing.T) {
	files, _ := filepath.Glob("../*.go")
	if len(files) == 0 {
		t.Fatal("no pages are found")
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, data, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path := strings.Trim(i.Path.Value, `"`); path == "html/template" || path == "text/template" || path == "html" {
				t.Errorf("%s imports %s", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Contains(lit.Value, "</") {
				t.Errorf("%s holds markup: %s", name, lit.Value)
			}
			return true
		})
	}
}

func TestControlsAreSeen(t *testing.T) {
	if got := string(Render(El("p", "a\u202eb\x07\r\n\u00e9한"))); got != "<p>a⟨202E⟩b⟨0007⟩\né한</p>" {
		t.Errorf("%s", got)
	}
}
