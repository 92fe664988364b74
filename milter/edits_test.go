package milter

import (
	"strings"
	"sync/atomic"
	"testing"

	"dojang/header"
)

// TestNoValueStartsAnotherField: whatever line ends a value has, the message gains one
// field by it, and no empty line that would end its header.
func TestNoValueStartsAnotherField(t *testing.T) {
	for value, want := range map[string]string{
		"a\nEvil: b":          "a\n\tEvil: b",
		"a\r\nEvil: b":        "a\n\tEvil: b",
		"a\rEvil: b":          "a\n\tEvil: b",
		"a\n\nbody":           "a\n\t\n\tbody",
		"a\r\n\r\nbody":       "a\n\t\n\tbody",
		"a\n\rbody":           "a\n\t\n\tbody",
		"a\n":                 "a\n\t",
		"a\r":                 "a\n\t",
		"\r\n":                "\n\t",
		"\nEvil: b":           "\n\tEvil: b",
		" a\n b\n\tc\r\n d":   "a\n b\n\tc\n d",
		"a\x00\n\x00Evil: b":  "a\n\tEvil: b",
		"a\x00\r\x00\nEvil: ": "a\n\t\n\tEvil: ",
		"":                    "",
	} {
		for _, edit := range []func(e *Edits) error{
			func(e *Edits) error { return e.InsertHeader(0, "X", value) },
			func(e *Edits) error { return e.AddHeader("X", value) },
			func(e *Edits) error { return e.ChangeHeader(1, "X", value) },
		} {
			rec := &recorder{atEnd: func(_ *Conn, e *Edits) Response {
				if err := edit(e); err != nil {
					t.Error(err)
				}
				return Accept
			}}
			h := start(t, "tcp", Options{Actions: AllActions, WantHeaderLeadingSpace: true}, rec)
			c := h.dial(ClientOptions{})
			c.Connect("host", ConnAddr{})
			c.Mail("<a@x>")
			c.EndOfHeader()
			edits, _, err := c.EndOfMessage()
			if err != nil || len(edits) != 1 {
				t.Fatal(edits, err)
			}
			if got := strings.TrimPrefix(edits[0].Value, " "); got != want {
				t.Errorf("%q became %q, want %q", value, got, want)
			}
			fields, body, err := header.Parse(Apply([]byte("From: a@x\r\nX: old\r\n\r\n"), edits))
			if err != nil || fields.Count("Evil") != 0 || len(body) > 0 {
				t.Errorf("%q: %v, %d fields, body %q", value, err, fields.Len(), body)
			}
		}
	}
}

// TestAnswersAreEachConnectionsOwn: what one is writing, another's answers do not write over,
// though memory is lent to all.
func TestAnswersAreEachConnectionsOwn(t *testing.T) {
	added, answered := make(chan bool), make(chan bool)
	var waits atomic.Bool
	rec := &recorder{atEnd: func(_ *Conn, e *Edits) Response {
		if waits.Load() {
			if err := e.AddHeader("X-Test", " value"); err != nil {
				t.Error(err)
			}
			close(added)
			<-answered
		}
		return Accept
	}}
	h := start(t, "unix", Options{Actions: AllActions}, rec)
	one, other := h.dial(ClientOptions{}), h.dial(ClientOptions{})
	send(t, one, sampleMessage())
	if _, err := one.Mail("<a@b>"); err != nil {
		t.Fatal(err)
	}
	waits.Store(true)
	done := make(chan Outcome)
	go func() {
		o, err := other.Send(t.Context(), sampleMessage())
		if err != nil {
			t.Error(err)
		}
		done <- o
	}()
	<-added
	if _, err := one.Rcpt("<c@d>"); err != nil {
		t.Error(err)
	}
	close(answered)
	if o := <-done; len(o.Edits) != 1 || o.Edits[0].Name != "X-Test" || o.Final.Kind != ReplyAccept {
		t.Errorf("%+v", o)
	}
}
