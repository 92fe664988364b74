package milter

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Envelope is what surrounds a message.
type Envelope struct {
	Host     string // of the SMTP client; "" is "localhost"
	Addr     ConnAddr
	Helo     string // "" is Host
	From     string // with or without angle brackets
	FromArgs []string
	Rcpts    []string
}

// Message is one message to send. Macros have names without braces, or as the
// filter asks for them. Raw has CRLF or LF line ends; the filter is given CRLF. As for
// Postfix, the first line that is no field is of the body; unlike Postfix, the client
// leaves a blank before a field's colon where it is, and a "From " line at the top out.
type Message struct {
	Envelope
	Macros map[string]string
	Raw    []byte
}

// Outcome is what became of a message.
type Outcome struct {
	Edits []Edit
	Final Answer   // of the step that decided it
	Step  byte     // that step's command; CommandEndOfMessage usually
	Rcpts []Answer // per recipient, Kind 0 where no answer is due
}

// Edit is one change the filter asked for at end of message.
type Edit struct {
	Kind  byte   // ReplyAddHeader, ReplyInsertHeader, …
	Index uint32 // of ReplyInsertHeader (from 0) and ReplyChangeHeader (from 1)
	Name  string // of a header field
	// Value of a header field is all that follows the colon, with its leading
	// blank, as the MTA puts it into the message; "" deletes the field. For
	// other kinds it is the address, the reason or a piece of the new body.
	Value string
	Args  string // ESMTP parameters of ReplyAddRcptArgs and ReplyChangeFrom
}

// DecodeEdit reads what a frame of a filter asks to change; is reports whether it is a
// change at all. leadingSpace is Negotiation.LeadingSpace. A malformed one is an error
// that wraps ErrProtocol.
func DecodeEdit(kind byte, data []byte, leadingSpace bool) (e Edit, is bool, err error) {
	e.Kind = kind
	switch kind {
	case ReplyReplaceBody:
		e.Value = string(data)
		return e, true, nil
	case ReplyInsertHeader, ReplyChangeHeader:
		if len(data) < 4 {
			return e, true, fmt.Errorf("%w: edit without index", ErrProtocol)
		}
		e.Index, data = binary.BigEndian.Uint32(data), data[4:]
	case ReplyAddHeader, ReplyAddRcpt, ReplyDelRcpt, ReplyAddRcptArgs, ReplyChangeFrom, ReplyQuarantine:
	default:
		return e, false, nil
	}
	first, rest, err := cString(CommandEndOfMessage, data)
	if err != nil {
		return e, true, err
	}
	switch kind {
	case ReplyInsertHeader, ReplyChangeHeader, ReplyAddHeader:
		e.Name = string(first)
		if first, _, err = cString(CommandEndOfMessage, rest); err != nil {
			return e, true, err
		}
		if !leadingSpace && (len(first) > 0 || kind != ReplyChangeHeader) {
			e.Value = " "
		}
		e.Value += string(first)
	default:
		e.Value = string(first)
		if len(rest) > 0 {
			args, _, err := cString(CommandEndOfMessage, rest)
			if err != nil {
				return e, true, err
			}
			e.Args = string(args)
		}
	}
	return e, true, nil
}

// Send sends a message and waits for what is to become of it. The first message
// of a connection, and the first after QuitNC, begins with CONNECT and HELO.
func (c *Client) Send(ctx context.Context, m Message) (Outcome, error) {
	var o Outcome
	err := c.SendTo(ctx, &m, &o)
	return o, err
}

// SendTo is like Send, and uses the memory of o again.
func (c *Client) SendTo(ctx context.Context, m *Message, o *Outcome) error {
	*o = Outcome{Edits: o.Edits[:0], Rcpts: o.Rcpts[:0]}
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
	}
	c.macros = m.Macros
	err := c.send(m, o)
	c.macros = nil
	if ctxErr := ctx.Err(); err != nil && ctxErr != nil {
		return ctxErr
	}
	return err
}

// SendPart sends the first octets of a message, at least its header, and leaves
// the filter waiting for the rest.
func (c *Client) SendPart(m *Message, octets int, o *Outcome) error {
	*o = Outcome{}
	c.macros = m.Macros
	defer func() { c.macros = nil }()
	if done, err := c.sendEnvelope(m, o); done || err != nil {
		return err
	}
	if done, err := c.sendHeader(m.Raw, o); done || err != nil {
		return err
	}
	body := bodyOf(m.Raw)
	part := octets - (len(m.Raw) - len(body))
	if _, err := c.sendBody(body[:min(max(part, 0), len(body))], o); err != nil {
		return err
	}
	return c.Flush()
}

func (c *Client) send(m *Message, o *Outcome) error {
	if c.refused.Kind != 0 {
		o.Final, o.Step = c.refused, CommandConnect
		return nil
	}
	if done, err := c.sendEnvelope(m, o); done || err != nil {
		return err
	}
	if done, err := c.sendHeader(m.Raw, o); done || err != nil {
		return err
	}
	if done, err := c.sendBody(bodyOf(m.Raw), o); done || err != nil {
		return err
	}
	edits, r, err := c.endOfMessage(o.Edits)
	o.Edits = edits
	if err != nil {
		return err
	}
	o.Final, o.Step = *r, CommandEndOfMessage
	return nil
}

// decided notes an answer that ends the message.
func (o *Outcome) decided(command byte, r *Answer) bool {
	if !r.Final() {
		return false
	}
	o.Final, o.Step = *r, command
	return true
}

func (c *Client) sendEnvelope(m *Message, o *Outcome) (done bool, err error) {
	if !c.connected {
		r, err := c.Connect(cmp.Or(m.Host, "localhost"), m.Addr)
		if err != nil {
			return true, err
		}
		if o.decided(CommandConnect, r) {
			c.refused = *r
			return true, nil
		}
	}
	if !c.greeted {
		r, err := c.Helo(cmp.Or(m.Helo, m.Host, "localhost"))
		if err != nil || o.decided(CommandHelo, r) {
			return true, err
		}
		c.greeted = true
	}
	r, err := c.Mail(angle(m.From), m.FromArgs...)
	if err != nil || o.decided(CommandMail, r) {
		return true, err
	}
	accepted := len(m.Rcpts) == 0
	for _, rcpt := range m.Rcpts {
		r, err := c.Rcpt(angle(rcpt))
		if err != nil {
			return true, err
		}
		answer := Answer{}
		if r != nil {
			answer = *r
		}
		o.Rcpts = append(o.Rcpts, answer)
		switch answer.Kind {
		case ReplyReject, ReplyTempFail, ReplyCode:
			o.Final, o.Step = answer, CommandRcpt
			continue
		}
		if o.decided(CommandRcpt, r) {
			return true, nil
		}
		accepted = true
	}
	if !accepted {
		c.Abort() // an error shows at the next message
		return true, nil
	}
	o.Final, o.Step = Answer{}, 0
	r, err = c.Data()
	return o.decided(CommandData, r), err
}

func angle(addr string) string {
	if len(addr) > 0 && addr[0] == '<' {
		return addr
	}
	return "<" + addr + ">"
}

// sendHeader sends the fields; folds are given as Postfix gives them, with LF.
func (c *Client) sendHeader(raw []byte, o *Outcome) (done bool, err error) {
	raw = withoutFromLine(raw)
	for {
		field, rest := nextField(raw)
		if field == nil {
			break
		}
		raw = rest
		name, value, _ := bytes.Cut(field, []byte(":"))
		if bytes.IndexByte(value, '\r') >= 0 {
			value = bytes.ReplaceAll(value, []byte("\r\n"), []byte("\n"))
		}
		r, err := c.Header(name, value)
		if err != nil || o.decided(CommandHeader, r) {
			return true, err
		}
	}
	r, err := c.EndOfHeader()
	return o.decided(CommandEndOfHeader, r), err
}

// sendBody sends the body in Postfix's chunks, with CRLF line ends.
func (c *Client) sendBody(body []byte, o *Outcome) (done bool, err error) {
	if c.negotiation.Protocol&NoBody != 0 {
		return false, nil
	}
	if bytes.IndexByte(body, '\n') >= 0 && !bytes.Contains(body, []byte("\r\n")) {
		body = bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))
	}
	for len(body) > 0 && !c.skipBody {
		n := min(len(body), maxBodyChunkBytes)
		r, err := c.Body(body[:n])
		if err != nil || o.decided(CommandBody, r) {
			return true, err
		}
		body = body[n:]
	}
	return false, nil
}
