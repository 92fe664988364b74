package message

import (
	"context"
	"errors"
	"fmt"

	"dojang/dkim"
	"dojang/internal/event"
	"dojang/internal/resolver"
)

// keyAnswer is one key look-up and what came of it.
type keyAnswer struct {
	query  dkim.Query
	answer dkim.KeyAnswer
}

// startLookups asks for every key that the signatures need, each once, in
// parallel. The verifier bounds how many signatures it looks at.
func (m *Message) startLookups() {
	for _, q := range m.verifier.Queries() {
		if m.wanted(q) {
			m.answers = append(m.answers, keyAnswer{query: q})
		}
	}
	for i := range m.answers {
		a := &m.answers[i]
		if a.remembered(m) {
			continue
		}
		ctx := m.ctx
		m.lookups.Go(func() { a.lookup(ctx, m) })
	}
}

// remembered reports whether the answer is at hand, so that nobody is asked and no
// goroutine started.
func (a *keyAnswer) remembered(m *Message) (ok bool) {
	defer a.recovered(m)
	answer, ok, err := m.snapshot.Resolver.Cached(a.query.Name)
	if ok {
		a.answer = keyAnswerOf(answer, err)
		m.observer().KeyLookup(0, a.answer.Temporary)
	}
	return ok
}

func (a *keyAnswer) lookup(ctx context.Context, m *Message) {
	defer a.recovered(m)
	start := m.services.now()
	answer, err := m.snapshot.Resolver.LookupTXT(ctx, a.query.Name)
	a.answer = keyAnswerOf(answer, err)
	m.observer().KeyLookup(m.services.now().Sub(start), a.answer.Temporary)
}

// recovered makes a resolver's panic a look-up that failed for now.
func (a *keyAnswer) recovered(m *Message) {
	if v := recover(); v != nil {
		a.answer = dkim.KeyAnswer{Temporary: true, Err: errors.New("internal error in the resolver")}
		event.ResolverBroke(v).Write(m.snapshot.Log, m.facts.JobID)
	}
}

// joinLookups waits for the answers, each bounded by the message's budget, and
// hands them to the verifier.
func (m *Message) joinLookups() {
	m.lookups.Wait()
	for i := range m.answers {
		a := &m.answers[i]
		m.services.keys.parse(&a.answer, m.snapshot)
		m.verifier.SetKey(a.query, a.answer)
	}
}

// keyAnswerOf says in dkim's terms what a resolver found. A failure that is not
// the resolver's own, such as a passed deadline, is temporary.
func keyAnswerOf(answer resolver.Answer, err error) dkim.KeyAnswer {
	k := dkim.KeyAnswer{Texts: answer.Texts, Err: err, Temporary: err != nil, Security: answer.Security}
	var failure *resolver.Error
	if errors.As(err, &failure) {
		if failure.Kind == resolver.KindBogus && len(answer.Texts) > 0 {
			return dkim.KeyAnswer{Texts: answer.Texts, Security: dkim.Bogus} // BogusKey says what that is worth
		}
		k.NotFound, k.Temporary, k.Err = failure.NotFound(), failure.Temporary(), classicError{failure}
	}
	return k
}

// classicError says a failed look-up in OpenDKIM's words.
type classicError struct{ cause *resolver.Error }

func (e classicError) Error() string {
	words := "query failed"
	if e.cause.Timeout() {
		words = "query timed out"
	}
	return fmt.Sprintf("'%s' %s", e.cause.Name, words)
}

func (e classicError) Unwrap() error { return e.cause }
