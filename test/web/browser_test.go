package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/test/web/browser"
)

// TestKeyboard: from the top of the page to the answer by keys alone.
func TestKeyboard(t *testing.T) {
	w := newWorld(t)
	w.fill()
	p := browser.Start(t).Open(browser.Options{})
	p.Go(w.url + "/")
	focus := func() (id string) {
		p.Eval(`document.activeElement.id || document.activeElement.className || document.activeElement.textContent`, &id)
		return id
	}
	p.Press("Tab")
	if got := focus(); got != "skip" {
		t.Errorf("the first stop is %q", got)
	}
	for range 20 {
		if focus() == "d" {
			break
		}
		p.Press("Tab")
	}
	var visible bool
	if p.Eval(`getComputedStyle(document.activeElement).outlineStyle!=="none"`, &visible); !visible {
		t.Error("the focus is not seen")
	}
	p.Type("example.com")
	p.Press("Tab")
	p.Type("mail2026")
	p.Load(func() { p.Press("Enter") })
	if got := p.Text("#result .answer"); !strings.Contains(got, "Nothing is wrong") {
		t.Errorf("%q", got)
	}
}

// TestWithoutScript: everything but the copy buttons works.
func TestWithoutScript(t *testing.T) {
	w := newWorld(t)
	w.fill()
	p := browser.Start(t).Open(browser.Options{NoScript: true, Language: "ko"})
	p.Go(w.url + "/check")
	p.Click("#d")
	p.Type("mail2026._domainkey.example.com")
	p.Load(func() { p.Press("Enter") })
	if got := p.Text("#result .answer"); !strings.Contains(got, "문제가 없습니다") {
		t.Errorf("%q", got)
	}
	if got := p.Text("button[data-copy]"); got != "" {
		t.Errorf("a button that does nothing is shown: %q", got)
	}
	p.Go(w.url + "/explain")
	p.Click("#message")
	p.Type("From: a@example.com\n\nhello\n")
	p.Load(func() { p.Click("form button") })
	if got := p.Text("#result .answer"); !strings.Contains(got, "DKIM 서명이 없습니다") {
		t.Errorf("%q", got)
	}
	p.Go(w.url + "/login?token=" + w.pages.Token())
	if got := p.Text("h1"); !strings.Contains(got, "서명할 메일") {
		t.Errorf("after login: %q", got)
	}
	p.Load(func() { p.Click(".languages form button") })
	p.Go(w.url + "/status")
	if got := p.Text("h1"); got != "로그인" {
		t.Errorf("after logout: %q", got)
	}
}

// TestStreaming: what is waited for is seen while it is waited for, and hides then.
func TestStreaming(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.slow = 700 * time.Millisecond
	p := browser.Start(t).Open(browser.Options{NoScript: true})
	visible := `(e=>e&&getComputedStyle(e).display!=="none")(document.querySelector("#wait"))`
	p.Load(func() {
		p.Call("Page.navigate", map[string]any{"url": w.url + "/check?d=example.com&s=mail2026"}, nil)
		p.Wait("the line", func() bool {
			var seen, done bool
			p.Eval(visible, &seen)
			p.Eval(`!!document.querySelector("#result")`, &done)
			return seen && !done
		})
	})
	var seen bool
	if p.Eval(visible, &seen); seen {
		t.Error("the line stays")
	}
	if p.Text("#result .answer") == "" {
		t.Error("no answer")
	}
}

// TestPrint: what is printed holds the answer, and no form or menu.
func TestPrint(t *testing.T) {
	w := newWorld(t)
	w.fill()
	p := browser.Start(t).Open(browser.Options{Dark: true})
	p.Go(w.url + "/check?d=example.com&s=mail2026")
	if pdf := p.PDF(); len(pdf) < 5000 {
		t.Errorf("%d bytes", len(pdf))
	}
	p.Call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	for selector, want := range map[string]bool{"form": false, "nav": false, ".languages": false, "button": false,
		"#result .answer": true, "table": true} {
		var shown bool
		p.Eval(`[...document.querySelectorAll("`+selector+`")].some(e=>e.getBoundingClientRect().height>0)`, &shown)
		if shown != want {
			t.Errorf("%s is printed: %v", selector, shown)
		}
	}
}

// TestCopy: the button copies what stands beside it, to the letter, by a name without TLS too.
func TestCopy(t *testing.T) {
	w := newWorld(t)
	p := browser.Start(t).Open(browser.Options{})
	p.Go(w.url + "/login?token=" + w.pages.Token())
	p.Go(w.url + "/publish?d=example.com&s=mail2026")
	p.Eval(`navigator.clipboard.writeText = async () => { throw new Error("refused") }; document.addEventListener("copy", () => { document.title = getSelection().toString() })`, nil)
	p.Click(`button[data-copy=value]`)
	var title string
	p.Wait("the copy", func() bool {
		p.Eval(`document.title`, &title)
		return strings.HasPrefix(title, "v=DKIM1")
	})
	if title != w.keys[0].Record {
		t.Errorf("%q", title)
	}
}

// TestSave: what is saved of a result is one file that holds the answer and its style, and
// neither script nor form nor address.
func TestSave(t *testing.T) {
	w := newWorld(t)
	w.fill()
	p := browser.Start(t).Open(browser.Options{})
	folder := t.TempDir()
	p.Call("Page.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": folder}, nil)
	p.Go(w.url + "/check?d=example.com&s=cut")
	answer := p.Text("#result .answer")
	p.Click("button[data-do=save]")
	var saved string
	p.Wait("the file", func() bool {
		data, err := os.ReadFile(filepath.Join(folder, "dojang.html"))
		saved = string(data)
		return err == nil && strings.HasSuffix(saved, "</html>")
	})
	for _, no := range []string{"<script", "<form", "<link", "href=", "src=", "<nav"} {
		if strings.Contains(saved, no) {
			t.Errorf("%s is saved", no)
		}
	}
	p.Go("file://" + filepath.Join(folder, "dojang.html"))
	if got := p.Text("#result .answer"); got != answer || got == "" {
		t.Errorf("%q, want %q", got, answer)
	}
	var color string
	if p.Eval(`getComputedStyle(document.querySelector(".answer")).borderRadius`, &color); color != "10px" {
		t.Errorf("the style is missing: %q", color)
	}
	if lines := p.Console(); len(lines) > 0 {
		t.Errorf("%v", lines)
	}
}

// TestPolicyHolds: script, style and picture that get into a page are refused by the browser.
func TestPolicyHolds(t *testing.T) {
	w := newWorld(t)
	p := browser.Start(t).Open(browser.Options{})
	p.Go(w.url + "/")
	for _, attack := range []string{
		`document.body.innerHTML = "<img src=x onerror=document.title=1>"`,
		`(()=>{const s=document.createElement("script");s.textContent="document.title='run'";document.body.append(s)})()`,
		`eval("document.title='run'")`,
		`fetch("https://example.net/")`,
	} {
		p.Call("Runtime.evaluate", map[string]any{"expression": `(async()=>{try{await (()=>` + attack + `)()}catch(e){return String(e)}})()`, "awaitPromise": true, "allowUnsafeEvalBlockedByCSP": false}, nil)
	}
	time.Sleep(100 * time.Millisecond)
	var title string
	if p.Eval(`document.title`, &title); title == "run" || title == "1" {
		t.Error("injected script runs")
	}
	if len(p.Console()) == 0 {
		t.Error("the browser refused nothing")
	}
}
