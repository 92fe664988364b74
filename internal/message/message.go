package message

import (
	"cmp"
	"context"
	"crypto"
	"net/netip"
	"sync"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/policy"
)

// maxRecipients and maxRecipientBytes bound what one envelope may make us
// remember. Recipients beyond are not looked at: no option of ours needs them all,
// no MTA sends so many.
const (
	maxRecipients     = 100_000
	maxRecipientBytes = 16 << 20
)

// Message is one message on its way. Its methods are called in this order: AddRecipient
// and AddField, Decide, Write, Finish, Leave, End. Its buffers are used again for the
// next one; everything else is dropped by End.
type Message struct {
	state
	// What follows is memory that the next message uses again, emptied by clear.
	fields     header.List
	bodies     dkim.BodyHashes
	lookups    sync.WaitGroup
	recipients []string
	signers    []signing
	answers    []keyAnswer
	questions  []keyAnswer
	events     []string // names of what was told, for the Recorder; empty without one
}

// state is all else that is known of one message; none of it outlives it.
type state struct {
	services *Services
	snapshot *Snapshot
	effects  Effects
	parent   context.Context // of what may be waited for

	started    time.Time
	ctx        context.Context
	cancel     context.CancelFunc
	sender     string
	rcptBytes  int    // of recipients
	overflow   string // the field for which there was no room, "" for none
	bodyBytes  int64
	facts      policy.Facts
	plan       *policy.Plan
	signed     *header.List // what is signed: the header after ReplaceRules
	verdict    policy.Verdict
	quarantine string // decided before the message's end
	signError  error
	lateTags   [][2]string // of signatures, by scripts of the message's end
	verifier   *dkim.Verifier
	kept       func(dkim.Canonicalization) []byte // canonical bodies that are kept; nil when none is
	bodyHash   *dkim.BodyHash                     // for Limiters; nil when none asks
	working    bool                               // a step is under way; still set after a panic
}

// signing is one signature in the making.
type signing struct {
	request policy.SignRequest
	signer  *dkim.Signer
}

// Origin is what is known of a message beside its envelope and text.
type Origin struct {
	ClientName string     // as the MTA resolved it
	ClientAddr netip.Addr // 127.0.0.1 for UNIX-domain and unknown clients
	// Macro returns an MTA macro by its name without braces, "" when it was not sent.
	Macro func(name string) string
	// SignOnly and VerifyOnly narrow Mode.
	SignOnly, VerifyOnly bool
}

// Begin begins a message. All that it waits for ends with ctx. Messages that wait for
// their connection hold no buffers: those are lent out here, and taken back by End.
func (s *Services) Begin(ctx context.Context, snapshot *Snapshot, effects Effects, sender string) *Message {
	m, ok := s.pool.Get().(*Message)
	if !ok {
		m = new(Message)
	}
	m.begin(ctx, s, snapshot, effects, sender)
	return m
}

func (m *Message) begin(ctx context.Context, s *Services, snapshot *Snapshot, effects Effects, sender string) {
	m.services, m.snapshot, m.effects, m.parent = s, snapshot, effects, ctx
	m.started = s.now()
	m.sender = sender
	m.bodies.FixCRLF = snapshot.FixCRLF
}

// AddRecipient adds a recipient of the envelope, without angle brackets.
func (m *Message) AddRecipient(address string) {
	if len(m.recipients) < maxRecipients && m.rcptBytes+len(address) <= maxRecipientBytes {
		m.recipients = append(m.recipients, address)
		m.rcptBytes += len(address)
	}
}

// AddField adds a field as the milter protocol has it; see header.List.Add.
func (m *Message) AddField(name, value []byte, leadingSpaceKept bool) {
	if m.fits(name, len(name)+len(value)) {
		m.fields.Add(name, value, leadingSpaceKept)
	}
}

// fits reports whether the header has room for a field of so many octets, by
// MaximumHeaders. What comes of a header without is decided when it ends.
func (m *Message) fits(name []byte, n int) bool {
	if limit := m.snapshot.MaximumHeaderBytes; m.overflow == "" && limit > 0 && m.fields.Size()+n > limit {
		m.overflow = cmp.Or(event.Cut(string(name)), "(without name)")
	}
	return m.overflow == ""
}

// End drops the message and gives its buffers back. Look-ups still under way are
// cancelled and joined. Nothing of the message may reach the next one.
func (m *Message) End() {
	m.stop()
	services := m.services
	if m.working {
		return // work on it broke off: nobody knows what that left behind
	}
	m.clear()
	services.pool.Put(m)
}

func (m *Message) stop() {
	if m.cancel != nil {
		m.cancel()
		m.lookups.Wait()
	}
}

// clear forgets everything but the memory.
func (m *Message) clear() {
	m.state = state{}
	m.fields.Reset()
	m.bodies.Reset()
	m.recipients = emptied(m.recipients)
	m.signers = emptied(m.signers)
	m.answers = emptied(m.answers)
	m.questions = emptied(m.questions)
	m.events = emptied(m.events)
}

// emptied is the memory of s, nothing of its content left in it.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

const unknownJobID = "(unknown-jobid)"

func (o *Origin) jobID() string {
	if id := o.Macro("i"); id != "" {
		return id
	}
	return unknownJobID
}

// Decide makes the plan at the end of the header and starts what it says: signers,
// verifier, and the look-ups of keys, which go on while the body arrives. A reply other
// than Continue is the answer to the message, whose way then ends.
func (m *Message) Decide(o Origin) policy.Reply {
	m.working = true
	m.decide(o)
	m.working = false
	if r := m.plan.Reply; r.Action == policy.Quarantine && r.Code == 0 && r.Text != "" {
		m.quarantine = r.Text // the MTA takes it at the end of a message only
		return policy.Reply{}
	}
	return m.plan.Reply
}

func (m *Message) decide(o Origin) {
	m.ctx, m.cancel = m.snapshot.Budget(m.parent)
	m.facts = policy.Facts{
		JobID:          o.jobID(),
		ClientName:     o.ClientName,
		ClientAddr:     o.ClientAddr,
		Sender:         m.sender,
		Recipients:     m.recipients,
		Fields:         &m.fields,
		Macro:          o.Macro,
		HeaderOverflow: m.overflow,
		HeaderLimit:    m.snapshot.MaximumHeaderBytes,
		SignOnly:       o.SignOnly,
		VerifyOnly:     o.VerifyOnly,
	}
	rules := m.snapshot.Rules
	m.plan = rules.Plan(m.ctx, &m.facts)
	m.Tell(m.plan.Notes...)
	if m.plan.Reply.Action != policy.Continue {
		return
	}
	m.prepareSigners()
	if m.plan.Mode().Verifies() {
		m.verifier = dkim.NewVerifier(rules.Verdicts.VerifyOptions(m.plan, m.services.now()), m.plan.Header(&m.fields), &m.bodies)
		m.keepBodies()
		// Scripts may ask how long the body is that l= covers a part of.
		m.bodies.NeedTotal = m.bodies.NeedTotal || rules.Scripts != nil && m.verifier.Len() > 0
		if rules.Limited(m.plan) {
			m.bodyHash = m.bodies.Want(dkim.Simple, crypto.SHA256, -1)
		}
	}
	m.keepForFiles()
	if m.screen() && m.verifier != nil {
		m.startLookups()
		m.startQuestions()
	}
}

// prepareSigners makes a signer for each request. Since a signature that cannot
// be made may still matter little (another one can), the error is kept for the
// end of the message.
func (m *Message) prepareSigners() {
	rules := m.snapshot.Rules
	m.signed = rules.Signing.Replaced(m.plan.Header(&m.fields))
	for _, request := range m.plan.Sign {
		signer, err := dkim.NewSigner(rules.SignOptions(&m.facts, m.plan, request, m.services.now()), m.signed, &m.bodies)
		if err != nil {
			m.signError = err
			return
		}
		m.signers = append(m.signers, signing{request, signer})
	}
}

// Write takes the next part of the body, with CRLF line ends. It is not kept.
func (m *Message) Write(chunk []byte) {
	m.bodyBytes += int64(len(chunk))
	m.working = true
	m.bodies.Write(chunk)
	m.working = false
}

// Satisfied reports whether no more of the body is needed.
func (m *Message) Satisfied() bool { return m.bodies.Satisfied() }

// FinishEarly ends the message with its header, when nothing of ours needs its body and
// nothing is owed to it but to let it pass: else it reports false, and the message goes
// on to Finish.
func (m *Message) FinishEarly() bool {
	if m.quarantine != "" || len(m.signers) > 0 || m.signError != nil || m.bodyHash != nil || m.kept != nil || len(m.questions) > 0 ||
		m.verifier != nil && m.verifier.Len() > 0 || m.snapshot.Rules.Scripts != nil || !m.bodies.Satisfied() || m.plan.SignOnlyIfVerified {
		return false
	}
	o := m.snapshot.Rules.Outcome(&m.facts, m.plan, &m.verdict)
	if o.Reply.Action != policy.Accept || len(o.Edits) > 0 || o.Quarantine != "" ||
		o.Statistics != nil || o.Report != nil || o.Diagnosis != nil {
		return false
	}
	m.tellOutcome(o)
	return true
}

// Finish decides at the message's end what is done with it.
func (m *Message) Finish() *policy.Outcome {
	m.working = true
	o := m.finish()
	m.working = false
	return o
}

func (m *Message) finish() *policy.Outcome {
	m.bodies.Close()
	rules, v := m.snapshot.Rules, &m.verdict
	v.Now = m.services.now()
	if m.verifier != nil {
		v.Kept = m.kept
		m.joinLookups()
		v.Results = m.verifier.Finish()
		v.Answers = m.questionsAnswered()
		for i := range v.Results {
			m.observer().Verified(v.Results[i])
		}
	}
	v.Results = m.runFinal(v.Results)
	if rules.SignsNow(&m.facts, m.plan, v) {
		v.Signatures, v.SignError = m.sign()
	}
	if m.bodyHash != nil {
		rules.AskLimits(m.ctx, &m.facts, m.plan, v, m.bodyHash.Sum(), m.effects.Counters)
	}
	m.writeFiles()
	outcome := rules.Outcome(&m.facts, m.plan, v)
	if m.quarantine != "" && outcome.Quarantine == "" {
		outcome.Quarantine = m.quarantine
	}
	m.tellOutcome(outcome)
	return outcome
}

func (m *Message) tellOutcome(o *policy.Outcome) {
	m.Tell(o.Notes...)
	m.Tell(policy.Note{Event: event.Summary(m.facts.ClientName + ", <" + m.sender + ">: " + o.Summary)})
}

// sign makes the signatures. The first error ends it: mail leaves with all its
// signatures or with none.
func (m *Message) sign() ([]policy.Signature, error) {
	observer, now := m.observer(), m.services.now
	if m.signError != nil {
		observer.SigningFailed()
		return nil, m.signError
	}
	made := make([]policy.Signature, 0, len(m.signers))
	for _, x := range m.signers {
		start := now()
		value, err := x.signer.Sign(m.lateTags...)
		if err != nil {
			observer.SigningFailed()
			return nil, err
		}
		took := now().Sub(start)
		observer.Signed(x.request.Key.Algorithm, took)
		made = append(made, policy.Signature{Request: x.request, Value: value, Took: took})
	}
	return made, nil
}

// Answered counts and records the message by the answer that it got. The milter protocol can refuse
// what an outcome wants, so who speaks it knows.
func (m *Message) Answered(outcome policy.Action) {
	m.record(outcome)
	m.observer().Message(outcome.String(), m.services.now().Sub(m.started), m.bodyBytes)
}
