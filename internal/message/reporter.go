package message

import (
	"dojang/internal/policy"
	"dojang/internal/statistics"
)

// Reporter does what messages leave to be done. Its methods are called from
// many goroutines and must not wait for anything.
type Reporter interface {
	Report(*policy.FailureReport)
	Diagnose(*policy.Diagnosis)
	Record(*statistics.Message)
}

// Leave hands over what an outcome leaves to be done, as far as the message may have
// such effects. It is for outcomes that were carried out.
func (m *Message) Leave(o *policy.Outcome) {
	r := m.snapshot.Reporter
	if r == nil {
		return
	}
	if o.Report != nil && m.effects.Reports {
		r.Report(o.Report)
	}
	if o.Diagnosis != nil && m.effects.Diagnoses {
		r.Diagnose(o.Diagnosis)
	}
	if o.Statistics != nil && m.effects.Statistics {
		r.Record(o.Statistics)
	}
}

// keepBodies has the beginning of those canonical bodies kept that something may
// have to be told of.
func (m *Message) keepBodies() {
	for i := range m.verifier.Len() {
		if g := m.verifier.Signature(i); m.snapshot.Rules.Reports.KeepsBody(g) {
			m.bodies.Keep(g.BodyCanonicalization, policy.MaxKeptBodyBytes)
			m.kept = m.bodies.Kept
		}
	}
}
