package milter

import "strconv"

// Command octets, from the MTA to the filter.
const (
	CommandAbort        byte = 'A'
	CommandBody         byte = 'B'
	CommandConnect      byte = 'C'
	CommandMacro        byte = 'D'
	CommandEndOfMessage byte = 'E'
	CommandHelo         byte = 'H'
	CommandQuitNC       byte = 'K'
	CommandHeader       byte = 'L'
	CommandMail         byte = 'M'
	CommandEndOfHeader  byte = 'N'
	CommandNegotiate    byte = 'O'
	CommandQuit         byte = 'Q'
	CommandRcpt         byte = 'R'
	CommandData         byte = 'T'
	CommandUnknown      byte = 'U'
)

// Reply octets, from the filter to the MTA.
const (
	ReplyAddRcpt       byte = '+'
	ReplyDelRcpt       byte = '-'
	ReplyAddRcptArgs   byte = '2'
	ReplyShutdown      byte = '4'
	ReplyAccept        byte = 'a'
	ReplyReplaceBody   byte = 'b'
	ReplyContinue      byte = 'c'
	ReplyDiscard       byte = 'd'
	ReplyChangeFrom    byte = 'e'
	ReplyConnFail      byte = 'f'
	ReplyAddHeader     byte = 'h'
	ReplyInsertHeader  byte = 'i'
	ReplySetMacros     byte = 'l'
	ReplyChangeHeader  byte = 'm'
	ReplyProgress      byte = 'p'
	ReplyQuarantine    byte = 'q'
	ReplyReject        byte = 'r'
	ReplySkip          byte = 's'
	ReplyTempFail      byte = 't'
	ReplyCode          byte = 'y'
	replyNegotiate     byte = 'O'
	minVersion              = 2
	maxVersion              = 6
	maxNegotiateBytes       = 4096
	lengthBytes             = 4
	frameHeadBytes          = 5
	maxBodyChunkBytes       = 65535
	negotiatePartBytes      = 12
)

// ActionMask is the set of changes a filter may make (SMFIF_*).
type ActionMask uint32

// Actions.
const (
	ActionAddHeaders    ActionMask = 0x001
	ActionChangeBody    ActionMask = 0x002
	ActionAddRcpt       ActionMask = 0x004
	ActionDelRcpt       ActionMask = 0x008
	ActionChangeHeaders ActionMask = 0x010
	ActionQuarantine    ActionMask = 0x020
	ActionChangeFrom    ActionMask = 0x040
	ActionAddRcptArgs   ActionMask = 0x080
	ActionSetMacros     ActionMask = 0x100 // SETSYMLIST

	// AllActions is every action of protocol version 6.
	AllActions ActionMask = 0x1ff
	// actionsV1 is what an MTA that offers nothing at all is taken to offer.
	actionsV1 ActionMask = 0x00f
)

// ProtocolMask is the set of protocol variations (SMFIP_*).
type ProtocolMask uint32

// Protocol variations.
const (
	NoConnect           ProtocolMask = 0x000001
	NoHelo              ProtocolMask = 0x000002
	NoMail              ProtocolMask = 0x000004
	NoRcpt              ProtocolMask = 0x000008
	NoBody              ProtocolMask = 0x000010
	NoHeaders           ProtocolMask = 0x000020
	NoEndOfHeader       ProtocolMask = 0x000040
	NoReplyHeader       ProtocolMask = 0x000080
	NoUnknown           ProtocolMask = 0x000100
	NoData              ProtocolMask = 0x000200
	CanSkip             ProtocolMask = 0x000400
	RejectedRcpts       ProtocolMask = 0x000800
	NoReplyConnect      ProtocolMask = 0x001000
	NoReplyHelo         ProtocolMask = 0x002000
	NoReplyMail         ProtocolMask = 0x004000
	NoReplyRcpt         ProtocolMask = 0x008000
	NoReplyData         ProtocolMask = 0x010000
	NoReplyUnknown      ProtocolMask = 0x020000
	NoReplyEndOfHeader  ProtocolMask = 0x040000
	NoReplyBody         ProtocolMask = 0x080000
	HeaderLeadingSpace  ProtocolMask = 0x100000
	allProtocol         ProtocolMask = 0x1fffff
	protocolV1          ProtocolMask = 0x00003f // taken as offered by an MTA that offers nothing
	protocolV2          ProtocolMask = 0x00007f
	protocolNoReplyBits ProtocolMask = NoReplyConnect | NoReplyHelo | NoReplyMail | NoReplyRcpt | NoReplyData |
		NoReplyUnknown | NoReplyEndOfHeader | NoReplyBody | NoReplyHeader
)

// StepMask is a set of protocol steps.
type StepMask uint16

// Steps.
const (
	StepConnect StepMask = 1 << iota
	StepHelo
	StepMail
	StepRcpt
	StepData
	StepHeader
	StepEndOfHeader
	StepBody
	StepUnknown
)

// steps are the commands that an MTA may be asked to leave out, or not to wait for.
var steps = [...]struct {
	command       byte
	step          StepMask
	skip, noReply ProtocolMask
}{
	{CommandConnect, StepConnect, NoConnect, NoReplyConnect},
	{CommandHelo, StepHelo, NoHelo, NoReplyHelo},
	{CommandMail, StepMail, NoMail, NoReplyMail},
	{CommandRcpt, StepRcpt, NoRcpt, NoReplyRcpt},
	{CommandData, StepData, NoData, NoReplyData},
	{CommandHeader, StepHeader, NoHeaders, NoReplyHeader},
	{CommandEndOfHeader, StepEndOfHeader, NoEndOfHeader, NoReplyEndOfHeader},
	{CommandBody, StepBody, NoBody, NoReplyBody},
	{CommandUnknown, StepUnknown, NoUnknown, NoReplyUnknown},
}

// bits translates a set of steps to protocol bits.
func (m StepMask) bits() (skip, noReply ProtocolMask) {
	for i := range steps {
		if s := &steps[i]; m&s.step != 0 {
			skip |= s.skip
			noReply |= s.noReply
		}
	}
	return skip, noReply
}

// stepOf is the step a command belongs to; 0 for commands that are not steps.
func stepOf(command byte) StepMask {
	for i := range steps {
		if steps[i].command == command {
			return steps[i].step
		}
	}
	return 0
}

// Stage is a macro stage as SETSYMLIST numbers them (SMFIM_*).
type Stage uint32

// Stages.
const (
	StageConnect Stage = iota
	StageHelo
	StageMail
	StageRcpt
	StageData
	StageEndOfMessage
	StageEndOfHeader
	stageCount
)

// String returns the stage's name.
func (s Stage) String() string {
	names := [...]string{"connect", "helo", "mail", "rcpt", "data", "end of message", "end of header"}
	if int(s) < len(names) {
		return names[s]
	}
	return "stage " + strconv.Itoa(int(s))
}

// CommandName returns a command's name for logs and errors: "MAIL", "end of header", or
// the quoted octet of an unknown one.
func CommandName(command byte) string {
	switch command {
	case CommandAbort:
		return "ABORT"
	case CommandBody:
		return "BODY"
	case CommandConnect:
		return "CONNECT"
	case CommandMacro:
		return "MACRO"
	case CommandEndOfMessage:
		return "end of message"
	case CommandHelo:
		return "HELO"
	case CommandQuitNC:
		return "QUIT_NC"
	case CommandHeader:
		return "HEADER"
	case CommandMail:
		return "MAIL"
	case CommandEndOfHeader:
		return "end of header"
	case CommandNegotiate:
		return "negotiation"
	case CommandQuit:
		return "QUIT"
	case CommandRcpt:
		return "RCPT"
	case CommandData:
		return "DATA"
	case CommandUnknown:
		return "UNKNOWN"
	}
	return "command " + strconv.QuoteRune(rune(command))
}
