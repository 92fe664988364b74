// Package filter serves the MTA's connections: it hands on what the MTA tells to
// message, and turns the outcome into edits and an answer. It decides nothing itself.
package filter

import (
	"sync"
	"sync/atomic"
	"time"

	"dojang/internal/message"
	"dojang/internal/policy"
	"dojang/milter"
)

// Snapshot is one configuration at work: what messages are judged by, and what is
// asked of the MTA. It does not change; a reload makes another. A connection keeps the
// one it started with to its end.
type Snapshot struct {
	message.Snapshot
	PeerList    policy.HostMatcher // clients that are let pass unseen; nil for none
	MilterDebug int                // tell the talk with the MTA: 1 connections … 6 bodies
	Actions     milter.ActionMask  // edits that the options in force need
	MacroNames  []string           // macros that the options in force need, beside the usual ones
	Milter      MilterOptions

	close func()
	users atomic.Int64
	once  sync.Once
}

// MilterOptions tell how much of the dialogue is asked for.
type MilterOptions struct {
	SkipBody bool // the body's rest can be declined: verifying, or l= in use
}

// Filter serves connections with the current Snapshot.
type Filter struct {
	current  atomic.Pointer[Snapshot]
	observer Observer
	services *message.Services
	effects  message.Effects
	activity atomic.Uint64
}

// LeaveNothing has messages leave nothing behind but their answers. It is called before
// the first connection.
func (f *Filter) LeaveNothing() { f.effects = message.Effects{} }

// Activity grows with every connection and message.
func (f *Filter) Activity() uint64 { return f.activity.Load() }

// New returns a Filter that starts with s. observer may be nil for none, now for the
// system's clock.
func New(s *Snapshot, observer Observer, now func() time.Time) *Filter {
	f := &Filter{observer: observer, services: message.NewServices(observer, now), effects: message.All}
	if observer == nil {
		f.observer = noObserver{}
	}
	s.users.Store(1)
	f.current.Store(s)
	return f
}

// OnClose sets what to close when the snapshot is replaced and its last
// connection has left. It is called before New or Swap.
func (s *Snapshot) OnClose(f func()) { s.close = f }

// Discard closes a snapshot that was never served.
func (s *Snapshot) Discard() {
	if s.close != nil {
		s.once.Do(s.close)
	}
}

// Swap makes s the snapshot of every connection that comes from now on. The old
// one is closed when its last connection leaves.
func (f *Filter) Swap(s *Snapshot) {
	s.users.Store(1)
	f.current.Swap(s).release()
}

// Current returns the snapshot in force. It is for looking, not for keeping.
func (f *Filter) Current() *Snapshot { return f.current.Load() }

// Close lets go of the current snapshot.
func (f *Filter) Close() { f.current.Load().release() }

// acquire pins the current snapshot. A count of zero means that it has just
// been replaced and closed; then there is a newer one.
func (f *Filter) acquire() *Snapshot {
	for {
		s := f.current.Load()
		for n := s.users.Load(); n > 0; n = s.users.Load() {
			if s.users.CompareAndSwap(n, n+1) {
				return s
			}
		}
	}
}

func (s *Snapshot) release() {
	if s.users.Add(-1) == 0 {
		s.Discard()
	}
}

// Role narrows what is done with mail from one socket.
type Role uint8

// The roles.
const (
	AsConfigured Role = iota
	SignOnly
	VerifyOnly
)

// SessionMaker returns what starts a connection; it is given to
// milter.NewServer, one for each role.
func (f *Filter) SessionMaker(role Role) func(*milter.Conn) milter.Session {
	return func(c *milter.Conn) milter.Session {
		s := &session{filter: f, conn: c, snapshot: f.acquire(), role: role}
		s.snapshot.ask(c.Options())
		if s.snapshot.MilterDebug > 0 {
			return traced{s, s.snapshot.MilterDebug}
		}
		return s
	}
}
