package filter

import (
	"net/netip"
	"strings"

	"dojang/internal/event"
	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/milter"
)

// session is one connection of the MTA.
type session struct {
	milter.Passive
	filter   *Filter
	conn     *milter.Conn
	snapshot *Snapshot
	role     Role

	negotiated   bool
	leadingSpace bool
	canSkip      bool
	clientName   string
	clientAddr   netip.Addr
	message      *message.Message // nil between messages
}

// ask sets what this snapshot needs of the MTA. Steps whose answer no option needs are
// not answered at all: each answer is a system call here and a wait there.
func (s *Snapshot) ask(o *milter.Options) {
	o.Actions = s.Actions
	o.Required = milter.ActionAddHeaders | milter.ActionChangeHeaders
	o.Skip = milter.StepHelo | milter.StepUnknown | milter.StepData
	// The end of the header is answered, since a message that we have nothing to do
	// with ends there: nobody sends its body then.
	o.NoReply = milter.StepMail | milter.StepRcpt | milter.StepHeader
	if !s.endsEarly() {
		o.NoReply |= milter.StepEndOfHeader
	}
	if s.PeerList == nil {
		o.NoReply |= milter.StepConnect
	}
	o.WantHeaderLeadingSpace = true
	o.WantSkip = s.skipsBodies()
	if !o.WantSkip {
		o.NoReply |= milter.StepBody
	}
	o.Macros = s.macroStages()
}

// endsEarly reports whether a message may end with its header. Where scripts or
// statistics see every message, or results are added to every one, none does: what is
// decided at the header's end is then told with the last answer, an exchange less.
func (s *Snapshot) endsEarly() bool {
	r := s.Rules
	return r.Scripts == nil && !r.Reports.Count && !(r.Verify && r.Results.AlwaysAddARHeader)
}

// skipsBodies reports whether declining the rest of bodies is worth an answer to
// each of their chunks. It is where signatures with l= are made, which end
// early. An unsigned message is the only other that could be declined: to read
// past its few chunks costs less than to wait after every chunk of all others.
func (s *Snapshot) skipsBodies() bool {
	signing := &s.Rules.Signing
	return s.Milter.SkipBody && (signing.MaximumSignedBytes > 0 || signing.BodyLengthDB != nil)
}

// macroStages lists the macros to ask for. Compat(opendkim 2.11): a name stands
// at every stage at which an MTA may have it.
func (s *Snapshot) macroStages() map[milter.Stage][]string {
	connect := []string{"j", "{daemon_name}", "{client_name}", "{client_addr}"}
	mail := []string{"i", "{auth_type}", "{auth_authen}", "{mail_addr}"}
	data := []string{"i"}
	for _, name := range s.MacroNames {
		if len(name) > 1 {
			name = "{" + name + "}"
		}
		connect, mail = append(connect, name), append(mail, name)
		if !ofConnection(name) {
			data = append(data, name)
		}
	}
	return map[milter.Stage][]string{
		milter.StageConnect: connect, milter.StageMail: mail,
		milter.StageEndOfHeader: data, milter.StageEndOfMessage: data,
	}
}

// ofConnection reports whether a macro tells of the connection, or of the service that
// took it. Asked for again with the message, Postfix answers by cleanup(8), which knows
// no service's milter_macro_daemon_name: main.cf's name took the place of the right one.
func ofConnection(name string) bool {
	return name == "j" || name == "v" || name == "_" || strings.HasPrefix(name, "{daemon_") || strings.HasPrefix(name, "{client_")
}

func (s *session) Negotiated(n milter.Negotiation) {
	s.negotiated, s.leadingSpace, s.canSkip = true, n.LeadingSpace, n.Skip
	s.filter.activity.Add(1)
	s.filter.observer.Connected()
}

func (s *session) Connect(host string, addr milter.ConnAddr) milter.Response {
	s.clientName = host
	s.clientAddr = addr.Addr.Unmap()
	if !addr.Addr.IsValid() {
		// Compat(opendkim 2.11): mail from a local process or of unknown origin
		// counts as from this host.
		s.clientAddr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if s.snapshot.PeerList == nil {
		return milter.Continue
	}
	ctx, cancel := s.snapshot.Budget(s.conn.Context())
	defer cancel()
	peer, err := s.snapshot.PeerList.Match(ctx, host, s.clientAddr)
	if err != nil {
		event.DatasetError("PeerList", err).Write(s.snapshot.Log, "")
		return milter.TempFail
	}
	if peer {
		return milter.Accept
	}
	return milter.Continue
}

func (s *session) MailFrom(addr string, _ []string) milter.Response {
	s.filter.activity.Add(1)
	effects := s.filter.effects
	if s.conn.Macro(message.TestMacro) != "" {
		effects = message.Effects{}
	}
	s.message = s.filter.services.Begin(s.conn.Context(), &s.snapshot.Snapshot, effects, withoutBrackets(addr))
	return milter.Continue
}

func (s *session) Rcpt(addr string, _ []string) milter.Response {
	s.message.AddRecipient(withoutBrackets(addr))
	return milter.Continue
}

func withoutBrackets(addr string) string {
	return strings.TrimSuffix(strings.TrimPrefix(addr, "<"), ">")
}

func (s *session) Header(name, value []byte) milter.Response {
	s.message.AddField(name, value, s.leadingSpace)
	return milter.Continue
}

func (s *session) EndOfHeader() milter.Response {
	reply := s.message.Decide(message.Origin{
		ClientName: s.clientName,
		ClientAddr: s.clientAddr,
		Macro:      s.conn.Macro,
		SignOnly:   s.role == SignOnly,
		VerifyOnly: s.role == VerifyOnly,
	})
	if reply.Action == policy.Continue {
		return s.headerDone()
	}
	s.answered(reply)
	return response(reply)
}

// headerDone ends a message that we have nothing to do with.
func (s *session) headerDone() milter.Response {
	if !s.snapshot.endsEarly() || !s.message.FinishEarly() {
		return milter.Continue
	}
	s.answered(policy.Reply{Action: policy.Accept})
	return milter.Accept
}

func (s *session) Body(chunk []byte) milter.Response {
	s.message.Write(chunk)
	if s.canSkip && s.message.Satisfied() {
		return milter.Skip
	}
	return milter.Continue
}

func (s *session) EndOfMessage(e *milter.Edits) milter.Response {
	outcome := s.message.Finish()
	reply := outcome.Reply
	if err := apply(e, outcome); err != nil {
		reply = s.editsFailed(err)
	} else {
		s.message.Leave(outcome)
	}
	s.answered(reply)
	return response(reply)
}

func (s *session) Abort() { s.endMessage() }

func (s *session) Close() {
	if s.negotiated {
		s.filter.observer.Disconnected()
	}
	s.snapshot.release()
}

// answered ends the message in hand and counts it.
func (s *session) answered(reply policy.Reply) {
	s.message.Answered(reply.Action)
	s.endMessage()
}

// endMessage drops whatever is left of a message.
func (s *session) endMessage() {
	if m := s.message; m != nil {
		s.message = nil
		m.End()
	}
}
