package app

import (
	"log/slog"
	"testing"
	"time"

	"dojang/internal/reputation"
)

// Counts outlive a reload, or it would let everybody begin anew.
func TestReputationOutlivesReload(t *testing.T) {
	parts := Parts{Log: slog.New(slog.DiscardHandler), Counter: new(reputation.Counter)}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i, over := range []bool{false, true} {
		built, problems := Build(t.Context(), read(t, "Mode v\nReputationLimits csl:example.com=1\n"), parts)
		if built == nil {
			t.Fatal(problems)
		}
		a := built.Snapshot.Rules.Reputation.Checker.Check(t.Context(), now, reputation.Message{Domains: []string{"example.com"}, Body: reputation.Hash{byte(i)}})
		if a.Over != over || a.Err != nil {
			t.Errorf("after %d reloads: %+v", i, a)
		}
		built.Snapshot.Discard()
	}
}

func TestReputationSpamCheckIsAnExpression(t *testing.T) {
	built, problems := Build(t.Context(), read(t, "Mode v\nReputationRatios csl:*=0.5\nReputationSpamCheck (\n"), Parts{Log: slog.New(slog.DiscardHandler)})
	if built != nil || !problems.HasErrors() {
		t.Errorf("taken: %v", problems)
	}
}
