package message

import (
	"dojang/dkim"
)

// startQuestions asks for what the verdict depends on beside keys, in parallel
// with them.
func (m *Message) startQuestions() {
	for _, name := range m.snapshot.Rules.Questions(&m.facts, m.plan, m.verifier.Signatures()) {
		m.questions = append(m.questions, keyAnswer{query: dkim.Query{Name: name}})
	}
	for i := range m.questions {
		q, ctx := &m.questions[i], m.ctx
		m.lookups.Go(func() { q.lookup(ctx, m) })
	}
}

// questionsAnswered is what came of them, by their names, once the look-ups are
// joined.
func (m *Message) questionsAnswered() map[string]dkim.KeyAnswer {
	if len(m.questions) == 0 {
		return nil
	}
	answers := make(map[string]dkim.KeyAnswer, len(m.questions))
	for _, q := range m.questions {
		answers[q.query.Name] = q.answer
	}
	return answers
}
