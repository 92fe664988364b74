package policy

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/internal/keystore"
)

// scripted is a script in Go.
type scripted func(s *Scripted) error

func (f scripted) Run(_ context.Context, s *Scripted) error { return f(s) }

func TestSetupScriptHasItsSayInThePlan(t *testing.T) {
	mistake := errors.New("/s.lua:3: boom")
	tests := []struct {
		name   string
		script scripted
		action Action // On-InternalError
		want   Reply
		told   []string
	}{
		{name: "nothing", script: func(*Scripted) error { return nil }},
		{name: "a result", script: func(s *Scripted) error { s.Reply.Action = Discard; return nil }, want: Reply{Action: Discard}},
		{name: "accept", script: func(s *Scripted) error { s.Reply.Action = Accept; return nil }, want: Reply{Action: Accept}},
		{name: "a mistake", script: func(*Scripted) error { return mistake }, action: TempFail, want: Reply{Action: TempFail, Text: "resource unavailable"},
			told: []string{"dkimf_lua_setup_hook() failed: /s.lua:3: boom"}},
		{name: "a mistake that does not matter", script: func(*Scripted) error { return mistake }, action: Accept, want: Reply{Action: Accept},
			told: []string{"dkimf_lua_setup_hook() failed: /s.lua:3: boom"}},
	}
	for _, tt := range tests {
		r := &Rules{Verify: true, Scripts: &Scripts{Setup: tt.script}}
		r.Verdicts.Set(InternalError, tt.action)
		p := r.Plan(t.Context(), &Facts{Fields: fieldsOf(t, standardHeader)})
		if diff := cmp.Diff(tt.want, p.Reply); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		var told []string
		for _, n := range p.Notes {
			if n.Event.Name == "script_failed" {
				told = append(told, n.Event.Text)
			}
		}
		if diff := cmp.Diff(tt.told, told); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Deletions of ours and of a script are one list, each once and from the back,
// and before all insertions; a refusal takes the place of every other answer.
func TestFinalScriptHasItsSayInTheOutcome(t *testing.T) {
	head := "Authentication-Results: mx.example; dkim=pass\nX-A: 1\nAuthentication-Results: other.example; dkim=pass\nX-A: 2\n" +
		standardHeader
	r := &Rules{Verify: true, Results: AuthResults{AuthservID: "mx.example", AlwaysAddARHeader: true}, Scripts: &Scripts{}}
	r.Verdicts.Set(NoSignature, TempFail)
	f := &Facts{JobID: "JOB", Fields: fieldsOf(t, head)}
	outcome := func(script scripted) []string {
		r.Scripts.Final = script
		p := &Plan{Verify: true}
		p.Scripted = &Scripted{Rules: r, Facts: f, Plan: p}
		p.Scripted.Final(t.Context())
		return describeOutcome(r.Outcome(f, p, &Verdict{Results: p.Scripted.Kept(nil)}))
	}
	got := outcome(func(s *Scripted) error {
		s.Edits = []Edit{{Op: InsertField, Name: "X-New", Value: " v"}, {Op: DeleteField, Index: 1, Name: "x-a"},
			{Op: DeleteField, Index: 2, Name: "X-A"},
			{Op: DeleteField, Index: 1, Name: "authentication-results"}, {Op: DeleteField, Index: 1, Name: "X-A"}}
		return nil
	})
	want := []string{got[0], "delete X-A 2", "delete Authentication-Results 1", "delete x-a 1",
		"insert 0 Authentication-Results: mx.example; dkim=none", "insert 0 X-New: v"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, tt := range []struct {
		reply Reply
		want  string
	}{
		{Reply{Action: Reject, Code: 550, Status: "5.7.1", Text: "no"}, "reject 550 5.7.1 no"},
		{Reply{Action: TempFail, Code: 550, Status: "5.7.1", Text: "no"}, "tempfail"},
		{Reply{Action: Discard}, "discard"},
		{Reply{Action: Accept}, "tempfail 451 4.7.0 no DKIM signature data"},
	} {
		if got := outcome(func(s *Scripted) error { s.Reply = tt.reply; return nil })[0]; got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.reply, got, tt.want)
		}
	}
}

func TestIgnoredSignaturesCountForNothing(t *testing.T) {
	s := &Scripted{Signatures: []ScriptedSignature{{Ignored: true}, {}, {Ignored: true}}}
	results := []dkim.Result{{Reason: dkim.ReasonNone}, {Reason: dkim.ReasonExpired}, {Reason: dkim.ReasonNone}}
	if kept := s.Kept(results); len(kept) != 1 || kept[0].Reason != dkim.ReasonExpired {
		t.Errorf("kept %v", kept)
	}
	if kept := (*Scripted)(nil).Kept(results); len(kept) != 3 {
		t.Errorf("without scripts: %d", len(kept))
	}
}

// TestScriptsAskForKeys that are there or not, each once.
func TestScriptsAskForKeys(t *testing.T) {
	fallback := &keystore.SigningKey{Name: "default", Selector: "sel"}
	for _, c := range []struct {
		name string
		keys Keys
		ask  string
		want string
	}{
		{"by name", tableRules(t).Keys, "k1", "true <nil> k1 d=example.com"},
		{"unknown", tableRules(t).Keys, "nokey", "false <nil>"},
		{"broken", tableRules(t).Keys, "broken", "false <nil>"},
		{"no table", Keys{DefaultKey: fallback}, "k1", "false request requires KeyTable"},
		{"KeyFile", Keys{DefaultKey: fallback}, "", "true <nil> default d=sub.example.com"},
		{"KeyFile for a domain above", Keys{DefaultKey: fallback, Domain: csl(t, "example.com"), SubDomains: true}, "", "true <nil> default d=example.com i=@example.com"},
		{"KeyFile for no domain", Keys{DefaultKey: fallback, Domain: csl(t, "example.org"), SubDomains: true}, "", "true <nil> default d=sub.example.com"},
		{"KeyFile, nobody to ask", Keys{DefaultKey: fallback, Domain: failing{}, SubDomains: true}, "", "false connection refused"},
		{"no KeyFile", Keys{}, "", "false <nil>"},
	} {
		s := &Scripted{Rules: &Rules{Sign: true, Keys: c.keys}, Plan: &Plan{Author: Author{User: "joe", Domain: "sub.example.com"}}}
		for range 2 {
			ok, err := s.Sign(t.Context(), c.ask, "", nil)
			got := fmt.Sprint(ok, " ", err)
			for _, r := range s.Plan.Sign {
				got += " " + r.Key.Name + " d=" + r.Domain
				if r.Identity != "" {
					got += " i=" + r.Identity
				}
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	}
	s := &Scripted{Rules: &Rules{Keys: tableRules(t).Keys}, Plan: &Plan{}}
	if n, err := s.SignFor(t.Context(), "joe", "example.com", true); n != 2 || err != nil {
		t.Errorf("all rows: %d, %v", n, err)
	}
	s = &Scripted{Rules: &Rules{Keys: Keys{SigningTable: csl(t, "example.com=k1")}}, Plan: &Plan{}}
	if n, err := s.SignFor(t.Context(), "joe", "example.com", true); n != 0 || !errors.Is(err, ErrNoKeyTable) {
		t.Errorf("rows without a table of keys: %d, %v", n, err)
	}
	s = &Scripted{Rules: &Rules{Keys: Keys{SigningTable: failing{}}}, Plan: &Plan{}}
	if n, err := s.SignFor(t.Context(), "joe", "example.com", true); n != 0 || err == nil {
		t.Errorf("a table that fails: %d, %v", n, err)
	}
	if n, err := (&Scripted{Rules: &Rules{}, Plan: &Plan{}}).SignFor(t.Context(), "joe", "example.com", true); n != 0 || err != nil {
		t.Errorf("no table: %d, %v", n, err)
	}
}
