package filter

import (
	"context"
	"crypto"
	"sync"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/policy"
	"dojang/milter"
)

// maxRecipients and maxRecipientBytes bound what one envelope may make us
// remember. Recipients beyond are not looked at: no option of ours needs them all,
// no MTA sends so many.
const (
	maxRecipients     = 100_000
	maxRecipientBytes = 16 << 20
)

// message is one message of a connection. Its buffers are used again for the
// next one; everything else is dropped by end.
type message struct {
	started    time.Time
	ctx        context.Context
	cancel     context.CancelFunc
	sender     string
	recipients []string
	rcptBytes  int // of recipients
	fields     header.List
	overflow   bool
	bodies     dkim.BodyHashes
	bodyBytes  int64
	facts      policy.Facts
	plan       *policy.Plan
	quarantine string // decided before the message's end
	signers    []signing
	signError  error
	verifier   *dkim.Verifier
	lookups    sync.WaitGroup
	answers    []keyAnswer
	questions  []keyAnswer
	kept       func(dkim.Canonicalization) []byte // canonical bodies that are kept; nil when none is
	bodyHash   *dkim.BodyHash                     // for reputation; nil when that is not asked
	working    bool                               // a step is under way; still set after a panic
}

// messagePool lends messages to connections: one that waits for its next
// message, as most do most of the time, holds no buffers for it.
type messagePool struct{ pool sync.Pool }

func (p *messagePool) get() *message {
	if m, ok := p.pool.Get().(*message); ok {
		return m
	}
	return new(message)
}

// put takes back a message after its end, unless work on it broke off: nobody
// knows what that left behind.
func (p *messagePool) put(m *message) {
	if !m.working {
		p.pool.Put(m)
	}
}

// signing is one signature in the making.
type signing struct {
	request policy.SignRequest
	signer  *dkim.Signer
}

func (m *message) begin(s *session, sender string) {
	m.started = s.filter.now()
	m.sender = sender
	m.bodies.Reset()
	m.bodies.FixCRLF = s.snapshot.FixCRLF
}

func (m *message) addRecipient(address string) {
	if len(m.recipients) < maxRecipients && m.rcptBytes+len(address) <= maxRecipientBytes {
		m.recipients = append(m.recipients, address)
		m.rcptBytes += len(address)
	}
}

// end drops the message. Look-ups still under way are cancelled and joined.
func (m *message) end() {
	if m.cancel != nil {
		m.cancel()
		m.lookups.Wait()
	}
	m.ctx, m.cancel, m.plan, m.verifier, m.signError = nil, nil, nil, nil, nil
	m.facts = policy.Facts{}
	m.sender, m.quarantine, m.overflow, m.bodyBytes = "", "", false, 0
	clear(m.recipients)
	m.recipients, m.rcptBytes = m.recipients[:0], 0
	clear(m.signers)
	m.signers = m.signers[:0]
	clear(m.answers)
	m.answers = m.answers[:0]
	m.kept, m.bodyHash = nil, nil
	clear(m.questions)
	m.questions = m.questions[:0]
	m.fields.Reset()
	m.bodies.Reset()
}

// budget returns the context in which everything that may wait for others must
// be done.
func (s *session) budget() (context.Context, context.CancelFunc) {
	b := newBudget(s.conn.Context(), s.snapshot.budget())
	return b, b.end
}

const unknownJobID = "(unknown-jobid)"

func (s *session) jobID() string {
	if id := s.conn.Macro("i"); id != "" {
		return id
	}
	return unknownJobID
}

// decide makes the plan and starts what it says: signers, verifier, and the
// look-ups of keys, which go on while the body arrives.
func (m *message) decide(s *session) {
	m.ctx, m.cancel = s.budget()
	m.facts = policy.Facts{
		JobID:          s.jobID(),
		ClientName:     s.clientName,
		ClientAddr:     s.clientAddr,
		Sender:         m.sender,
		Recipients:     m.recipients,
		Fields:         &m.fields,
		Macro:          s.conn.Macro,
		HeaderOverflow: m.overflow,
		SignOnly:       s.role == SignOnly,
		VerifyOnly:     s.role == VerifyOnly,
	}
	rules := s.snapshot.Rules
	m.plan = rules.Plan(m.ctx, &m.facts)
	s.tell(m.plan.Notes)
	if m.plan.Reply.Action != policy.Continue {
		return
	}
	m.prepareSigners(s)
	if m.plan.Verify {
		m.verifier = dkim.NewVerifier(rules.Verdicts.VerifyOptions(m.plan, s.filter.now()), m.plan.Header(&m.fields), &m.bodies)
		m.keepBodies(rules)
		if rules.AsksReputation(m.plan) {
			m.bodyHash = m.bodies.Want(dkim.Simple, crypto.SHA256, -1)
		}
	}
	m.keepForFiles(s)
	if m.screen(s) && m.verifier != nil {
		m.startLookups(s)
		m.startQuestions(s)
	}
}

func (s *session) tell(notes []policy.Note) {
	for _, n := range notes {
		if n.Event.Name == event.NoJobID().Name {
			s.filter.noJobID.Do(func() { s.snapshot.log(s.message.facts.JobID, n) })
			continue
		}
		s.snapshot.log(s.message.facts.JobID, n)
	}
}

// prepareSigners makes a signer for each request. Since a signature that cannot
// be made may still matter little (another one can), the error is kept for the
// end of the message.
func (m *message) prepareSigners(s *session) {
	rules := s.snapshot.Rules
	fields := rules.Signing.Replaced(m.plan.Header(&m.fields))
	for _, request := range m.plan.Sign {
		signer, err := dkim.NewSigner(rules.SignOptions(&m.facts, m.plan, request, s.filter.now()), fields, &m.bodies)
		if err != nil {
			m.signError = err
			continue
		}
		m.signers = append(m.signers, signing{request, signer})
	}
}

// finish answers the message's end.
func (m *message) finish(s *session, e *milter.Edits) policy.Reply {
	m.bodies.Close()
	verdict := policy.Verdict{Now: s.filter.now()}
	if m.verifier != nil {
		verdict.Kept = m.kept
		m.joinLookups(s)
		verdict.Results = m.verifier.Finish()
		verdict.Answers = m.questionsAnswered()
		for i := range verdict.Results {
			s.filter.observer.Verified(verdict.Results[i])
		}
	}
	verdict.Results = m.runFinal(s, verdict.Results)
	if s.snapshot.Rules.SignsNow(&m.facts, m.plan, verdict.Results) {
		verdict.Signatures, verdict.SignError = m.sign(s)
	}
	if m.bodyHash != nil {
		s.snapshot.Rules.AskReputation(m.ctx, &m.facts, m.plan, &verdict, m.bodyHash.Sum())
	}
	m.writeFiles(s, &verdict)
	outcome := s.snapshot.Rules.Outcome(&m.facts, m.plan, &verdict)
	if m.quarantine != "" && outcome.Quarantine == "" {
		outcome.Quarantine = m.quarantine
	}
	s.tell(outcome.Notes)
	s.tell([]policy.Note{{Event: event.Summary(s.clientName + ", <" + m.sender + ">: " + outcome.Summary)}})
	if err := apply(e, outcome); err != nil {
		return s.editsFailed(err)
	}
	s.snapshot.leave(outcome)
	return outcome.Reply
}

// sign makes the signatures. The first error ends it: mail leaves with all its
// signatures or with none.
func (m *message) sign(s *session) ([]policy.Signature, error) {
	if m.signError != nil {
		s.filter.observer.SigningFailed()
		return nil, m.signError
	}
	made := make([]policy.Signature, 0, len(m.signers))
	for _, x := range m.signers {
		start := s.filter.now()
		value, err := x.signer.Sign()
		if err != nil {
			s.filter.observer.SigningFailed()
			return nil, err
		}
		took := s.filter.now().Sub(start)
		s.filter.observer.Signed(x.request.Key.Algorithm, took)
		made = append(made, policy.Signature{Request: x.request, Value: value, Took: took})
	}
	return made, nil
}
