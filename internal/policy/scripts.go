package policy

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"dojang/dkim"
	"dojang/internal/event"
	"dojang/internal/statistics"
)

// Scripts are the administrator's own, each run at the moment its option names
// (opendkim-lua(3)). A nil one is not there.
type Scripts struct {
	Setup, Screen, Statistics, Final Script
}

// Script is a script of the administrator's. Its error is a mistake in it, or
// a limit that it ran into.
type Script interface {
	Run(ctx context.Context, s *Scripted) error
}

// Scripted is a message in the hands of scripts: what they may see of it and
// what they have decided. One serves all scripts of a message, in the order of
// Scripts.
type Scripted struct {
	Rules *Rules
	Facts *Facts
	Plan  *Plan
	// Signatures are those that the message carries, top down, once it is being
	// verified.
	Signatures []ScriptedSignature
	// LookupA asks for the IPv4 addresses of a name; nil when nobody can be asked.
	LookupA func(ctx context.Context, name string) ([]netip.Addr, error)
	// Exports are what a script hands to later ones: strings, float64 and bool.
	Exports map[string]any

	// Reply other than Continue ends the message.
	Reply      Reply
	Quarantine string // reason; "" for none
	// Edits are in the order asked for; Index of DeleteField counts the fields
	// as they came.
	Edits      []Edit
	Statistics []statistics.Figure
	Spam       bool // the message counts as spam, for those who keep statistics
	Notes      []Note
}

// ScriptedSignature is a signature in the hands of scripts.
type ScriptedSignature struct {
	*dkim.Signature
	Result  *dkim.Result // nil before the message's end
	Ignored bool         // as if it were not there
}

// Tell notes an event of a script's.
func (s *Scripted) Tell(e event.Event) { s.Notes = append(s.Notes, Note{Event: e}) }

// TakeNotes returns what there is to tell and forgets it.
func (s *Scripted) TakeNotes() []Note {
	notes := s.Notes
	s.Notes = nil
	return notes
}

// Ends reports whether a script has decided what becomes of the message.
// Compat(opendkim 2.11): at the message's end, SMFIS_ACCEPT decides nothing.
func (s *Scripted) Ends() bool {
	return s != nil && s.Reply.Action != Continue && s.Reply.Action != Accept
}

// reply is the reply that scripts have set. Compat(opendkim 2.11): a code of the
// other class does not count.
func (s *Scripted) reply() Reply {
	r := s.Reply
	if r.Code != 0 && !(r.Action == Reject && r.Code/100 == 5 || r.Action == TempFail && r.Code/100 == 4) {
		return Reply{Action: r.Action}
	}
	return r
}

// run runs one script. A mistake in it is told, and the message follows
// On-InternalError; run returns false then. Compat(opendkim 2.11): in the MTA's
// words.
func (s *Scripted) run(ctx context.Context, name string, script Script) bool {
	if script == nil {
		return true
	}
	if err := script.Run(ctx, s); err != nil {
		s.Tell(event.ScriptFailed(name, err))
		s.Reply = s.Rules.Verdicts.InternalError()
		s.Reply.Code, s.Reply.Status = 0, ""
		return false
	}
	return true
}

// Screen runs the ScreenPolicyScript and reports whether the message goes on.
func (s *Scripted) Screen(ctx context.Context) bool {
	s.Reply = Reply{}
	return s.run(ctx, "screen", s.Rules.Scripts.Screen)
}

// Final runs the scripts of the message's end, as long as each goes well.
func (s *Scripted) Final(ctx context.Context) {
	s.Reply = Reply{}
	if s.run(ctx, "stats", s.Rules.Scripts.Statistics) {
		s.run(ctx, "final", s.Rules.Scripts.Final)
	}
}

// Kept drops the results of signatures that a script has ignored.
func (s *Scripted) Kept(results []dkim.Result) []dkim.Result {
	if s == nil || len(results) != len(s.Signatures) {
		return results
	}
	kept := results[:0:0]
	for i := range results {
		if !s.Signatures[i].Ignored {
			kept = append(kept, results[i])
		}
	}
	return kept
}

// setup runs the SetupPolicyScript and returns false when the plan has ended.
func (r *Rules) setup(ctx context.Context, p *Plan, f *Facts) bool {
	if r.Scripts == nil {
		return true
	}
	s := &Scripted{Rules: r, Facts: f, Plan: p}
	p.Scripted = s
	s.run(ctx, "setup", r.Scripts.Setup)
	p.Notes = append(p.Notes, s.TakeNotes()...)
	if s.Reply.Action != Continue {
		p.end(s.reply())
		return false
	}
	return true
}

// scripted applies what scripts have decided at the message's end, but for its
// signatures.
func (o *Outcome) scripted(s *Scripted) {
	o.Notes = append(o.Notes, s.TakeNotes()...)
	o.Edits = append(o.Edits, s.Edits...)
	if s.Ends() {
		o.summarize("a script decided: %s", s.Reply.Action)
		o.answer(s.reply())
	}
	if s.Quarantine != "" {
		o.Quarantine = s.Quarantine
	}
}

// deleteFirst puts the deletions of everybody before the other edits, each once
// and from the back: each shifts the fields of its name that are behind it.
func (o *Outcome) deleteFirst() {
	var deletions, others []Edit
	for _, e := range o.Edits {
		if e.Op != DeleteField {
			others = append(others, e)
			continue
		}
		same := func(d Edit) bool { return d.Index == e.Index && strings.EqualFold(d.Name, e.Name) }
		if !slices.ContainsFunc(deletions, same) {
			deletions = append(deletions, e)
		}
	}
	slices.SortStableFunc(deletions, func(a, b Edit) int { return b.Index - a.Index })
	o.Edits = append(deletions, others...)
}
