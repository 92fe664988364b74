package milter

import (
	"net/netip"
	"strconv"
)

// Session handles one connection of the MTA. Its methods are called in the
// protocol's order by one goroutine; slices are valid only during the call.
//
// A response other than Continue and Skip to a step from MailFrom to Body ends
// the message (a rejected Rcpt ends only that recipient): the next call is then
// MailFrom, Helo or Close, without Abort. A message that the MTA ends early, with
// ABORT, a new MAIL or by going away, is told with Abort.
//
// Where the MTA agreed that a step is not answered (Options.NoReply), a response
// other than Continue is kept and given to the next step that is answered.
type Session interface {
	// Negotiated tells what the MTA agreed to. Called once, first; QUIT_NC
	// closes the session and starts a new one with the same Negotiation.
	Negotiated(n Negotiation)
	Connect(host string, addr ConnAddr) Response
	Helo(name string) Response
	// MailFrom and Rcpt get addresses as the MTA sends them, in angle brackets,
	// and the ESMTP parameters one by one.
	MailFrom(addr string, args []string) Response
	Rcpt(addr string, args []string) Response
	Data() Response
	// Header gets one field. The value's folds are the MTA's (LF, or CRLF from
	// some); its leading space is kept only when Negotiation.LeadingSpace says so.
	Header(name, value []byte) Response
	EndOfHeader() Response
	// Body gets the body in chunks of any size, at least one octet each: a
	// frame may be handed over in several pieces.
	Body(chunk []byte) Response
	EndOfMessage(e *Edits) Response
	Abort()
	Unknown(cmd string) Response
	// Close is the last call, exactly once, also after errors and panics.
	Close()
}

// Passive is a Session that lets everything pass. Embedded in another, it leaves that one
// the methods it is about.
type Passive struct{}

// Negotiated implements Session: it does nothing.
func (Passive) Negotiated(Negotiation) {}

// Connect implements Session: it answers Continue.
func (Passive) Connect(string, ConnAddr) Response { return Continue }

// Helo implements Session: it answers Continue.
func (Passive) Helo(string) Response { return Continue }

// MailFrom implements Session: it answers Continue.
func (Passive) MailFrom(string, []string) Response { return Continue }

// Rcpt implements Session: it answers Continue.
func (Passive) Rcpt(string, []string) Response { return Continue }

// Data implements Session: it answers Continue.
func (Passive) Data() Response { return Continue }

// Header implements Session: it answers Continue.
func (Passive) Header(_, _ []byte) Response { return Continue }

// EndOfHeader implements Session: it answers Continue.
func (Passive) EndOfHeader() Response { return Continue }

// Body implements Session: it answers Continue.
func (Passive) Body([]byte) Response { return Continue }

// EndOfMessage implements Session: it answers Continue.
func (Passive) EndOfMessage(*Edits) Response { return Continue }

// Unknown implements Session: it answers Continue.
func (Passive) Unknown(string) Response { return Continue }

// Abort implements Session: it does nothing.
func (Passive) Abort() {}

// Close implements Session: it does nothing.
func (Passive) Close() {}

// Negotiation is what MTA and filter agreed to.
type Negotiation struct {
	Version         uint32       // 2 to 6, the lower of both
	Actions         ActionMask   // granted
	Protocol        ProtocolMask // granted
	OfferedActions  ActionMask   // by the MTA, as sent
	OfferedProtocol ProtocolMask // by the MTA, as sent
	LeadingSpace    bool         // header values keep their leading space, in both directions
	Skip            bool         // the response Skip to a body chunk spares the rest
}

// Answered reports whether the MTA waits for an answer to the step.
func (n Negotiation) Answered(step StepMask) bool {
	_, noReply := step.bits()
	return n.Protocol&noReply == 0
}

// Families of ConnAddr.
const (
	FamilyUnknown byte = 'U'
	FamilyLocal   byte = 'L'
	FamilyInet    byte = '4'
	FamilyInet6   byte = '6'
)

// ConnAddr is the SMTP client's address. Addr is valid for families '4' and '6',
// Path for 'L'; 'U' has neither.
type ConnAddr struct {
	Family byte
	Addr   netip.Addr
	Port   uint16
	Path   string
}

// String returns the address for logs.
func (a ConnAddr) String() string {
	switch a.Family {
	case FamilyInet, FamilyInet6:
		return netip.AddrPortFrom(a.Addr, a.Port).String()
	case FamilyLocal:
		return "local:" + strconv.Quote(a.Path)
	}
	return "unknown"
}
