package milter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// phase is how far a connection has come.
type phase uint8

const (
	phaseNegotiate phase = iota // nothing yet
	phaseConnect                // negotiated
	phaseBetween                // connected; no message
	phaseMail                   // within a message, from here on
	phaseRcpt
	phaseData
	phaseHeader
	phaseEndOfHeader
	phaseBody
)

// Conn is one connection of an MTA, given to the function that makes its Session.
// Its methods may be called by the Session's methods only.
type Conn struct {
	server      *Server
	options     Options // as newSession left them
	nc          net.Conn
	in          *reader
	session     Session
	negotiation Negotiation
	macros      macroStore

	phase    phase
	command  byte // being handled
	bodyLeft int  // octets of a body frame not yet read
	skipBody bool
	// verdict is the answer that ended the message (or, refused, the connection)
	// early; owed says that the MTA has not been told yet.
	verdict Response
	refused bool
	owed    bool

	closed    atomic.Bool // by Server.Close
	deadline  time.Time   // of reads, as last set
	frameEnds time.Time   // when the frame begun must be complete; zero while it need not wait
	inFrame   bool        // a frame's head is read, its rest perhaps not
	out       []byte      // replies not yet sent
	small     [48]byte    // what out begins with
	lentOut   *[]byte     // or what it was lent for the edits
	edits     Edits
	writer    writer
}

func newConn(s *Server, nc net.Conn) *Conn {
	c := &Conn{server: s, options: s.options, nc: nc, in: newReader(nc, &s.buffers, s.options.MaxFrameBytes)}
	c.out = c.small[:0]
	c.edits.conn = c
	c.writer.init(nc, c.in.raw)
	return c
}

// Options returns this connection's copy of the server's Options. The function that
// makes the connection's first Session may change what is asked of the MTA: Actions,
// Required, NoReply, Skip, WantSkip, WantHeaderLeadingSpace and Macros (a map of its own:
// the server's is shared). Changes of limits and time-outs, and later ones, do nothing.
func (c *Conn) Options() *Options { return &c.options }

// Macro returns the value of a macro, "" when the MTA sent none; the name with or
// without braces. The latest stage that has it wins.
func (c *Conn) Macro(name string) string {
	v, _ := c.macros.lookup(name)
	return string(v)
}

// LookupMacro is like Macro, and tells an empty value from none. The
// slice is valid during the Session's call only.
func (c *Conn) LookupMacro(name string) ([]byte, bool) { return c.macros.lookup(name) }

// Negotiation returns what the MTA and the server agreed to.
func (c *Conn) Negotiation() Negotiation { return c.negotiation }

// RemoteSocket returns the MTA's end of the connection, not the SMTP client's.
func (c *Conn) RemoteSocket() net.Addr { return c.nc.RemoteAddr() }

// LocalSocket returns the filter's end.
func (c *Conn) LocalSocket() net.Addr { return c.nc.LocalAddr() }

// Context ends when the server is closed, or its Shutdown ran out of time.
func (c *Conn) Context() context.Context { return c.server.ctx }

// serve runs the connection to its end.
func (c *Conn) serve() {
	err := c.guarded(c.run)
	if p, ok := err.(*panicError); ok {
		c.logError(p)
		answer := c.server.options.OnPanic(p.value, p.stack)
		if answer.goesOn() {
			answer = TempFail
		}
		err = c.lastAnswer(p.command, answer)
	}
	if err != nil && !quiet(err, c) {
		c.logError(err)
	}
	if c.session != nil {
		if perr := c.guarded(func() error { c.endSession(); return nil }); perr != nil {
			c.logError(perr)
		}
	}
	c.in.giveBack()
	c.nc.Close()
}

type panicError struct {
	value   any
	stack   []byte
	command byte
}

func (p *panicError) Error() string { return fmt.Sprintf("%v: %.256v", ErrPanic, p.value) }
func (p *panicError) Unwrap() error { return ErrPanic }

// guarded is the only place that recovers.
func (c *Conn) guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack(), command: c.command}
		}
	}()
	return f()
}

// quiet tells ends that are nobody's fault.
func quiet(err error, c *Conn) bool {
	if errors.Is(err, errQuit) || errors.Is(err, ErrServerClosed) {
		return true
	}
	if c.closed.Load() {
		return true
	}
	return errors.Is(err, io.EOF) // between two frames: Sendmail leaves so whenever its client does within DATA
}

var errQuit = errors.New("quit")

func (c *Conn) logError(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("timed out waiting for the MTA: %w", err)
	}
	c.server.options.ErrorLog(err, c.remoteName())
}

func (c *Conn) remoteName() string {
	if a := c.nc.RemoteAddr(); a != nil && a.String() != "" && a.String() != "@" { // a UNIX socket without name
		return a.String()
	}
	return "local"
}

// endSession tells the session that it is over.
func (c *Conn) endSession() {
	s := c.session
	c.session = nil
	if c.phase >= phaseMail {
		c.phase = phaseBetween
		defer s.Close()
		s.Abort()
		return
	}
	s.Close()
}

// fill waits until need octets are buffered. Replies are sent before it blocks.
func (c *Conn) fill(need int) error {
	for c.in.buffered() < need || c.in.buf == nil {
		if err := c.flush(); err != nil {
			return err
		}
		c.arm()
		if c.server.draining.Load() && c.isIdle() {
			return ErrServerClosed
		}
		err := c.in.readMore(need)
		switch {
		case err == nil:
		case c.woken(err):
			c.deadline = time.Time{} // is not the one that is set
		case err == io.EOF && (c.inFrame || c.in.buffered() > 0):
			return fmt.Errorf("connection closed within a frame: %w", io.ErrUnexpectedEOF)
		default:
			return err
		}
	}
	return nil
}

// isIdle reports whether the connection can be closed without losing a message. Half
// a frame is none: a client that never sends the rest must not hold a stop up. But an
// MTA that is not answered sends MAIL and goes on, so a message that has arrived is in
// hand, read or not.
func (c *Conn) isIdle() bool { return c.phase < phaseMail && !c.owed && !pending(c.nc) }

// wake makes a read that waits end, after the server has begun to drain. What becomes
// of the connection only its own goroutine can tell: it may just have read a message.
func (c *Conn) wake() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }

// woken reports whether a read ended by wake, and not because its time was up.
func (c *Conn) woken(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && c.server.draining.Load() && time.Now().Before(c.deadline)
}

// arm sets the read deadline of the phase. Setting one costs, so it is given an
// eighth more and left alone while at least the time-out remains.
func (c *Conn) arm() {
	o := &c.server.options
	now := time.Now()
	if c.frameEnds.IsZero() && (c.inFrame || c.in.buffered() > 0) {
		c.frameEnds = now.Add(o.FrameTimeout)
	}
	timeout := o.CommandTimeout
	switch {
	case c.phase == phaseNegotiate:
		timeout = o.NegotiateTimeout
	case c.phase < phaseMail:
		timeout = o.IdleTimeout
	}
	deadline := now.Add(timeout)
	switch {
	case !c.frameEnds.IsZero() && c.frameEnds.Before(deadline):
		c.deadline = c.frameEnds
	case !c.deadline.Before(deadline) && !c.deadline.After(deadline.Add(timeout/8)):
		return
	default:
		c.deadline = deadline.Add(timeout / 8)
	}
	_ = c.nc.SetReadDeadline(c.deadline)
}

// frame reads the next frame's head.
func (c *Conn) frame() (command byte, size int, err error) {
	c.frameEnds, c.inFrame = time.Time{}, false
	if err := c.fill(lengthBytes); err != nil {
		return 0, 0, err
	}
	size, err = c.in.frameSize()
	if err != nil {
		return 0, 0, err
	}
	if err := c.fill(frameHeadBytes); err != nil {
		return 0, 0, err
	}
	command, c.inFrame = c.in.command(), true
	if c.phase == phaseNegotiate && size > maxNegotiateBytes {
		err = protocolError(command, "%w: %d octets before the negotiation", ErrFrameTooLong, size+1)
	}
	return command, size, err
}

// payload reads the rest of a frame whole.
func (c *Conn) payload(size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	if err := c.fill(size); err != nil {
		return nil, err
	}
	return c.in.take(size), nil
}

// flush sends what is to be sent.
func (c *Conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.write(c.out)
	if c.lentOut != nil {
		*c.lentOut = c.out[:0]
		c.server.outs.put(c.lentOut)
		c.lentOut = nil
	}
	c.out = c.small[:0]
	return err
}

func (c *Conn) write(b []byte) error {
	return c.writer.write(b, c.server.options.WriteTimeout)
}

// lendOut gives out a longer buffer, for edits.
func (c *Conn) lendOut() {
	if c.lentOut == nil {
		c.lentOut = c.server.outs.get()
		c.out = append(*c.lentOut, c.out...)
	}
}
