// Package browser drives a real browser for tests: headless Chromium by the
// DevTools protocol over a pipe, so that no port and no library stands between.
package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// limit bounds every wait for the browser.
const limit = 60 * time.Second

// Browser is a Chromium at work.
type Browser struct {
	t  testing.TB
	to *os.File

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	pages   map[string]*Page // by session
	ended   error
}

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// envelope is what the browser sends: an answer, or an event of a page.
type envelope struct {
	ID      int             `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Session string          `json:"sessionId"`
	answer
}

// Start starts a browser that ends with the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	program := testutil.Need(t, "chromium-headless-shell")
	theirs, to := pipe(t)
	from, theirOut := pipe(t)
	cmd := exec.Command(program, "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--host-resolver-rules=MAP *.example.com 127.0.0.1", // pages by a name that is not of loopback
		"--hide-scrollbars", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, theirOut} // 3 and 4
	cmd.WaitDelay = 5 * time.Second               // its children hold its streams a little longer
	process := proctest.Start(t, cmd)
	theirs.Close()
	theirOut.Close()
	b := &Browser{t: t, to: to, waiting: map[int]chan answer{}, pages: map[string]*Page{}}
	go b.read(bufio.NewReaderSize(from, 1<<20))
	t.Cleanup(func() {
		_ = b.call("", "Browser.close", nil, nil) // an end without it leaves its children behind
		_ = process.Await(5*time.Second, process.Ended)
	})
	return b
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// read hands out what the browser says, until it ends.
func (b *Browser) read(in *bufio.Reader) {
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.ended = fmt.Errorf("the browser ended: %w", err)
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = map[int]chan answer{}
			b.mu.Unlock()
			return
		}
		var e envelope
		if json.Unmarshal(text[:len(text)-1], &e) != nil {
			continue
		}
		b.mu.Lock()
		c, page := b.waiting[e.ID], b.pages[e.Session]
		delete(b.waiting, e.ID)
		b.mu.Unlock()
		switch {
		case e.ID != 0 && c != nil:
			c <- e.answer
		case page != nil:
			page.event(e.Method, e.Params)
		}
	}
}

// call asks the browser, or a page of it by its session, and reads the result into
// result, unless that is nil.
func (b *Browser) call(session, method string, params, result any) error {
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		return b.ended
	}
	b.next++
	id, c := b.next, make(chan answer, 1)
	b.waiting[id] = c
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	text, err := json.Marshal(message)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case a, open := <-c:
		switch {
		case !open:
			return fmt.Errorf("%s: the browser ended", method)
		case a.Error != nil:
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-time.After(limit):
		return fmt.Errorf("%s: no answer in %v", method, limit)
	}
}
