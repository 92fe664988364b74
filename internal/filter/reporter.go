package filter

import (
	"dojang/internal/policy"
)

// Reporter does what messages leave to be done. Its methods are called from
// many goroutines and must not wait for anything.
type Reporter interface {
	Report(*policy.FailureReport)
	Diagnose(*policy.Diagnosis)
	Record(*policy.Statistics)
}

// leave hands over what an outcome leaves to be done.
func (s *Snapshot) leave(o *policy.Outcome) {
	if s.Reporter == nil {
		return
	}
	if o.Report != nil {
		s.Reporter.Report(o.Report)
	}
	if o.Diagnosis != nil {
		s.Reporter.Diagnose(o.Diagnosis)
	}
	if o.Statistics != nil {
		s.Reporter.Record(o.Statistics)
	}
}

// keepBodies has the beginning of those canonical bodies kept that something may
// have to be told of.
func (m *message) keepBodies(rules *policy.Rules) {
	for i := range m.verifier.Len() {
		if g := m.verifier.Signature(i); rules.KeepsBody(g) {
			m.bodies.Keep(g.BodyCanonicalization, policy.MaxKeptBodyBytes)
			m.kept = m.bodies.Kept
		}
	}
}
