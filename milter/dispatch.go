package milter

import "errors"

// run reads and handles frames until the connection ends.
func (c *Conn) run() (err error) {
	defer func() {
		// What was answered is sent, whatever came after it.
		if errors.Is(err, ErrProtocol) || errors.Is(err, errQuit) {
			c.flush() // the MTA may be gone already
		}
	}()
	for {
		command, size, err := c.frame()
		if err != nil {
			return err
		}
		c.command = command
		if err := c.handle(command, size); err != nil {
			return err
		}
	}
}

// handle does one frame, of which size octets are still to be read.
func (c *Conn) handle(command byte, size int) error {
	if c.phase == phaseNegotiate && command != CommandNegotiate && command != CommandQuit {
		return protocolError(command, "before the negotiation")
	}
	if command == CommandBody || command == CommandEndOfMessage {
		return c.handleBody(command, size)
	}
	payload, err := c.payload(size)
	if err != nil {
		return err
	}
	switch command {
	case CommandNegotiate:
		return c.handleNegotiate(payload)
	case CommandMacro:
		if len(payload) == 0 {
			return protocolError(command, "no stage")
		}
		return c.macros.set(payload[0], payload[1:], c.server.options.MaxFrameBytes)
	case CommandAbort:
		c.abort()
		return nil
	case CommandQuit:
		return errQuit
	case CommandQuitNC:
		return c.handleQuitNC()
	case CommandUnknown:
		cmd, _, err := decodeStrings(command, payload)
		if err != nil {
			return err
		}
		if c.verdict != "" {
			c.repeatVerdict(StepUnknown)
			return nil
		}
		c.answerUnknown(c.session.Unknown(cmd))
		return nil
	case CommandConnect, CommandHelo, CommandMail:
		return c.handleStart(command, payload)
	case CommandRcpt, CommandData, CommandHeader, CommandEndOfHeader:
		return c.handleStep(command, payload)
	}
	return protocolError(command, "unknown")
}

func (c *Conn) handleNegotiate(offer []byte) error {
	if c.phase != phaseNegotiate {
		return protocolError(CommandNegotiate, "again")
	}
	c.session = c.server.newSession(c)
	n, err := negotiate(offer, &c.options)
	if err != nil {
		return err
	}
	c.negotiation = n
	c.session.Negotiated(n)
	c.out = appendNegotiation(c.out, n, c.options.Macros)
	c.phase = phaseConnect
	return nil
}

// handleQuitNC starts anew for another SMTP client on the same socket.
func (c *Conn) handleQuitNC() error {
	c.endSession()
	c.macros.clearFrom(0)
	c.macros.mailIsNew = false
	c.verdict, c.refused, c.owed = "", false, false
	c.phase = phaseConnect
	c.session = c.server.newSession(c)
	c.session.Negotiated(c.negotiation)
	return nil
}

// handleStart does the steps that may begin something: CONNECT, HELO, MAIL.
func (c *Conn) handleStart(command byte, payload []byte) error {
	step := stepOf(command)
	if command == CommandConnect {
		host, addr, err := decodeConnect(payload)
		if err != nil {
			return err
		}
		if c.phase != phaseConnect {
			return protocolError(command, "out of order")
		}
		c.phase = phaseBetween
		c.answer(step, c.session.Connect(host, addr))
		return nil
	}
	text, args, err := decodeStrings(command, payload)
	if err != nil {
		return err
	}
	if c.phase == phaseConnect {
		if c.negotiation.Protocol&NoConnect == 0 {
			return protocolError(command, "before CONNECT")
		}
		c.phase = phaseBetween
	}
	if c.refused {
		c.repeatVerdict(step)
		return nil
	}
	// MTAs that reuse a connection say ABORT first; those that do not mean it.
	c.dropMessage()
	c.verdict, c.owed = "", false
	if command == CommandHelo {
		c.macros.endMessage()
		c.answer(step, c.session.Helo(text))
		return nil
	}
	c.macros.startMessage()
	c.phase, c.skipBody = phaseMail, false
	c.answer(step, c.session.MailFrom(text, args))
	return nil
}

// enter moves on to a phase within a message.
func (c *Conn) enter(command byte, to phase) error {
	from := c.phase
	if from == phaseConnect && c.negotiation.Protocol&NoConnect != 0 {
		from = phaseBetween
	}
	begins := from == phaseBetween && c.negotiation.Protocol&NoMail != 0
	if begins {
		from = phaseMail
	}
	switch {
	case from < phaseMail:
		return protocolError(command, "without MAIL")
	case from > to, from == to && (to == phaseData || to == phaseEndOfHeader):
		return protocolError(command, "out of order")
	case to == phaseBody && from < phaseEndOfHeader && c.negotiation.Protocol&NoEndOfHeader == 0:
		return protocolError(command, "before end of header")
	}
	if begins {
		c.macros.startMessage()
		c.skipBody = false
	}
	c.phase = to
	return nil
}

// handleStep does the steps within a message before its body.
func (c *Conn) handleStep(command byte, payload []byte) error {
	step := stepOf(command)
	if c.verdict != "" {
		c.repeatVerdict(step)
		return nil
	}
	switch command {
	case CommandRcpt:
		addr, args, err := decodeStrings(command, payload)
		if err == nil {
			err = c.enter(command, phaseRcpt)
		}
		if err != nil {
			return err
		}
		c.answer(step, c.session.Rcpt(addr, args))
	case CommandData:
		if err := c.enter(command, phaseData); err != nil {
			return err
		}
		c.answer(step, c.session.Data())
	case CommandHeader:
		name, value, err := decodeHeader(payload)
		if err == nil {
			err = c.enter(command, phaseHeader)
		}
		if err != nil {
			return err
		}
		c.answer(step, c.session.Header(name, value))
	case CommandEndOfHeader:
		if err := c.enter(command, phaseEndOfHeader); err != nil {
			return err
		}
		c.answer(step, c.session.EndOfHeader())
	}
	return nil
}

// handleBody does BODY, handing its octets over as they arrive, and end of
// message, which may bring a last chunk.
func (c *Conn) handleBody(command byte, size int) error {
	if c.verdict == "" {
		if err := c.enter(command, phaseBody); err != nil {
			return err
		}
	}
	response := Continue
	c.bodyLeft = size
	for c.bodyLeft > 0 {
		if err := c.fill(1); err != nil {
			return err
		}
		chunk := c.in.take(c.bodyLeft)
		c.bodyLeft -= len(chunk)
		if c.verdict != "" || c.skipBody || !response.goesOn() {
			continue
		}
		response = c.session.Body(chunk)
		c.skipBody = response.Kind() == ReplySkip
	}
	switch {
	case c.verdict != "" && command == CommandBody:
		c.repeatVerdict(StepBody)
	case c.verdict != "":
		c.reply(c.verdict)
		c.endVerdict()
	case command == CommandBody:
		c.answer(StepBody, response)
	case !response.goesOn():
		c.reply(response)
		c.endMessage()
	default:
		return c.handleEndOfMessage()
	}
	return nil
}

func (c *Conn) handleEndOfMessage() error {
	c.lendOut()
	response := c.session.EndOfMessage(&c.edits)
	if response.Kind() == ReplySkip {
		response = Continue
	}
	c.reply(response)
	c.endMessage()
	return nil
}

// reply queues an answer.
func (c *Conn) reply(r Response) {
	c.out = appendResponse(c.out, r)
	c.owed = false
}

// answer queues a session's answer to a step, where one is due, and draws the
// consequences for the rest of the message or connection.
func (c *Conn) answer(step StepMask, r Response) {
	if r.Kind() == ReplySkip && (step != StepBody || !c.negotiation.Skip) {
		r = Continue
	}
	due := c.negotiation.Answered(step)
	if !r.goesOn() {
		kind := r.Kind()
		refuses := kind == ReplyReject || kind == ReplyTempFail || kind == ReplyCode
		switch {
		case step == StepHelo && refuses && due:
			// The client may greet again.
		case step == StepConnect, step == StepHelo:
			c.verdict, c.refused = r, true
		case step == StepRcpt && refuses && due:
			// The other recipients go on.
		default:
			c.endMessage()
			c.verdict = r
		}
		c.owed = c.verdict != ""
	}
	if due {
		c.reply(r)
	}
}

// answerUnknown answers a command that changes nothing.
func (c *Conn) answerUnknown(r Response) {
	if !c.negotiation.Answered(StepUnknown) {
		return
	}
	if r.Kind() == ReplySkip {
		r = Continue
	}
	c.reply(r)
}

// repeatVerdict answers a step of a message that is already decided. Some MTAs
// send on before they read the answer.
func (c *Conn) repeatVerdict(step StepMask) {
	if c.negotiation.Answered(step) {
		c.reply(c.verdict)
	}
}

// endMessage forgets the message after its last answer.
func (c *Conn) endMessage() {
	c.phase = phaseBetween
	c.macros.endMessage()
}

func (c *Conn) endVerdict() {
	if !c.refused {
		c.verdict = ""
	}
	c.owed = false
}

// dropMessage tells the session that the MTA gave a message up.
func (c *Conn) dropMessage() {
	if c.phase >= phaseMail {
		c.phase = phaseBetween
		c.session.Abort()
	}
}

func (c *Conn) abort() {
	c.dropMessage()
	c.macros.clearFrom(firstMessageMacro)
	c.macros.mailIsNew = false
	c.endVerdict()
}

// lastAnswer answers the step at which the session panicked or, where that one
// is not answered, the next that is. The session is not called any more.
func (c *Conn) lastAnswer(command byte, answer Response) error {
	c.owed = true
	for {
		for c.bodyLeft > 0 {
			if err := c.fill(1); err != nil {
				return err
			}
			c.bodyLeft -= len(c.in.take(c.bodyLeft))
		}
		step := stepOf(command)
		if command == CommandEndOfMessage || step != 0 && c.negotiation.Answered(step) {
			c.reply(answer)
			return c.flush()
		}
		if step == 0 && command != CommandMacro {
			return nil
		}
		var err error
		command, c.bodyLeft, err = c.frame()
		if err != nil {
			return err
		}
	}
}
