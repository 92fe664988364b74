package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Page is one tab.
type Page struct {
	t       testing.TB
	browser *Browser
	session string

	mu       sync.Mutex
	loaded   int
	console  []string
	requests []string
}

// Options of a page.
type Options struct {
	Width, Height int  // 0: 1100 and 900
	Dark          bool // prefers-color-scheme: dark
	NoScript      bool
	Language      string // Accept-Language; "": English
}

// Open opens an empty tab.
func (b *Browser) Open(o Options) *Page {
	b.t.Helper()
	if o.Width == 0 {
		o.Width, o.Height = 1100, 900
	}
	if o.Language == "" {
		o.Language = "en"
	}
	var target struct{ TargetID string }
	b.must("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.must("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &Page{t: b.t, browser: b, session: attached.SessionID}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Network", "Log", "DOM", "CSS"} {
		p.Call(domain+".enable", nil, nil)
	}
	p.Call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": o.Width, "height": o.Height, "deviceScaleFactor": 1, "mobile": o.Width < 600}, nil)
	scheme := "light"
	if o.Dark {
		scheme = "dark"
	}
	p.Call("Emulation.setEmulatedMedia",
		map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	p.Call("Emulation.setScriptExecutionDisabled", map[string]any{"value": o.NoScript}, nil)
	p.Call("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": o.Language}}, nil)
	return p
}

func (b *Browser) must(session, method string, params, result any) {
	b.t.Helper()
	if err := b.call(session, method, params, result); err != nil {
		b.t.Fatal(err)
	}
}

// Call asks the page by a method of the DevTools protocol.
func (p *Page) Call(method string, params, result any) {
	p.t.Helper()
	p.browser.must(p.session, method, params, result)
}

// event notes what a page does.
func (p *Page) event(method string, params json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch method {
	case "Page.loadEventFired":
		p.loaded++
	case "Network.requestWillBeSent":
		var e struct{ Request struct{ URL string } }
		_ = json.Unmarshal(params, &e)
		p.requests = append(p.requests, e.Request.URL)
	case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
		p.console = append(p.console, method+" "+string(params))
	}
}

// Console is what scripts, the browser and its policies complained of.
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.console...)
}

// Requests are the URLs that were asked for.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Go opens a URL and waits until it is loaded.
func (p *Page) Go(url string) {
	p.t.Helper()
	p.Load(func() { p.Call("Page.navigate", map[string]any{"url": url}, nil) })
}

// Load waits until a page that act opens is loaded.
func (p *Page) Load(act func()) {
	p.t.Helper()
	p.mu.Lock()
	before := p.loaded
	p.mu.Unlock()
	act()
	p.Wait("the page to load", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.loaded > before
	})
}

// Wait waits until ready reports true.
func (p *Page) Wait(what string, ready func() bool) {
	p.t.Helper()
	for end := time.Now().Add(limit); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// Eval evaluates an expression of JavaScript, and waits for its promise, and reads
// the value into result, unless that is nil. It works where scripts are off.
func (p *Page) Eval(expression string, result any) {
	p.t.Helper()
	if err := p.eval(expression, result); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Page) eval(expression string, result any) error {
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := p.browser.call(p.session, "Runtime.evaluate",
		map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &out)
	switch {
	case err != nil:
		return err
	case out.ExceptionDetails != nil:
		return fmt.Errorf("%.200s: %s %s", expression, out.ExceptionDetails.Text, out.ExceptionDetails.Exception.Description)
	case result == nil || out.Result.Value == nil:
		return nil
	}
	return json.Unmarshal(out.Result.Value, result)
}

// Text is the visible text of the first element of a selector, "" without one.
func (p *Page) Text(selector string) (text string) {
	p.t.Helper()
	p.Eval(fmt.Sprintf("(document.querySelector(%q)||{innerText:''}).innerText", selector), &text)
	return text
}

// Click clicks on the first element of a selector with the mouse.
func (p *Page) Click(selector string) {
	p.t.Helper()
	var at struct{ X, Y float64 }
	p.Eval(fmt.Sprintf(`(()=>{const e=document.querySelector(%q);e.scrollIntoView({block:"center"});const r=e.getBoundingClientRect();return {x:r.x+r.width/2,y:r.y+r.height/2}})()`, selector), &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.Call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// Type types text where the focus is.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.Call("Input.insertText", map[string]any{"text": text}, nil)
}

// keyCodes are those of keys that pages are walked with.
var keyCodes = map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}

// Press presses a key: Tab, Enter, Escape or a blank.
func (p *Page) Press(key string) {
	p.t.Helper()
	down := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": keyCodes[key]}
	if key == "Enter" {
		down["text"] = "\r"
	}
	p.Call("Input.dispatchKeyEvent", down, nil)
	p.Call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": keyCodes[key]}, nil)
}

// SetFile chooses a file in a file input.
func (p *Page) SetFile(selector, path string) {
	p.t.Helper()
	var doc struct{ Root struct{ NodeID int } }
	p.Call("DOM.getDocument", nil, &doc)
	var node struct{ NodeID int }
	p.Call("DOM.querySelector", map[string]any{"nodeId": doc.Root.NodeID, "selector": selector}, &node)
	p.Call("DOM.setFileInputFiles", map[string]any{"files": []string{path}, "nodeId": node.NodeID}, nil)
}

// Drop drops a file on the first element of a selector.
func (p *Page) Drop(selector, path string) {
	p.t.Helper()
	p.drop(selector, []any{}, []string{path})
}

// DropText drops selected text on the first element of a selector.
func (p *Page) DropText(selector, text string) {
	p.t.Helper()
	p.drop(selector, []any{map[string]any{"mimeType": "text/plain", "data": text}}, []string{})
}

func (p *Page) drop(selector string, items []any, files []string) {
	p.t.Helper()
	var at struct{ X, Y float64 }
	p.Eval(fmt.Sprintf(`(()=>{const r=document.querySelector(%q).getBoundingClientRect();return {x:r.x+r.width/2,y:r.y+r.height/2}})()`, selector), &at)
	data := map[string]any{"items": items, "files": files, "dragOperationsMask": 1}
	for _, kind := range []string{"dragEnter", "dragOver", "drop"} {
		p.Call("Input.dispatchDragEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "data": data}, nil)
	}
}

// Screenshot is the whole page as PNG.
func (p *Page) Screenshot() []byte {
	p.t.Helper()
	return p.data("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true})
}

// PDF is the page as it is printed.
func (p *Page) PDF() []byte {
	p.t.Helper()
	return p.data("Page.printToPDF", map[string]any{"printBackground": true})
}

func (p *Page) data(method string, params any) []byte {
	p.t.Helper()
	var out struct{ Data string }
	p.Call(method, params, &out)
	b, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// RightOf lists elements that stand right of a width, the way people meet it on a
// phone: the window's own width grows with its content, and says nothing.
func (p *Page) RightOf(width int) (out []string) {
	p.t.Helper()
	p.Eval(fmt.Sprintf(`[...document.body.querySelectorAll("*")].filter(e=>{const r=e.getBoundingClientRect();return r.width>0&&r.right>%d+0.5}).map(e=>e.tagName+"."+e.className+" "+Math.round(e.getBoundingClientRect().right)).slice(0,10)`, width), &out)
	return out
}

// Fonts are the fonts that the first element of a selector is drawn with.
func (p *Page) Fonts(selector string) (names []string) {
	p.t.Helper()
	var doc struct{ Root struct{ NodeID int } }
	p.Call("DOM.getDocument", nil, &doc)
	var node struct{ NodeID int }
	p.Call("DOM.querySelector", map[string]any{"nodeId": doc.Root.NodeID, "selector": selector}, &node)
	var out struct{ Fonts []struct{ FamilyName string } }
	p.Call("CSS.getPlatformFontsForNode", map[string]any{"nodeId": node.NodeID}, &out)
	for _, f := range out.Fonts {
		names = append(names, f.FamilyName)
	}
	return names
}

// Violations runs axe-core, whose source is given, and tells what it finds against
// WCAG 2.2 A and AA and good practice.
func (p *Page) Violations(axe string) (found []string) {
	p.t.Helper()
	p.Eval(axe+";0", nil)
	var out []struct {
		ID, Help string
		Nodes    []struct{ HTML string }
	}
	p.Eval(`axe.run({runOnly:["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r=>r.violations)`, &out)
	for _, v := range out {
		var nodes []string
		for _, n := range v.Nodes {
			nodes = append(nodes, n.HTML)
		}
		found = append(found, fmt.Sprintf("%s: %s: %.300s", v.ID, v.Help, strings.Join(nodes, " ")))
	}
	return found
}
