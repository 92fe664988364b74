package milter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// ClientOptions say how a Client behaves. The zero value offers what Postfix
// offers with milter_protocol = 6.
type ClientOptions struct {
	// Version is offered to the filter, 2 to 6; 0 is 6.
	Version uint32
	// Actions and Protocol are offered; 0 is what Postfix offers for that version.
	Actions  ActionMask
	Protocol ProtocolMask
	// Offer, when not nil, is sent in place of version, actions and protocol.
	Offer *[3]uint32
	// Macros gives the value of a macro (name without braces) at a command; nil
	// or false sends none. Message.Macros are looked at first.
	Macros func(command byte, name string) (string, bool)
	// Timeout of each read and write; 0 is 30 s.
	Timeout time.Duration
}

// Answer is what the filter answered to one step.
type Answer struct {
	Kind byte   // Reply… octet
	Text string // of ReplyCode: "550 5.7.0 text", percent signs single
}

// Client speaks the MTA's side of the protocol, as Postfix does. It serves one
// goroutine. Each step method writes its frame and, when the negotiation says
// that the step is answered, waits for the answer; without an answer due it
// returns nil. Steps that the filter asked to leave out are not sent.
// The reply returned is valid until the next step.
type Client struct {
	conn        net.Conn
	options     ClientOptions
	negotiation Negotiation
	macroNames  [stageCount][]string
	macroAsked  [stageCount]bool
	macros      map[string]string // of the message being sent
	out         []byte
	parts       net.Buffers
	in          []byte
	from, to    int
	timeIsSet   time.Time
	reply       Answer
	connected   bool
	greeted     bool
	refused     Answer // kind 0 while the connection is not decided
	skipBody    bool
}

// Dial connects and negotiates.
func Dial(network, address string, o ClientOptions) (*Client, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	c, err := NewClient(conn, o)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// NewClient negotiates on a connection.
func NewClient(conn net.Conn, o ClientOptions) (*Client, error) {
	c := newRawClient(conn, o)
	if err := c.negotiate(); err != nil {
		return nil, err
	}
	return c, nil
}

// newRawClient is a client that has not negotiated, for hostile dialogues.
func newRawClient(conn net.Conn, o ClientOptions) *Client {
	if o.Version == 0 {
		o.Version = maxVersion
	}
	if o.Actions == 0 {
		o.Actions = AllActions
		if o.Version < 6 {
			o.Actions = 0x3f
		}
	}
	if o.Protocol == 0 {
		o.Protocol = postfixProtocol(o.Version)
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	return &Client{conn: conn, options: o, in: make([]byte, 4096)}
}

// postfixProtocol is what Postfix offers by milter_protocol.
func postfixProtocol(version uint32) ProtocolMask {
	switch {
	case version >= 6:
		return allProtocol
	case version >= 4:
		return protocolV2 | NoUnknown | NoData
	case version == 3:
		return protocolV2 | NoUnknown
	}
	return protocolV2
}

// negotiate offers what the options say, and reads the answer.
func (c *Client) negotiate() error {
	offer := [3]uint32{c.options.Version, uint32(c.options.Actions), uint32(c.options.Protocol)}
	if c.options.Offer != nil {
		offer = *c.options.Offer
	}
	start := c.begin(CommandNegotiate)
	for _, v := range offer {
		c.out = binary.BigEndian.AppendUint32(c.out, v)
	}
	c.end(start)
	kind, data, err := c.readFrame()
	if err != nil {
		return fmt.Errorf("negotiation: %w", err)
	}
	if kind != replyNegotiate || len(data) < negotiatePartBytes {
		return fmt.Errorf("%w: negotiation answered with %s", ErrProtocol, quote(append([]byte{kind}, data...)))
	}
	n := Negotiation{
		Version:         binary.BigEndian.Uint32(data),
		Actions:         ActionMask(binary.BigEndian.Uint32(data[4:])),
		Protocol:        ProtocolMask(binary.BigEndian.Uint32(data[8:])),
		OfferedActions:  ActionMask(offer[1]),
		OfferedProtocol: ProtocolMask(offer[2]),
	}
	if n.Version > offer[0] || n.Actions&^n.OfferedActions != 0 || n.Protocol&^n.OfferedProtocol != 0 {
		return fmt.Errorf("%w: the filter wants version %d, actions %#x, protocol %#x; offered were %d, %#x, %#x", ErrProtocol,
			n.Version, n.Actions, n.Protocol, offer[0], offer[1], offer[2])
	}
	n.LeadingSpace = n.Protocol&HeaderLeadingSpace != 0
	n.Skip = n.Protocol&CanSkip != 0
	c.negotiation = n
	return c.readMacroNames(data[negotiatePartBytes:])
}

func (c *Client) readMacroNames(data []byte) error {
	for len(data) > 0 {
		if len(data) < 5 {
			return fmt.Errorf("%w: short macro list", ErrProtocol)
		}
		stage := binary.BigEndian.Uint32(data)
		list, rest, err := cString(CommandNegotiate, data[4:])
		if err != nil {
			return err
		}
		if stage < uint32(stageCount) {
			c.macroNames[stage], c.macroAsked[stage] = strings.Fields(string(list)), true
		}
		data = rest
	}
	return nil
}

// Negotiation returns what the filter and the client agreed to.
func (c *Client) Negotiation() Negotiation { return c.negotiation }

// MacroNames returns the macros the filter asked for at a stage with SETSYMLIST.
func (c *Client) MacroNames(s Stage) (names []string, asked bool) {
	return c.macroNames[s], c.macroAsked[s]
}

func (c *Client) begin(command byte) int {
	c.out = append(c.out, 0, 0, 0, 0, command)
	return len(c.out) - frameHeadBytes
}

func (c *Client) end(start int) { c.out = endFrame(c.out, start) }

// Queue appends a frame to what the next Flush sends, whatever it is.
func (c *Client) Queue(command byte, data ...[]byte) {
	start := c.begin(command)
	for _, d := range data {
		c.out = append(c.out, d...)
	}
	c.end(start)
}

// queueBody is Queue for body chunks, which are sent without a copy and at once.
func (c *Client) queueBody(chunk []byte) error {
	if len(chunk) < 16<<10 && len(c.out) < maxBodyChunkBytes {
		c.Queue(CommandBody, chunk)
		return nil
	}
	c.out = append(binary.BigEndian.AppendUint32(c.out, uint32(len(chunk)+1)), CommandBody)
	c.setDeadline()
	c.parts = append(c.parts[:0], c.out, chunk)
	buffers := c.parts
	_, err := buffers.WriteTo(c.conn)
	c.out = c.out[:0]
	return err
}

// queueRaw appends octets without a frame around them.
func (c *Client) queueRaw(b []byte) { c.out = append(c.out, b...) }

// Flush sends what was queued in one write.
func (c *Client) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	c.setDeadline()
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > 4*maxBodyChunkBytes {
		c.out = nil
	}
	return err
}

// setDeadline renews the deadline when a quarter of the time-out has passed.
func (c *Client) setDeadline() {
	if now := time.Now(); now.Sub(c.timeIsSet) > c.options.Timeout/4 {
		c.timeIsSet = now
		c.conn.SetDeadline(now.Add(c.options.Timeout + c.options.Timeout/4))
	}
}

const maxReplyFrameBytes = 4 << 20

// readFrame sends what is queued and reads a frame. data is valid until the next call.
func (c *Client) readFrame() (kind byte, data []byte, err error) {
	if err := c.Flush(); err != nil {
		return 0, nil, err
	}
	if err := c.fill(frameHeadBytes); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(c.in[c.from:])
	if length == 0 || length > maxReplyFrameBytes {
		return 0, nil, fmt.Errorf("%w: reply of length %d", ErrProtocol, length)
	}
	if err := c.fill(4 + int(length)); err != nil {
		return 0, nil, err
	}
	frame := c.in[c.from+4 : c.from+4+int(length)]
	c.from += 4 + int(length)
	return frame[0], frame[1:], nil
}

func (c *Client) fill(need int) error {
	for c.to-c.from < need {
		if c.from > 0 {
			c.to = copy(c.in, c.in[c.from:c.to])
			c.from = 0
		}
		if need > len(c.in) {
			c.in = append(c.in, make([]byte, need-len(c.in))...)
		}
		c.setDeadline()
		n, err := c.conn.Read(c.in[c.to:])
		c.to += n
		if n == 0 && err != nil {
			if err == io.EOF && c.to > c.from {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// ReadReply reads one answer, past progress notes. It is for those who Queue
// frames themselves; the step methods call it when an answer is due.
func (c *Client) ReadReply() (*Answer, error) {
	for {
		kind, data, err := c.readFrame()
		if err != nil {
			return nil, err
		}
		if kind == ReplyProgress {
			continue
		}
		return c.toReply(kind, data)
	}
}

func (c *Client) toReply(kind byte, data []byte) (*Answer, error) {
	c.reply = Answer{Kind: kind}
	switch kind {
	case ReplyContinue, ReplyAccept, ReplyReject, ReplyDiscard, ReplyTempFail, ReplySkip, ReplyShutdown, ReplyConnFail:
	case ReplyCode:
		if len(data) < 4 || data[len(data)-1] != 0 {
			return nil, fmt.Errorf("%w: malformed reply %s", ErrProtocol, quote(data))
		}
		c.reply.Text = strings.ReplaceAll(string(data[:len(data)-1]), "%%", "%")
	default:
		return nil, fmt.Errorf("%w: unexpected reply %s", ErrProtocol, quote(append([]byte{kind}, data...)))
	}
	return &c.reply, nil
}

// Final reports whether the answer ends the message, at steps other than RCPT.
func (r *Answer) Final() bool {
	return r != nil && r.Kind != ReplyContinue && r.Kind != ReplySkip
}

// String returns the answer in words, as Response.String does, and "no answer" for nil.
func (r *Answer) String() string {
	if r == nil {
		return "no answer"
	}
	if r.Kind == ReplyCode {
		return r.Text
	}
	return Response([]byte{r.Kind}).String()
}

// Close closes the connection without QUIT.
func (c *Client) Close() error { return c.conn.Close() }

// Quit says QUIT and closes the connection.
func (c *Client) Quit() error {
	c.Queue(CommandQuit)
	return errors.Join(c.Flush(), c.conn.Close())
}
