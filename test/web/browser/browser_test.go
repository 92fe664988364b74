package browser

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestFaultsAreSeen: what the suites rely on the browser to notice is noticed.
func TestFaultsAreSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'")
		_, _ = w.Write([]byte(`<!doctype html><html lang="ko"><title>t</title><body><h1>도장</h1><div style="width:700px" id="wide">wide</div>
<script>document.title="run"</script><input type="file" id="f"><a href="/next" id="next">next</a><noscript>off</noscript>`))
	}))
	defer server.Close()
	b := Start(t)
	p := b.Open(Options{Width: 360, Height: 700})
	p.Go(server.URL)
	if len(p.Console()) == 0 {
		t.Error("an inline script that the policy refuses is no fault")
	}
	if got := p.Text("h1"); got != "도장" {
		t.Errorf("h1 is %q", got)
	}
	path := filepath.Join(t.TempDir(), "x.eml")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.SetFile("#f", path)
	var name string
	if p.Eval(`document.querySelector("#f").files[0].name`, &name); name != "x.eml" {
		t.Errorf("the file is %q", name)
	}
	if got := p.Screenshot(); !bytes.HasPrefix(got, []byte("\x89PNG")) {
		t.Error("no picture")
	}
	if got := p.PDF(); !bytes.HasPrefix(got, []byte("%PDF")) {
		t.Error("no print")
	}
	p.Load(func() { p.Click("#next") })
	if r := p.Requests(); r[len(r)-1] != server.URL+"/next" {
		t.Errorf("requests %v", r)
	}
	off := b.Open(Options{NoScript: true, Dark: true})
	off.Go(server.URL)
	if got := off.Text("noscript"); got != "off" {
		t.Errorf("without script: %q", got)
	}
}
