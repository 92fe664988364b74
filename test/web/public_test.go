package web_test

import (
	"path/filepath"
	"strings"
	"testing"

	"dojang/test/web/browser"
)

// TestByName: the public pages work at a name, not encrypted, where a browser sends less of
// where a form comes from than on loopback.
func TestByName(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.options.Public, w.options.Names = true, []string{"check.example.com"}
	w.open()
	at := strings.Replace(w.url, "127.0.0.1", "check.example.com", 1)
	message, err := filepath.Abs("../../internal/explain/testdata/relaxed.eml")
	if err != nil {
		t.Fatal(err)
	}
	for _, noScript := range []bool{false, true} {
		p := browser.Start(t).Open(browser.Options{NoScript: noScript})
		p.Go(at + "/explain")
		p.SetFile("#file", message)
		p.Load(func() { p.Click("form.ask button") })
		if got := p.Text("main"); !strings.Contains(got, "Signature 1 of 1") {
			t.Errorf("/explain: %.300q", got)
		}
		p.Go(at + "/check")
		p.Click("#d")
		p.Type("mail2026._domainkey.example.com")
		p.Load(func() { p.Press("Enter") })
		if got := p.Text("#result .answer"); !strings.Contains(got, "Nothing is wrong") {
			t.Errorf("/check: %.300q", got)
		}
		p.Go(at + "/publish")
		p.Eval(`document.querySelector("#record").value="`+w.record+`"`, nil)
		p.Eval(`document.querySelector("#d").value="example.com"`, nil)
		p.Eval(`document.querySelector("#s").value="mail2026"`, nil)
		p.Load(func() { p.Eval(`document.querySelector("#record").form.querySelector("button").click()`, nil) })
		if got := p.Text("main"); strings.Contains(got, "cannot be done") || !strings.Contains(got, "mail2026._domainkey") {
			t.Errorf("/publish: %.300q", got)
		}
		if noScript {
			continue
		}
		p.Click(`button[data-copy=value]`)
		label := ""
		p.Wait("the copy", func() bool { label = p.Text(`button[data-copy=value]`); return strings.ContainsAny(label, "✔✘") })
		if !strings.Contains(label, "✔") {
			t.Errorf("copy: %q", label)
		}
	}
}
