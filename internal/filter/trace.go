package filter

import (
	"fmt"

	"dojang/internal/event"
	"dojang/milter"
)

// How much MilterDebug tells.
const (
	traceConnections = 1 + iota
	traceCommands
	traceEnvelope
	traceHeaderNames
	traceHeaderValues
	traceBodies
)

// traced is a session whose dialogue is logged.
type traced struct {
	*session
	level int
}

// tell logs one step. Text from outside is quoted and cut.
func (t traced) tell(level int, step, format string, args ...any) {
	if t.level < level {
		return
	}
	event.Milter(step, fmt.Sprintf(format, args...), t.clientName).Write(t.snapshot.Log, "")
}

// answer logs a step and what it is answered with, and its content from the
// level on at which that is wanted.
func (t traced) answer(step string, r milter.Response, level int, content string) milter.Response {
	if content != "" && t.level >= level {
		t.tell(traceCommands, step, "%.256q: %s", content, r)
	} else {
		t.tell(traceCommands, step, "%s", r)
	}
	return r
}

func (t traced) Negotiated(n milter.Negotiation) {
	t.session.Negotiated(n)
	t.tell(traceConnections, "negotiated", "version %d, actions %#x, protocol %#x", n.Version, uint32(n.Actions), uint32(n.Protocol))
}

func (t traced) Connect(host string, addr milter.ConnAddr) milter.Response {
	r := t.session.Connect(host, addr)
	t.tell(traceConnections, "connect", "%.256q [%s]: %s", host, t.clientAddr, r)
	return r
}

func (t traced) Helo(name string) milter.Response {
	return t.answer("helo", t.session.Helo(name), traceEnvelope, name)
}

func (t traced) MailFrom(addr string, args []string) milter.Response {
	return t.answer("mail", t.session.MailFrom(addr, args), traceEnvelope, addr)
}

func (t traced) Rcpt(addr string, args []string) milter.Response {
	return t.answer("rcpt", t.session.Rcpt(addr, args), traceEnvelope, addr)
}

func (t traced) Data() milter.Response { return t.answer("data", t.session.Data(), 0, "") }

func (t traced) Header(name, value []byte) milter.Response {
	r := t.session.Header(name, value)
	if t.level >= traceHeaderValues {
		t.tell(traceHeaderValues, "header", "%.256q %.256q: %s", name, value, r)
		return r
	}
	return t.answer("header", r, traceHeaderNames, string(name))
}

func (t traced) EndOfHeader() milter.Response {
	return t.answer("end_of_header", t.session.EndOfHeader(), 0, "")
}

func (t traced) Body(chunk []byte) milter.Response {
	r := t.session.Body(chunk)
	if t.level >= traceBodies {
		t.tell(traceBodies, "body", "%.256q: %s", chunk, r)
		return r
	}
	t.tell(traceCommands, "body", "%d octets: %s", len(chunk), r)
	return r
}

func (t traced) EndOfMessage(e *milter.Edits) milter.Response {
	return t.answer("end_of_message", t.session.EndOfMessage(e), 0, "")
}

func (t traced) Abort() {
	t.session.Abort()
	t.tell(traceCommands, "abort", "")
}

func (t traced) Unknown(cmd string) milter.Response {
	return t.answer("unknown", t.session.Unknown(cmd), traceEnvelope, cmd)
}

func (t traced) Close() {
	t.tell(traceConnections, "close", "")
	t.session.Close()
}
