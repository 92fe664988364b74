package build

import (
	"context"

	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/keystore"
	"dojang/internal/policy"
	"dojang/internal/problem"
)

// lintTables finds what is wrong with the tables that are held in memory and
// with their keys, and remembers their rows for the next reload's report.
// Tables over a network are never walked.
func (b *builder) lintTables(keyTable dataset.Set, r *policy.Rules, store *keystore.Store) {
	lint := dataset.Lint{Option: "SigningTable", AllMatches: r.MultipleSignatures, Keys: keyTable}
	b.tableProblems(lint.SigningTable(b.ctx, r.SigningTable))
	ctx, cancel := b.lintContext()
	defer cancel()
	b.tableProblems(store.Lint(ctx))
	b.remember("key", keyTable)
	b.remember("domain", r.SigningTable)
}

// lintContext bounds the checking of keys at a start: with very many of them
// mail should not wait. `dojang config check` takes all the time it needs.
func (b *builder) lintContext() (context.Context, context.CancelFunc) {
	if b.parts.KeyLintTime <= 0 {
		return context.WithCancel(b.ctx)
	}
	return context.WithTimeout(b.ctx, b.parts.KeyLintTime)
}

// tableProblems takes what a lint found. A wrong row keeps nobody else's mail from
// being signed: it is told, as OpenDKIM would tell it when mail needs the row, and
// such mail is deferred until the row is mended.
func (b *builder) tableProblems(found problem.List) {
	for _, p := range found {
		p.Severity, p.Serious = problem.Warning, p.Severity == problem.Error
		b.problems = append(b.problems, p)
	}
}

// judge tells of elements of a list that can never match. Its words are the same
// wherever a configuration is looked at.
func (b *builder) judge(option config.Field, set dataset.Set) {
	o := option.Option()
	for _, p := range (dataset.Lint{Option: o.Name}).Elements(b.ctx, set, o.Elements) {
		if p.File == "" { // of a list in the configuration itself
			p.File, p.Line = option.Source().File, option.Source().Line
		}
		b.problems = append(b.problems, p)
	}
}

func (b *builder) remember(what string, set dataset.Set) {
	if _, ok := set.(dataset.Local); ok {
		b.summary.add(what, set)
	}
}
