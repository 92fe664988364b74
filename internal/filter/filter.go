// Package filter carries a message through its life: it collects what the MTA
// tells, asks policy what to do, feeds header and body to signers and verifier,
// and turns the outcome into edits and an answer. It decides nothing itself.
package filter

import (
	"context"
	"crypto"
	"crypto/rsa"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"dojang/internal/policy"
	"dojang/internal/resolver"
	"dojang/milter"
)

// Snapshot is one configuration at work: rules, tables, resolver, log.
// It does not change; a reload makes another. A connection keeps the one it
// started with to its end.
type Snapshot struct {
	Rules    *policy.Rules
	PeerList policy.HostMatcher // clients that are let pass unseen; nil for none
	Resolver resolver.Resolver
	Log      *slog.Logger
	Reporter Reporter // what messages leave to be done; nil for none

	LogWhy        bool // tell the way to each decision
	LogResults    bool // tell the result of each signature
	SyslogSuccess bool // tell successful signing and verifying
	MilterDebug   int  // tell the talk with the MTA: 1 connections … 6 bodies

	TemporaryDirectory string        // where canonical headers and bodies are written; "": nowhere
	MaximumHeaderBytes int           // 0: no limit
	MessageTimeBudget  time.Duration // for look-ups; 0: 30 seconds
	FixCRLF            bool
	Actions            milter.ActionMask // edits that the options in force need
	MacroNames         []string          // macros that the options in force need, beside the usual ones
	Milter             MilterOptions
	// FastRSA returns what checks signatures of a key faster than crypto/rsa does,
	// nil when nothing does; see dkim.KeyRecord.VerifyRSA. It may be nil.
	FastRSA func(*rsa.PublicKey) func(h crypto.Hash, digest, signature []byte) bool

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
	now      func() time.Time
	noJobID  sync.Once // told once: it is about the MTA, not about a message
	messages messagePool
	keys     keyCache
	activity atomic.Uint64
}

// Activity grows with every connection and message.
func (f *Filter) Activity() uint64 { return f.activity.Load() }

// New returns a Filter that starts with s. observer may be nil.
func New(s *Snapshot, observer Observer, now func() time.Time) *Filter {
	if observer == nil {
		observer = noObserver{}
	}
	if now == nil {
		now = time.Now
	}
	f := &Filter{observer: observer, now: now}
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

func (s *Snapshot) budget() time.Duration {
	if s.MessageTimeBudget > 0 {
		return s.MessageTimeBudget
	}
	return 30 * time.Second
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
		if s.snapshot.MilterDebug > 0 {
			return traced{s, s.snapshot.MilterDebug}
		}
		return s
	}
}

// log writes one note, unless it is for LogWhy and that is not set.
func (s *Snapshot) log(jobID string, n policy.Note) {
	if n.Why && !s.LogWhy || n.Success && !s.SyslogSuccess || n.Results && !s.LogResults {
		return
	}
	if !s.Log.Enabled(context.Background(), n.Event.Level) {
		return
	}
	text := n.Event.Text
	if !n.Event.NoJob {
		text = jobID + ": " + text
	}
	attrs := append(make([]slog.Attr, 0, len(n.Event.Attrs)+2), slog.String("event", n.Event.Name), slog.String("job", jobID))
	s.Log.LogAttrs(context.Background(), n.Event.Level, text, append(attrs, n.Event.Attrs...)...)
}
