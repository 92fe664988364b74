package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"dojang/authres"
	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/statistics"
)

// Verdict is what became of signing and verifying.
type Verdict struct {
	Now        time.Time
	Results    []dkim.Result // of the signatures found, top down
	Signatures []Signature   // made by us
	SignError  error         // why none could be made
	// Kept returns the beginning of a canonical body, as far as it was kept; nil
	// when none was.
	Kept func(dkim.Canonicalization) []byte
	// Answers are those to Questions, by their names.
	Answers map[string]dkim.KeyAnswer
	judged  []judgement // what Rules make of Results; nil before they were asked
	Limits  []Limit     // the answers to AskLimits
}

// Signature is one that we made.
type Signature struct {
	Request SignRequest
	Value   string // of the DKIM-Signature field, with its leading blank
	Took    time.Duration
}

// EditOp is a kind of change to the message.
type EditOp uint8

// The changes.
const (
	InsertField EditOp = iota // Index counts all fields, from 0
	AppendField
	ChangeField // Index counts fields of this name, from 1
	DeleteField // likewise
	AddRecipient
	DeleteRecipient
)

// Edit is one change to the message.
type Edit struct {
	Op    EditOp
	Index int
	Name  string
	Value string // a field's value with its leading blank, or a recipient
}

// Outcome is what is done with a message in the end. Edits are in the order in
// which they are to be applied.
type Outcome struct {
	Reply      Reply
	Quarantine string // reason; "" for none
	Edits      []Edit
	Notes      []Note
	Summary    string // what was done, in a few words

	Report    *FailureReport // to be sent; nil for none
	Diagnosis *Diagnosis     // to be written; nil for none

	Statistics *statistics.Message // to be recorded; nil for none
}

func (o *Outcome) tell(e event.Event) { o.Notes = append(o.Notes, Note{Event: e}) }
func (o *Outcome) why(e event.Event)  { o.Notes = append(o.Notes, Note{Event: e, Why: true}) }

func (o *Outcome) insert(name, value string) {
	o.Edits = append(o.Edits, Edit{Op: InsertField, Name: name, Value: value})
}

// Outcome decides what is done with a message whose plan has been carried out.
func (r *Rules) Outcome(f *Facts, p *Plan, v *Verdict) *Outcome {
	o := &Outcome{Reply: Reply{Action: Accept}}
	mode := p.Mode()
	if mode == Exempts {
		r.Results.removeForged(o, f, p.results)
		o.Summary = "exempted"
		return o
	}
	if f.macro("i") == "" {
		o.Notes = append(o.Notes, Note{Event: event.NoJobID(), Once: true})
	}
	if mode == Malforms || r.StrictHeaders && strictFault(f.Fields) {
		r.malformed(o, f)
		o.Summary = "malformed, passed on"
		if p.Scripted != nil {
			o.scripted(p.Scripted)
			o.deleteFirst()
		}
		return o
	}
	if mode.Verifies() {
		r.Results.removeForged(o, f, nil)
		if r.Reports.AddCanonicalizedData {
			o.deleteAll(f, canonicalizedHeader)
			o.deleteAll(f, canonicalizedBody)
		}
		r.verified(o, f, p, v)
		for _, l := range v.Limits {
			o.limit(l, r.Verdicts.reply(ReputationError))
		}
	}
	if p.Scripted != nil {
		o.scripted(p.Scripted)
		defer o.deleteFirst()
	}
	switch {
	case r.SignsNow(f, p, v):
		r.signed(o, f, v)
	case p.resigned && len(p.Sign) > 0 && !p.Scripted.Ends():
		o.why(event.NotSignedAnew(p.Sign[0].Domain))
	}
	if !p.Scripted.Ends() {
		r.Results.softwareHeader(o, f)
	}
	return o
}

// SignsNow reports whether a plan's signatures are to be made: always, but for
// mail that is signed anew. That must have verified, unless ResignAll is set; and
// where a reader may be shown an author of a domain that we sign for, it must have
// verified as that domain's, with ResignAll too, unless it comes from inside.
func (r *Rules) SignsNow(f *Facts, p *Plan, v *Verdict) bool {
	if len(p.Sign) == 0 || p.Scripted.Ends() {
		return false
	}
	if !p.resigned || !p.SignOnlyIfVerified && p.Internal {
		return true
	}
	authors, problem := r.Signing.shown(p, f)
	if problem != nil {
		return false
	}
	ours := p.signedAsAuthor(authors)
	if len(ours) == 0 && !p.SignOnlyIfVerified {
		return true // ResignAll
	}
	for _, j := range r.Verdicts.judge(v) {
		if j.Told == dkim.StatusPass && p.counts(j.Signature) && speaksFor(ours, j.Signature) {
			return true
		}
	}
	return false
}

// signedAsAuthor are those of the domains that we would sign for that some author is
// of, or of one above or below.
func (p *Plan) signedAsAuthor(authors []header.Mailbox) []string {
	var domains []string
	for _, s := range p.Sign {
		if slices.ContainsFunc(authors, func(m header.Mailbox) bool { return related(m.Domain, s.Domain) }) {
			domains = append(domains, s.Domain)
		}
	}
	return domains
}

// speaksFor reports whether a good signature is enough to sign mail in the name of
// these domains anew: a stranger's own does not let him write in their name.
func speaksFor(domains []string, signature *dkim.Signature) bool {
	for _, d := range domains {
		if !related(signature.Domain, d) {
			return false
		}
	}
	return true
}

// malformed handles a message of which nobody can say who its author is.
func (r *Rules) malformed(o *Outcome, f *Facts) {
	if !r.verifies(f) {
		return // results come from who verifies
	}
	r.Results.removeForged(o, f, nil)
	if !r.IgnoreMalformedMail {
		o.insertResults(r.Results.authservID(f, false), authres.Method{Name: "dkim", Result: "permerror", Comment: badFormat})
	}
}

// signed adds our signatures. A message that cannot be signed follows
// On-SignatureError.
func (r *Rules) signed(o *Outcome, f *Facts, v *Verdict) {
	if v.SignError != nil {
		o.tell(event.SigningFailed(v.SignError))
		o.summarize("not signed: %s", v.SignError)
		if errors.Is(v.SignError, dkim.ErrName) {
			// A wrong line of the configuration: mail can wait until it is mended.
			o.answer(Reply{Action: TempFail})
			return
		}
		o.answer(r.Verdicts.reply(SignatureError))
		return
	}
	if r.Signing.RemoveOldSignatures {
		o.deleteAll(f, dkim.FieldName)
	}
	if r.Signing.IdentityHeaderRemove && r.Signing.IdentityHeader != "" {
		o.deleteAll(f, r.Signing.IdentityHeader)
	}
	for _, s := range v.Signatures {
		o.insert(dkim.FieldName, s.Value)
		key := s.Request.Key
		o.summarize("signed (s=%s, d=%s)", key.Selector, s.Request.Domain)
		o.success(event.Signed(dkim.FieldName, key.Selector, s.Request.Domain, key.Algorithm.String(), s.Took))
	}
	if len(v.Signatures) > 0 {
		r.VBR.addInfo(o, f, v.Signatures[0].Request.Domain)
	}
}

func (o *Outcome) summarize(format string, args ...any) {
	if o.Summary != "" {
		o.Summary += "; "
	}
	o.Summary += fmt.Sprintf(format, args...)
}

// success notes an event that is told only with SyslogSuccess.
func (o *Outcome) success(e event.Event) { o.Notes = append(o.Notes, Note{Event: e, Success: true}) }

// deleteAll deletes every field of a name, from the back: deleting one shifts
// those behind it.
func (o *Outcome) deleteAll(f *Facts, name string) {
	for i := f.Fields.Count(name); i > 0; i-- {
		o.Edits = append(o.Edits, Edit{Op: DeleteField, Index: i, Name: name})
	}
}

// answer sets the reply and turns a quarantine into what it is: an accepted
// message on hold.
func (o *Outcome) answer(reply Reply) {
	if reply.Action == Quarantine {
		o.Quarantine = reply.Text
		reply = Reply{Action: Accept}
	}
	o.Reply = reply
}

// verified notes the results and follows the On-* options.
func (r *Rules) verified(o *Outcome, f *Facts, p *Plan, v *Verdict) {
	judged := r.Verdicts.judge(v)
	atps := atpsMethod(p, v, judged)
	if r.Reports.Count {
		o.Statistics = statisticsOf(f, p, v, judged, atps)
	}
	if len(judged) == 0 {
		r.unsigned(o, f, p.Scripted.Ends())
		return
	}
	o.tellSignatures(judged, max(0, p.Header(f.Fields).Count(dkim.FieldName)-len(judged)))
	if r.Reports.AddCanonicalizedData {
		r.Reports.addCanonicalized(o, f, v, judged)
	}
	r.Results.add(o, f, judged, atps, r.VBR.method(f, v, judged))
	i := p.Deciding(v.Results)
	if i < 0 {
		return
	}
	decider := &judged[i]
	o.summarize("verified: %s (s=%s, d=%s: %s)", decider.Told, decider.Signature.Selector, decider.Signature.Domain, decider.Reason)
	o.tellDecision(decider, p.Scripted.Ends())
	if p.Scripted.Ends() {
		return
	}
	r.Reports.diagnose(o, f, decider)
	r.Reports.report(o, f, v, decider, r.Results.hostName(f))
	r.Verdicts.follow(o, f, v, decider)
}

// unsigned handles mail without signatures. Compat(opendkim 2.11): where a script has
// decided what becomes of it, or the header's end does not (ScreenPolicyScript,
// AlwaysAddARHeader), nothing is said of that.
func (r *Rules) unsigned(o *Outcome, f *Facts, scripted bool) {
	o.summarize("no signature")
	if r.Results.AlwaysAddARHeader {
		o.insertResults(r.Results.authservID(f, true), authres.Method{Name: "dkim", Result: "none"})
	}
	if scripted {
		return
	}
	reply := r.Verdicts.reply(NoSignature)
	if reply.Action == Accept {
		if screened := r.Scripts != nil && r.Scripts.Screen != nil; !screened && !r.Results.AlwaysAddARHeader {
			o.why(event.NoSignature())
		}
		return
	}
	o.tell(event.NoSignatureRefused())
	o.answer(reply)
}

// Deciding is the index of the signature that the message's fate follows: the first that
// passes, else the first that was looked at, among those that count; -1 for none.
func (p *Plan) Deciding(results []dkim.Result) int {
	first := -1
	for i := range results {
		r := &results[i]
		switch {
		case r.Reason == dkim.ReasonTooManySignatures || first >= 0 && r.Status != dkim.StatusPass || !p.counts(r.Signature):
			continue
		case r.Status == dkim.StatusPass:
			return i
		}
		first = i
	}
	return first
}
