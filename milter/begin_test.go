package milter

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSessionsAreClosedOnce, also where the next one cannot be made.
func TestSessionsAreClosedOnce(t *testing.T) {
	rec := &recorder{}
	made := 0
	s := NewServer(func(*Conn) Session {
		if made++; made > 1 {
			panic("by design")
		}
		return rec
	}, Options{})
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() { s.serve(s.add(far)); close(done) }()
	go func() { _, _ = io.Copy(io.Discard, near) }()
	if _, err := near.Write(join(offer, connect, frame('K', ""))); err != nil {
		t.Fatal(err)
	}
	<-done
	if calls := strings.Join(rec.all(), " "); strings.Count(calls, "CLOSE") != 1 {
		t.Error(calls)
	}
}

// TestServeEndsWithItsListener, whoever closes it, with the listener's error.
func TestServeEndsWithItsListener(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- NewServer(func(*Conn) Session { return noop{} }, Options{}).Serve(l) }()
	l.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestDialFails where nobody listens, and where the filter wants what is not offered: then
// the connection is closed.
func TestDialFails(t *testing.T) {
	if c, err := Dial("unix", t.TempDir()+"/none", ClientOptions{}); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
	h := start(t, "unix", Options{Required: ActionQuarantine}, &recorder{})
	if c, err := Dial("unix", h.address, ClientOptions{Actions: ActionAddHeaders}); c != nil || err == nil {
		t.Errorf("%v, %v", c, err)
	}
	waitFor(t, "the end", func() bool { return len(h.logged()) > 0 && h.server.Connections() == 0 })
}

// TestStepsThatAreSkipped are not sent, nor is the body.
func TestStepsThatAreSkipped(t *testing.T) {
	rec := &recorder{}
	o := Options{Skip: StepConnect | StepHelo | StepMail | StepRcpt | StepData | StepHeader | StepEndOfHeader | StepBody | StepUnknown}
	c := start(t, "unix", o, rec).dial(ClientOptions{})
	if o := send(t, c, sampleMessage()); o.Step != CommandEndOfMessage || o.Final.Kind != ReplyContinue {
		t.Errorf("%v at %c", o.Final, o.Step)
	}
	if a, err := c.Unknown("X"); a != nil || err != nil {
		t.Errorf("%v, %v", a, err)
	}
	if calls := strings.Join(rec.all(), " "); calls != "NEGOTIATED 6 EOM" {
		t.Error(calls)
	}
	// Whatever is skipped of the first ones, those that are left come in their order.
	for skip := range StepRcpt << 1 {
		rec := &recorder{}
		c := start(t, "unix", Options{Skip: skip}, rec).dial(ClientOptions{})
		send(t, c, sampleMessage())
		var want []string
		for i, name := range []string{"CONNECT", "HELO", "MAIL", "RCPT"} {
			if skip&(1<<i) == 0 {
				want = append(want, name)
			}
		}
		var got []string
		for _, call := range rec.all() {
			if name, _, _ := strings.Cut(call, " "); strings.Contains("CONNECT HELO MAIL RCPT EOM", name) {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, append(want, "EOM")) {
			t.Errorf("skipped %#x: %q", skip, got)
		}
	}
}

// TestRefusedAreAnsweredSo: whatever a refused client says next has the same answer, and it
// is idle.
func TestRefusedAreAnsweredSo(t *testing.T) {
	h := start(t, "unix", Options{}, &recorder{answers: map[string]Response{"CONNECT": Reject}})
	c := h.dial(ClientOptions{})
	if a, err := c.Connect("h", ConnAddr{}); err != nil || a.Kind != ReplyReject {
		t.Fatal(a, err)
	}
	for command, payload := range map[byte]string{CommandUnknown: "NOOP\x00", CommandHelo: "h\x00", CommandMail: "<a@b>\x00"} {
		c.Queue(command, []byte(payload))
		if a, err := c.ReadReply(); err != nil || a.Kind != ReplyReject {
			t.Errorf("%c: %v, %v", command, a, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
