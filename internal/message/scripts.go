package message

import (
	"dojang/dkim"
	"dojang/internal/policy"
)

// screen shows the signatures to the ScreenPolicyScript, before their keys are
// asked for. It reports whether the message goes on.
func (m *Message) screen() bool {
	x := m.plan.Scripted
	if x == nil {
		return true
	}
	x.LookupA = m.snapshot.Resolver.LookupA
	if m.verifier != nil {
		for i := range m.verifier.Len() {
			x.Signatures = append(x.Signatures, policy.ScriptedSignature{Signature: m.verifier.Signature(i)})
		}
	}
	goesOn := x.Screen(m.ctx)
	m.Tell(x.TakeNotes()...)
	if !goesOn {
		m.plan.Reply = x.Reply
	}
	return goesOn
}

// wanted reports whether a key is for a signature that no script has ignored.
func (m *Message) wanted(q dkim.Query) bool {
	x := m.plan.Scripted
	if x == nil {
		return true
	}
	for _, i := range q.Signatures {
		if !x.Signatures[i].Ignored {
			return true
		}
	}
	return false
}

// runFinal runs the scripts of the message's end and returns the results that
// count.
func (m *Message) runFinal(results []dkim.Result) []dkim.Result {
	x := m.plan.Scripted
	if x == nil {
		return results
	}
	for i := range results {
		x.Signatures[i].Result = &results[i]
	}
	ctx, cancel := m.snapshot.Budget(m.parent)
	defer cancel()
	before := len(m.plan.ExtraTags)
	x.Final(ctx)
	m.lateTags = m.plan.ExtraTags[:len(m.plan.ExtraTags)-before]
	return x.Kept(results)
}
