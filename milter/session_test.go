package milter

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a Session that writes down its calls and answers by a table.
type recorder struct {
	mu          sync.Mutex
	conn        *Conn
	calls       []string
	answers     map[string]Response // by call, "MAIL", "HEADER Subject", …
	atEnd       func(c *Conn, e *Edits) Response
	asks        func(o *Options)
	onCall      func(call string)
	body        int
	negotiation Negotiation
}

func (r *recorder) note(call, detail string) Response {
	r.mu.Lock()
	r.calls = append(r.calls, strings.TrimSpace(call+" "+detail))
	onCall := r.onCall
	r.mu.Unlock()
	if onCall != nil {
		onCall(call)
	}
	if a, ok := r.answers[call+" "+detail]; ok {
		return a
	}
	return r.answers[call]
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.calls...)
}

// agreed is what the last negotiation came to.
func (r *recorder) agreed() Negotiation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.negotiation
}

func (r *recorder) Negotiated(n Negotiation) {
	r.mu.Lock()
	r.negotiation = n
	r.mu.Unlock()
	r.note("NEGOTIATED", fmt.Sprint(n.Version))
}
func (r *recorder) Connect(host string, a ConnAddr) Response {
	return r.note("CONNECT", host+" "+a.String())
}
func (r *recorder) Helo(name string) Response { return r.note("HELO", name) }
func (r *recorder) MailFrom(a string, args []string) Response {
	return r.note("MAIL", strings.Join(append([]string{a}, args...), " "))
}
func (r *recorder) Rcpt(a string, args []string) Response {
	return r.note("RCPT", strings.Join(append([]string{a}, args...), " "))
}
func (r *recorder) Data() Response { return r.note("DATA", "") }
func (r *recorder) Header(name, value []byte) Response {
	return r.note("HEADER", fmt.Sprintf("%s:%s", name, value))
}
func (r *recorder) EndOfHeader() Response { return r.note("EOH", "") }
func (r *recorder) Body(chunk []byte) Response {
	r.body += len(chunk)
	return r.note("BODY", fmt.Sprintf("%.40q", chunk))
}
func (r *recorder) EndOfMessage(e *Edits) Response {
	a := r.note("EOM", "")
	if r.atEnd != nil {
		return r.atEnd(r.conn, e)
	}
	return a
}
func (r *recorder) Abort()                      { r.note("ABORT", "") }
func (r *recorder) Unknown(cmd string) Response { return r.note("UNKNOWN", cmd) }
func (r *recorder) Close()                      { r.note("CLOSE", "") }

// harness is a running server whose connections share a recorder.
type harness struct {
	t       testing.TB
	server  *Server
	network string
	address string
	rec     *recorder
	mu      sync.Mutex
	errors  []string
	done    chan error
}

func start(t testing.TB, network string, o Options, rec *recorder) *harness {
	t.Helper()
	h := &harness{t: t, network: network, rec: rec, done: make(chan error, 1)}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	h.address = l.Addr().String()
	if o.ErrorLog == nil {
		o.ErrorLog = func(err error, remote string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.errors = append(h.errors, err.Error())
		}
	}
	h.server = NewServer(func(c *Conn) Session {
		rec.conn = c
		if rec.asks != nil {
			rec.asks(c.Options())
		}
		return rec
	}, o)
	go func() { h.done <- h.server.Serve(l) }()
	t.Cleanup(func() {
		h.server.Close()
		if err := <-h.done; err != ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
		waitFor(t, "the connections to go", func() bool { return h.server.Connections() == 0 })
	})
	return h
}

func (h *harness) logged() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.errors...)
}

// patience is how long a test waits for what must come, however busy the machine is.
const patience = 20 * time.Second

// waitFor polls until f holds.
func waitFor(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (h *harness) dial(o ClientOptions) *Client {
	h.t.Helper()
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	c, err := Dial(h.network, h.address, o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	return c
}

func (h *harness) raw() *Client {
	h.t.Helper()
	conn, err := net.Dial(h.network, h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return newRawClient(conn, ClientOptions{Timeout: patience})
}

const sample = "From: a@example.com\r\nTo: b@example.org\r\nSubject: one\r\n\ttwo\r\n\r\nHello\r\n"

func sampleMessage() Message {
	return Message{
		Envelope: Envelope{Host: "mx.example.com", From: "a@example.com", FromArgs: []string{"SIZE=9"}, Rcpts: []string{"<b@example.org>"}},
		Macros:   map[string]string{"j": "filter.example", "daemon_name": "smtpd", "i": "4XyZ", "auth_type": "PLAIN"},
		Raw:      []byte(sample),
	}
}

func send(t testing.TB, c *Client, m Message) Outcome {
	t.Helper()
	o, err := c.Send(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
