package milter

import (
	"encoding/binary"
)

// step sends what was queued for a step, when an answer is due, and reads it.
func (c *Client) step(s StepMask) (*Answer, error) {
	if !c.negotiation.Answered(s) {
		return nil, nil
	}
	return c.ReadReply()
}

// wants reports whether the filter wants the step and, when it does, queues the
// macros that go before it.
func (c *Client) wants(command byte) bool {
	if skip, _ := stepOf(command).bits(); c.negotiation.Protocol&skip != 0 {
		return false
	}
	switch command {
	case CommandData:
		if c.negotiation.Version < 4 {
			return false
		}
	case CommandUnknown:
		if c.negotiation.Version < 3 {
			return false
		}
	}
	c.queueMacros(command)
	return true
}

// Connect tells the SMTP client's name and address.
func (c *Client) Connect(host string, addr ConnAddr) (*Answer, error) {
	c.connected = true
	if !c.wants(CommandConnect) {
		return nil, nil
	}
	if addr.Family == 0 {
		addr.Family = FamilyUnknown
	}
	start := c.begin(CommandConnect)
	c.out = append(append(c.out, host...), 0, addr.Family)
	switch addr.Family {
	case FamilyInet, FamilyInet6:
		c.out = binary.BigEndian.AppendUint16(c.out, addr.Port)
		c.out = append(addr.Addr.AppendTo(c.out), 0)
	case FamilyLocal:
		c.out = binary.BigEndian.AppendUint16(c.out, 0)
		c.out = append(append(c.out, addr.Path...), 0)
	}
	c.end(start)
	return c.step(StepConnect)
}

// Helo tells the name the SMTP client greets with.
func (c *Client) Helo(name string) (*Answer, error) {
	return c.strings(CommandHelo, name, nil)
}

// Mail begins a message. The address is sent as it is: MTAs put angle brackets around it.
func (c *Client) Mail(addr string, args ...string) (*Answer, error) {
	c.skipBody = false
	return c.strings(CommandMail, addr, args)
}

// Rcpt sends a recipient, whose address is sent as it is, like Mail's.
func (c *Client) Rcpt(addr string, args ...string) (*Answer, error) {
	return c.strings(CommandRcpt, addr, args)
}

// Unknown tells an SMTP command the MTA does not know.
func (c *Client) Unknown(cmd string) (*Answer, error) {
	return c.strings(CommandUnknown, cmd, nil)
}

func (c *Client) strings(command byte, first string, rest []string) (*Answer, error) {
	if !c.wants(command) {
		return nil, nil
	}
	start := c.begin(command)
	c.out = append(append(c.out, first...), 0)
	for _, s := range rest {
		c.out = append(append(c.out, s...), 0)
	}
	c.end(start)
	return c.step(stepOf(command))
}

// Data sends DATA: the message's text comes next.
func (c *Client) Data() (*Answer, error) { return c.plain(CommandData) }

// EndOfHeader ends the header.
func (c *Client) EndOfHeader() (*Answer, error) { return c.plain(CommandEndOfHeader) }

func (c *Client) plain(command byte) (*Answer, error) {
	if !c.wants(command) {
		return nil, nil
	}
	c.Queue(command)
	return c.step(stepOf(command))
}

// Header sends one field. value is all that follows the colon; its leading
// blank is taken off unless the filter asked for it.
func (c *Client) Header(name, value []byte) (*Answer, error) {
	if !c.wants(CommandHeader) {
		return nil, nil
	}
	if !c.negotiation.LeadingSpace && len(value) > 0 && value[0] == ' ' { // not a TAB, as Sendmail has it
		value = value[1:]
	}
	start := c.begin(CommandHeader)
	c.out = append(append(c.out, name...), 0)
	c.out = append(append(c.out, value...), 0)
	c.end(start)
	return c.step(StepHeader)
}

// Body sends one chunk, unless the filter skipped the rest.
func (c *Client) Body(chunk []byte) (*Answer, error) {
	if c.skipBody || !c.wants(CommandBody) {
		return nil, nil
	}
	if err := c.queueBody(chunk); err != nil {
		return nil, err
	}
	r, err := c.step(StepBody)
	if r != nil && r.Kind == ReplySkip {
		c.skipBody = true
	}
	return r, err
}

// EndOfMessage ends the message and returns the edits and the final answer.
func (c *Client) EndOfMessage() ([]Edit, *Answer, error) {
	return c.endOfMessage(nil)
}

func (c *Client) endOfMessage(edits []Edit) ([]Edit, *Answer, error) {
	c.queueMacros(CommandEndOfMessage)
	c.Queue(CommandEndOfMessage)
	for {
		kind, data, err := c.readFrame()
		if err != nil {
			return edits, nil, err
		}
		if kind == ReplyProgress {
			continue
		}
		edit, isEdit, err := DecodeEdit(kind, data, c.negotiation.LeadingSpace)
		if err != nil {
			return edits, nil, err
		}
		if isEdit {
			edits = append(edits, edit)
			continue
		}
		r, err := c.toReply(kind, data)
		return edits, r, err
	}
}

// Abort ends the message early: the filter forgets it.
func (c *Client) Abort() error {
	c.Queue(CommandAbort)
	return c.Flush()
}

// QuitNC ends the SMTP client's connection and keeps the filter's.
func (c *Client) QuitNC() error {
	c.Queue(CommandQuitNC)
	c.connected, c.greeted, c.refused = false, false, Answer{}
	return c.Flush()
}

// Macro queues macros for a command: name, value, name, value.
func (c *Client) Macro(command byte, pairs ...string) {
	start := c.begin(CommandMacro)
	c.out = append(c.out, command)
	for _, s := range pairs {
		c.out = append(append(c.out, s...), 0)
	}
	c.end(start)
}

// postfixMacros are Postfix's default lists.
func postfixMacros(command byte) []string {
	switch command {
	case CommandConnect:
		return []string{"j", "{daemon_name}", "{daemon_addr}", "v", "_"}
	case CommandHelo:
		return []string{"{tls_version}", "{cipher}", "{cipher_bits}", "{cert_subject}", "{cert_issuer}"}
	case CommandMail:
		return []string{"i", "{auth_type}", "{auth_authen}", "{auth_author}", "{mail_addr}", "{mail_host}", "{mail_mailer}"}
	case CommandRcpt:
		return []string{"i", "{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"}
	case CommandData, CommandEndOfHeader, CommandEndOfMessage:
		return []string{"i"}
	}
	return nil
}

func stageOf(command byte) (Stage, bool) {
	switch command {
	case CommandConnect:
		return StageConnect, true
	case CommandHelo:
		return StageHelo, true
	case CommandMail:
		return StageMail, true
	case CommandRcpt:
		return StageRcpt, true
	case CommandData:
		return StageData, true
	case CommandEndOfHeader:
		return StageEndOfHeader, true
	case CommandEndOfMessage:
		return StageEndOfMessage, true
	}
	return 0, false
}

// queueMacros queues the macros for a command, if any has a value.
func (c *Client) queueMacros(command byte) {
	stage, ok := stageOf(command)
	if !ok || c.macros == nil && c.options.Macros == nil {
		return
	}
	names := c.macroNames[stage]
	if !c.macroAsked[stage] {
		names = postfixMacros(command)
	}
	start := -1
	for _, name := range names {
		value, ok := c.macroValue(command, name)
		if !ok {
			continue
		}
		if start < 0 {
			start = c.begin(CommandMacro)
			c.out = append(c.out, command)
		}
		c.out = append(append(c.out, name...), 0)
		c.out = append(append(c.out, value...), 0)
	}
	if start >= 0 {
		c.end(start)
	}
}

func (c *Client) macroValue(command byte, name string) (string, bool) {
	bare := bareMacro(name)
	if v, ok := c.macros[bare]; ok {
		return v, true
	}
	if v, ok := c.macros[name]; ok {
		return v, true
	}
	if c.options.Macros != nil {
		return c.options.Macros(command, bare)
	}
	return "", false
}
