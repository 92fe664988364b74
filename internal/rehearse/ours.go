package rehearse

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"dojang/internal/filter"
	"dojang/milter"
)

// patience is how long our half may take for one step before it counts as hung.
const patience = 2 * time.Minute

// everyStep are all steps of the protocol.
const everyStep = milter.StepConnect | milter.StepHelo | milter.StepMail | milter.StepRcpt | milter.StepData |
	milter.StepHeader | milter.StepEndOfHeader | milter.StepBody | milter.StepUnknown

// Protocol bits by what they mean here.
const (
	leftOut = milter.NoConnect | milter.NoHelo | milter.NoMail | milter.NoRcpt | milter.NoBody | milter.NoHeaders |
		milter.NoEndOfHeader | milter.NoUnknown | milter.NoData
	unanswered = milter.NoReplyConnect | milter.NoReplyHelo | milter.NoReplyMail | milter.NoReplyRcpt | milter.NoReplyData |
		milter.NoReplyUnknown | milter.NoReplyEndOfHeader | milter.NoReplyBody | milter.NoReplyHeader
)

// ours is our filter on one connection, which sees what the old one sees. It answers
// CONNECT and the end of each message; what it would answer earlier it tells then.
type ours struct {
	client  *milter.Client
	server  *milter.Server
	journal *journal

	mu     sync.Mutex
	broken string // what ended our half, by its own words
}

// newOurs starts our half. offered are the MTA's actions, agreed what the old filter
// agreed to.
func newOurs(s *filter.Snapshot, offered milter.ActionMask, agreed milter.ProtocolMask) (*ours, error) {
	o := &ours{journal: &journal{}}
	own := &filter.Snapshot{Snapshot: s.Snapshot, PeerList: s.PeerList, Actions: s.Actions, MacroNames: s.MacroNames, Milter: s.Milter}
	own.Log = slog.New(o.journal)
	own.LogWhy, own.LogResults, own.SyslogSuccess = true, true, true
	own.Reporter, own.Recorder = nil, nil
	f := filter.New(own, nil, nil)
	f.LeaveNothing()
	newSession := f.SessionMaker(filter.AsConfigured)
	asAgreed := func(c *milter.Conn) milter.Session { // its dialogue is the one that the old filter agreed to
		session, asked := newSession(c), c.Options()
		asked.Skip, asked.NoReply, asked.WantSkip, asked.Macros = everyStep, everyStep&^milter.StepConnect, false, nil
		return session
	}
	o.server = milter.NewServer(asAgreed, milter.Options{
		WriteTimeout: 24 * time.Hour, // the old filter's answer comes first
		ErrorLog:     func(err error, _ string) { o.breakOff(err.Error()) },
		OnPanic: func(v any, _ []byte) milter.Response {
			o.breakOff(fmt.Sprintf("panic: %.256v", v))
			return milter.TempFail
		},
	})
	near, far := net.Pipe()
	go o.server.Serve(&oneConn{conn: far, closed: make(chan struct{})})
	offer := [3]uint32{6, uint32(offered), uint32(agreed&(leftOut|milter.HeaderLeadingSpace) | unanswered)}
	client, err := milter.NewClient(near, milter.ClientOptions{Offer: &offer, Timeout: patience})
	if err != nil {
		o.server.Close()
		return nil, errors.New(o.why(err))
	}
	o.client = client
	return o, nil
}

func (o *ours) breakOff(why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken == "" {
		o.broken = why
	}
}

// why is what ended our half, err where it said nothing itself.
func (o *ours) why(err error) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken == "" {
		return err.Error()
	}
	return o.broken
}

func (o *ours) close() {
	o.client.Close()
	o.server.Close()
}

// tell forwards one frame of the MTA.
func (o *ours) tell(command byte, data []byte) error {
	o.client.Queue(command, data)
	return o.client.Flush()
}

// decision is what a filter wants done with a message.
type decision struct {
	edits []milter.Edit
	kind  byte   // of the final answer
	reply string // the final answer, in words
}

// answer is what our filter says to CONNECT.
func (o *ours) answer() (*milter.Answer, error) { return o.client.ReadReply() }

// end ends the message and returns what our filter decided.
func (o *ours) end() (*decision, error) {
	edits, answer, err := o.client.EndOfMessage()
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	broken := o.broken
	o.mu.Unlock()
	if broken != "" {
		return nil, errors.New(broken)
	}
	return &decision{edits: edits, kind: answer.Kind, reply: answer.String()}, nil
}

// oneConn is a listener with one connection.
type oneConn struct {
	mu     sync.Mutex
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	l.mu.Lock()
	conn := l.conn
	l.conn = nil
	l.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "rehearsal"} }
