package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"dojang/internal/keycheck"
	"dojang/internal/web/html"
)

//go:embed static/style.css static/page.js static/seal.svg
var files embed.FS

// staticFile is a file under a name that changes with its content.
type staticFile struct {
	name, kind string
	data       []byte
}

var (
	styleFile  = openStatic("style.css", "text/css; charset=utf-8")
	scriptFile = openStatic("page.js", "text/javascript; charset=utf-8")
	sealFile   = openStatic("seal.svg", "image/svg+xml")
)

func openStatic(name, kind string) staticFile {
	data, err := files.ReadFile("static/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	return staticFile{strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext, kind, data}
}

func (q *request) static() {
	for _, f := range []staticFile{styleFile, scriptFile, sealFile} {
		if q.r.URL.Path == "/static/"+f.name {
			q.w.Header().Set("Content-Type", f.kind)
			q.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = q.w.Write(f.data) // a client that left does not matter
			return
		}
	}
	q.fail(http.StatusNotFound, q.lang.Say("There is no such file.", "그런 파일이 없습니다."))
}

// mark says how something stands, by a sign and a word besides its colour.
type mark string

const (
	good    mark = "good"
	warning mark = "warning"
	bad     mark = "bad"
	neutral mark = "neutral"
)

func (m mark) sign() string {
	switch m {
	case good:
		return "✔"
	case warning:
		return "!"
	case bad:
		return "✘"
	case neutral:
	}
	return "i"
}

// sign is a mark in a line.
func sign(m mark) html.Node {
	return html.El("span", html.Class("sign "+string(m)), html.A("aria-hidden", "true"), m.sign())
}

// answer is the first line of a page's result.
func answer(m mark, parts ...any) html.Node {
	return html.El("p", append([]any{html.Class("answer " + string(m)), html.A("role", "status"), sign(m), " "},
		html.El("span", parts...))...)
}

// nav are the pages, in order.
func (q *request) nav() html.Node {
	items := [][2]string{{"/check", q.lang.Say("Check", "확인")}, {"/explain", q.lang.Say("Explain", "원인")}}
	if !q.s.o.Public {
		items = append(items, [2]string{"/status", q.lang.Say("Status", "현황")}, [2]string{"/keys", q.lang.Say("Keys", "키")})
	}
	items = append(items, [2]string{"/publish", q.lang.Say("Publish", "게시")})
	var links html.Group
	for _, i := range items {
		if _, there := q.s.routes[i[0]]; !there {
			continue
		}
		current := html.Attr{}
		if q.r.URL.Path == i[0] {
			current = html.A("aria-current", "page")
		}
		links = append(links, html.El("li", html.El("a", html.A("href", i[0]+q.keepLanguage()), current, i[1])))
	}
	return html.El("nav", html.A("aria-label", q.lang.Say("Pages", "페이지")), html.El("ul", links))
}

// keepLanguage is what links carry on when the language was asked for.
func (q *request) keepLanguage() string {
	if q.r.URL.Query().Get("lang") == "" {
		return ""
	}
	return "?lang=" + string(q.lang)
}

// link is an address of this site, in the language that was asked for.
func (q *request) link(path string, nameValues ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(nameValues); i += 2 {
		if nameValues[i+1] != "" {
			v.Set(nameValues[i], nameValues[i+1])
		}
	}
	if q.r.URL.Query().Get("lang") != "" {
		v.Set("lang", string(q.lang))
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

func (q *request) languages() html.Node {
	one := func(tag, name string) html.Node {
		v := q.r.URL.Query()
		for name, values := range v {
			if name == "token" || slices.ContainsFunc(values, keycheck.HoldsPrivateKey) {
				v.Del(name)
			}
		}
		v.Set("lang", tag)
		current := html.Attr{}
		if tag == string(q.lang) {
			current = html.A("aria-current", "true")
		}
		return html.El("a", html.A("href", "?"+v.Encode()), html.A("lang", tag), current, name)
	}
	out := html.Group{one("ko", "한국어"), one("en", "English")}
	if c, err := q.r.Cookie(cookieName); err == nil && q.s.sessions.has(c.Value) {
		out = append(out, html.El("form", html.A("method", "post"), html.A("action", q.link("/logout")),
			html.El("button", html.Class("quiet"), q.lang.Say("Log out", "로그아웃"))))
	}
	return html.El("div", html.Class("languages"), out)
}

// head is a page's head and what stands above its main part.
func (q *request) begin(title, lead string) []byte {
	head := html.El("head",
		html.El("meta", html.A("charset", "utf-8")),
		html.El("meta", html.A("name", "viewport"), html.A("content", "width=device-width, initial-scale=1")),
		html.El("meta", html.A("name", "color-scheme"), html.A("content", "light dark")),
		html.El("title", title+" · dojang"),
		html.El("link", html.A("rel", "icon"), html.A("href", "/static/"+sealFile.name)),
		html.El("link", html.A("rel", "stylesheet"), html.A("href", "/static/"+styleFile.name)),
		html.El("script", html.Is("defer", true), html.A("src", "/static/"+scriptFile.name)),
	)
	before := html.Group{
		html.El("a", html.Class("skip"), html.A("href", "#main"), q.lang.Say("To the content", "본문으로")),
		html.El("header", html.El("div", html.Class("bar"),
			html.El("a", html.Class("brand"), html.A("href", q.link("/")), seal(), "dojang"), q.nav(), q.languages())),
	}
	out := html.Begin(string(q.lang), head, before, "main", html.A("id", "main"), html.A("tabindex", "-1"))
	out = append(out, html.Render(html.El("h1", title))...)
	if lead != "" {
		out = append(out, html.Render(html.El("p", html.Class("lead"), lead))...)
	}
	return out
}

func (q *request) end() []byte {
	return html.End("main", html.El("footer",
		html.El("span", "dojang "+q.s.o.Version), " · ", html.El("a", html.A("href", q.link("/licenses")), q.lang.Say("Licences", "라이선스"))))
}

// page answers with a whole page.
func (q *request) page(code int, title, lead string, body html.Group) {
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(code)
	_, _ = q.w.Write(append(append(q.begin(title, lead), html.Render(body)...), q.end()...)) // a client that left does not matter
}

// slowly answers with a page whose result is not there yet: what is above it, and a line
// that says what is waited for, are sent at once. The line hides when the result comes.
func (q *request) slowly(title, lead string, above html.Group, wait string, result func() html.Group) {
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	above = append(above, html.El("p", html.A("id", "wait"), html.A("role", "status"), wait))
	_, _ = q.w.Write(append(q.begin(title, lead), html.Render(above)...)) // a client that left does not matter
	_ = http.NewResponseController(q.w).Flush()                           // then it comes all at once
	body := html.El("section", html.A("id", "result"), html.A("aria-label", q.lang.Say("Result", "결과")), result())
	_, _ = q.w.Write(append(html.Render(body), q.end()...)) // a client that left does not matter
}

// field is a labelled input.
func field(id, label string, box html.Node, hint string) html.Node {
	parts := []any{html.Class("field"), html.El("label", html.A("for", id), label), box}
	if hint != "" {
		parts = append(parts, html.El("small", html.A("id", id+"-hint"), hint))
	}
	return html.El("div", parts...)
}

// input is a box of one line for at most so many characters, which the browser leaves as
// they are typed.
func input(id, value, example string, most int, more ...any) html.Node {
	return html.El("input", append([]any{html.A("id", id), html.A("name", id), html.A("type", "text"), html.A("value", value),
		html.A("placeholder", example), html.A("maxlength", strconv.Itoa(most)), html.A("autocapitalize", "none"),
		html.A("spellcheck", "false"), html.A("autocomplete", "off")}, more...)...)
}

// name is a domain name, which is best broken behind a dot.
func name(text string) html.Node {
	parts := strings.SplitAfter(text, ".")
	all := make([]any, 0, 2*len(parts))
	for i, p := range parts {
		if i > 0 {
			all = append(all, html.El("wbr"))
		}
		all = append(all, p)
	}
	return html.El("bdi", all...)
}

// more is what stands behind a click.
func more(summary string, parts ...any) html.Node {
	return html.El("details", append([]any{html.El("summary", summary)}, parts...)...)
}

// table is a table that folds on a narrow screen: each cell then says its column.
func table(caption string, columns []string, rows []html.Group) html.Node {
	var head, body html.Group
	for _, c := range columns {
		head = append(head, html.El("th", html.A("scope", "col"), c))
	}
	for _, row := range rows {
		var cells html.Group
		for i, cell := range row {
			label := ""
			if i < len(columns) {
				label = columns[i]
			}
			name, attr := "td", html.Attr{}
			if i == 0 {
				name, attr = "th", html.A("scope", "row")
			}
			if !html.IsText(cell) { // which is one thing beside the column's name
				cell = html.El("div", html.Class("cell"), cell)
			}
			cells = append(cells, html.El(name, attr, html.A("data-column", label), cell))
		}
		body = append(body, html.El("tr", cells))
	}
	return html.El("table", html.El("caption", caption), html.El("thead", html.El("tr", head)), html.El("tbody", body))
}

// keep are buttons that print a result, and that save it as a page that needs no other
// file. They need script; without it a browser's own menu does the same, but for style.
func (q *request) keep() html.Node {
	one := func(do, label string) html.Node {
		return html.El("button", html.Class("quiet"), html.A("type", "button"), html.A("data-do", do), html.Is("hidden", true), label)
	}
	return html.El("p", html.Class("row"), one("save", q.lang.Say("Save as HTML", "HTML로 저장")), one("print", q.lang.Say("Print", "인쇄")))
}

// copied is a text with a button that copies it; without script it is selected by hand.
func (q *request) copied(id, label, text string) html.Node {
	return html.El("div", html.Class("copy"),
		html.El("pre", html.A("id", id), html.A("tabindex", "0"), html.A("aria-label", label), text),
		html.El("button", html.A("type", "button"), html.A("data-copy", id), html.Is("hidden", true), q.lang.Say("Copy", "복사")))
}
