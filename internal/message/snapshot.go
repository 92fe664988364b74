// Package message is the way of one message, from its header to what is done with it:
// it asks policy what to do, feeds header and body to signers and verifier, looks up
// keys, runs scripts, and leaves reports, figures and copies. It decides nothing itself,
// and knows no socket: the filter walks it step by step (Services.Begin), tools in one
// call for a message that is there whole (Services.Whole).
package message

import (
	"context"
	"crypto"
	"crypto/rsa"
	"log/slog"
	"sync"
	"time"

	"dojang/internal/event"
	"dojang/internal/policy"
	"dojang/internal/resolver"
)

// Snapshot is what messages are judged by: rules with their tables, resolver, log.
// It does not change.
type Snapshot struct {
	Rules    *policy.Rules
	Resolver resolver.Resolver
	Log      *slog.Logger
	Reporter Reporter // what messages leave to be done; nil for none
	Recorder Recorder // remembers what became of messages; nil for none

	LogWhy        bool // tell the way to each decision
	LogResults    bool // tell the result of each signature
	SyslogSuccess bool // tell successful signing and verifying

	TemporaryDirectory string        // where canonical headers and bodies are written; "": nowhere
	MaximumHeaderBytes int           // 0: no limit
	MessageTimeBudget  time.Duration // for look-ups; 0: 30 seconds
	FixCRLF            bool
	// FastRSA returns what checks signatures of a key faster than crypto/rsa does,
	// nil when nothing does; see dkim.KeyAnswer.VerifyRSA. It may be nil.
	FastRSA func(*rsa.PublicKey) func(h crypto.Hash, digest, signature []byte) bool
}

// Budget returns a context in which everything that may wait for others must be done.
func (s *Snapshot) Budget(parent context.Context) (context.Context, context.CancelFunc) {
	length := s.MessageTimeBudget
	if length <= 0 {
		length = 30 * time.Second
	}
	b := newBudget(parent, length)
	return b, b.end
}

// Effects are what a message may leave behind in the world beside its answer. The zero
// Effects leave nothing.
type Effects struct {
	Reports        bool // failure reports are sent
	Diagnoses      bool // and written, for DiagnosticDirectory
	Statistics     bool // the message is recorded
	TemporaryFiles bool // canonical texts are kept in files
	Counters       bool // the message counts: for the limits of its domains, in metrics and the status
}

// TestMacro is the macro by which a tool on the MTA's side says that a message is a test
// of its own, which leaves nothing. No client of an MTA can set a macro.
const TestMacro = "{dojang_test}"

// All is what the filter does.
var All = Effects{Reports: true, Diagnoses: true, Statistics: true, TemporaryFiles: true, Counters: true}

// Services are what messages share that outlives a snapshot: clock, observer, parsed
// keys, buffers.
type Services struct {
	now      func() time.Time
	observer Observer
	keys     keyCache
	pool     sync.Pool
	once     sync.Map // names of events that are told once
}

// NewServices returns Services. observer may be nil for none, now for the system's
// clock.
func NewServices(observer Observer, now func() time.Time) *Services {
	if observer == nil {
		observer = noObserver{}
	}
	if now == nil {
		now = time.Now
	}
	return &Services{now: now, observer: observer}
}

// maxLines is how many lines of one kind are told of a message at a time: a hostile
// one may give reason to thousands.
const maxLines = 16

// Tell logs what there is to tell of a message, as far as the options ask for it; of
// too many lines of one kind, how many more there would have been.
func (m *Message) Tell(notes ...policy.Note) {
	var kinds map[string]int
	if len(notes) > maxLines {
		kinds = make(map[string]int)
	}
	for _, n := range notes {
		if kinds != nil {
			if kinds[n.Event.Name]++; kinds[n.Event.Name] > maxLines {
				continue
			}
		}
		if m.snapshot.Recorder != nil && n.Event.Name != event.Summary("").Name {
			m.events = append(m.events, n.Event.Name)
		}
		if n.Once {
			if _, told := m.services.once.LoadOrStore(n.Event.Name, nil); told {
				continue
			}
		}
		m.snapshot.log(m.facts.JobID, n)
	}
	for _, n := range notes {
		if more := kinds[n.Event.Name] - maxLines; more > 0 {
			delete(kinds, n.Event.Name)
			n.Event = event.More(n.Event.Name, more) // told where lines of that kind are
			m.snapshot.log(m.facts.JobID, n)
		}
	}
}

// log writes one note, unless it is for LogWhy and that is not set.
func (s *Snapshot) log(jobID string, n policy.Note) {
	if n.Why && !s.LogWhy || n.Success && !s.SyslogSuccess || n.Results && !s.LogResults {
		return
	}
	n.Event.Write(s.Log, jobID)
}
