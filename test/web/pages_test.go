package web_test

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/internal/testutil"
	"dojang/test/web/browser"
)

// axe is the source of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(testutil.PeersDir, "axe/package/axe.min.js")
	data, err := os.ReadFile(path)
	if err != nil {
		if testutil.PeersRequired() {
			t.Fatal(err)
		}
		t.Skip(path + " is not there: make peers")
	}
	return string(data)
}

func link(path string, nameValues ...string) string {
	v := url.Values{}
	for i := 0; i < len(nameValues); i += 2 {
		v.Set(nameValues[i], nameValues[i+1])
	}
	return path + "?" + v.Encode()
}

// everyPage is an address of each page, with much on it.
func (w *world) everyPage() map[string]string {
	return map[string]string{
		"check-form":   "/check",
		"check-good":   "/check?d=example.com&s=mail2026",
		"check-cut":    "/check?d=example.com&s=cut",
		"check-bad":    "/check?d=%3Cscript%3E&s=x",
		"explain-form": "/explain",
		"publish-form": "/publish",
		"publish":      "/publish?d=example.com&s=mail2026",
		"publish-aws":  "/publish?d=example.com&s=mail2026&format=terraform",
		"status":       "/status",
		"status-hour":  "/status?range=hour",
		"status-q":     "/status?q=4F1A2BE2ED",
		"status-none":  "/status?q=NOSUCH",
		"keys":         "/keys",
		"keys-absent":  "/keys?state=absent",
		"check-long":   "/check?d=" + strings.Repeat(strings.Repeat("w", 63)+".", 3) + "example.com&s=a-selector-of-thirty-one-octets",
		"publish-long": "/publish?d=" + strings.Repeat(strings.Repeat("w", 63)+".", 3) + "example.com&s=a-selector-of-thirty-one-octets",
		"licenses":     "/licenses",
		"login":        "/login",
		"missing":      "/nothing",
	}
}

// fill publishes what everyPage looks at.
func (w *world) fill() {
	w.everywhere("mail2026._domainkey.example.com", w.record)
	w.everywhere("next._domainkey.example.com", w.keys[2].Record)
	w.everywhere("cut._domainkey.example.com", w.record[:255])
	w.ns1.Remove("cut._domainkey.example.com")
	w.ns1.AddTXT("cut._domainkey.example.com", w.record)
}

// TestEveryPage: each page in both languages and colour schemes, on a desk and a phone.
func TestEveryPage(t *testing.T) {
	source := axe(t)
	w := newWorld(t)
	w.fill()
	for _, s := range []string{"s1024", "s2048"} {
		w.recursive.AddTXT(s+"._domainkey.example.com", testutil.KeyRecord(testutil.ReadKey(t,
			"../../internal/keyrecord/testdata/"+s+".private")))
	}
	b := browser.Start(t)
	shots := os.Getenv("DOJANG_ALL_PICTURES")
	long := w.keys[0]
	long.Selector, long.Domain = "a-selector-of-thirty-one-octets", strings.Repeat(strings.Repeat("w", 63)+".", 3)+"example.com"
	w.keys = append(w.keys, long)
	for _, width := range []int{1100, 768, 360} {
		for _, dark := range []bool{false, true} {
			if !testutil.Long() && dark && width == 768 {
				continue
			}
			p := b.Open(browser.Options{Width: width, Height: 900, Dark: dark})
			p.Go(w.url + "/login?token=" + w.pages.Token())
			for _, lang := range []string{"en", "ko"} {
				for name, path := range w.everyPage() {
					if !testutil.Long() && (dark != (lang == "ko")) {
						continue // half of them: each in one colour scheme
					}
					before := len(p.Console())
					joint := "?"
					if strings.Contains(path, "?") {
						joint = "&"
					}
					p.Go(w.url + path + joint + "lang=" + lang)
					w.look(t, p, source, width, lang, name, before)
					if shots != "" {
						scheme := map[bool]string{false: "light", true: "dark"}[dark]
						if err := os.WriteFile(filepath.Join(shots,
							strings.Join([]string{name, lang, scheme, map[bool]string{true: "desk", false: "phone"}[width > 600]},
								"-")+".png"), p.Screenshot(), 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			for _, lang := range []string{"en", "ko"} {
				for name, send := range w.everyForm(t, p) {
					before := len(p.Console())
					send(lang)
					w.look(t, p, source, width, lang, name, before)
					if shots != "" {
						if err := os.WriteFile(filepath.Join(shots,
							strings.Join([]string{name, lang,
								map[bool]string{true: "desk", false: "phone"}[width > 600]}, "-")+".png"), p.Screenshot(), 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			for _, r := range p.Requests() {
				if !strings.HasPrefix(r, w.url) {
					t.Errorf("a request to %s", r)
				}
			}
		}
	}
}

// everyForm sends each form that is posted.
func (w *world) everyForm(t *testing.T, p *browser.Page) map[string]func(lang string) {
	t.Helper()
	data, err := os.ReadFile("../../internal/explain/testdata/relaxed.eml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.Replace(string(data), "Subject: ", "Subject: [list] ", 1), "\r\n", "\n") +
		"-- \nlist@lists.example.net\nhttps://lists.example.net/options\n"
	paste := func(path, box, text, button string) func(string) {
		return func(lang string) {
			p.Go(w.url + path + "?lang=" + lang)
			p.Eval(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil)
			if box == "#record" && path == "/publish" {
				p.Click("#d")
				p.Type("example.com")
				p.Click("#s")
				p.Type("mail2026")
			}
			p.Click(box)
			p.Type(text)
			p.Load(func() { p.Click(button) })
		}
	}
	return map[string]func(string){
		"explain-list":  paste("/explain", "#message", text, "form.ask button"),
		"explain-rtl":   paste("/explain", "#message", strings.NewReplacer("[list]", "\u202eمرحبا "+strings.Repeat("Z\u0301\u0302\u0303\u0310\u0325", 40)+" שלום").Replace(text), "form.ask button"),
		"explain-none":  paste("/explain", "#message", "From: a@example.com\n\nx\n", "form.ask button"),
		"check-paste":   paste("/check", "#record", w.record[:255], `form[method=post][action^="/check"] button`),
		"publish-paste": paste("/publish", "#record", w.record, "form.ask button"),
	}
}

// look finds what is wrong with a page.
func (w *world) look(t *testing.T, p *browser.Page, source string, width int, lang, name string, console int) {
	t.Helper()
	for _, v := range p.Violations(source) {
		t.Errorf("%s %s %d: %s", name, lang, width, v)
	}
	if out := p.RightOf(width); len(out) > 0 {
		t.Errorf("%s %s: right of %d: %v", name, lang, width, out)
	}
	if fonts := p.Fonts("h1"); lang == "ko" &&
		!slices.ContainsFunc(fonts, func(f string) bool { return strings.Contains(f, "Nanum") || strings.Contains(f, "Noto") }) {
		t.Errorf("%s: the letters are no letters: %v", name, fonts)
	}
	for _, line := range p.Console()[console:] {
		if !strings.Contains(line, "status of 4") { // the browser's note of an answer that is no success
			t.Errorf("%s %s: %s", name, lang, line)
		}
	}
	var h1 int
	if p.Eval(`document.querySelectorAll("h1").length`, &h1); h1 != 1 {
		t.Errorf("%s: %d h1", name, h1)
	}
	var size int
	if p.Eval(`document.documentElement.outerHTML.length`, &size); size > 60<<10 {
		t.Errorf("%s %s: %d bytes", name, lang, size)
	}
}
