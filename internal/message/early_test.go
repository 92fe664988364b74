package message

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/policy"
	"dojang/internal/resolver"
)

// TestWhatKeepsAMessageFromEndingEarly: each thing alone that its body, or its end, is
// needed for.
func TestWhatKeepsAMessageFromEndingEarly(t *testing.T) {
	for name, change := range map[string]func(*Message){
		"":                   func(*Message) {},
		"a reason to hold":   func(m *Message) { m.quarantine = "x" },
		"a signer":           func(m *Message) { m.signers = make([]signing, 1) },
		"a failed signer":    func(m *Message) { m.signError = errors.New("x") },
		"a hash for limits":  func(m *Message) { m.bodyHash = m.bodies.Want(dkim.Simple, crypto.SHA256, 0) },
		"a kept body":        func(m *Message) { m.kept = func(dkim.Canonicalization) []byte { return nil } },
		"a question":         func(m *Message) { m.questions = append(m.questions, keyAnswer{}) },
		"scripts":            func(m *Message) { m.snapshot.Rules.Scripts = &policy.Scripts{} },
		"a body to hash":     func(m *Message) { m.bodies.Want(dkim.Simple, crypto.SHA256, -1) },
		"signed if verified": func(m *Message) { m.plan.SignOnlyIfVerified = true },
		"a reply":            func(m *Message) { m.snapshot.Rules.Verdicts.Set(policy.NoSignature, policy.Reject) },
		"a field to add":     func(m *Message) { m.snapshot.Rules.Results.AlwaysAddARHeader = true },
		"statistics":         func(m *Message) { m.snapshot.Rules.Reports.Count = true },
	} {
		m := new(Message)
		snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Resolver: resolver.NewOverlay(nil, nil),
			Log: slog.New(slog.DiscardHandler)}
		m.begin(t.Context(), NewServices(nil, nil), snapshot, All, "a@example.com")
		m.AddField([]byte("From"), []byte(" a@example.com"), true)
		if answer := m.Decide(envelope().Origin).Action; answer != policy.Continue {
			t.Fatal(answer)
		}
		change(m)
		if o := m.FinishEarly(); (o != nil) != (name == "") {
			t.Errorf("%q: %+v", name, o)
		}
		m.stop()
	}
	fields, _, record := signedMail(t)
	m := new(Message)
	snapshot := &Snapshot{Rules: &policy.Rules{Verify: true},
		Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, Log: slog.New(slog.DiscardHandler)}
	m.begin(t.Context(), NewServices(nil, nil), snapshot, All, "a@example.com")
	for i := range fields.Len() {
		m.fields.AddRaw(fields.At(i).Raw)
	}
	m.Decide(envelope().Origin)
	if o := m.FinishEarly(); o != nil {
		t.Errorf("a signature was not verified: %+v", o)
	}
	m.stop()
}

// remembering has every answer at hand.
type remembering struct {
	oneAnswer
	asked *int
}

func (r remembering) Cached(string) (resolver.Answer, bool, error) { return r.answer, true, r.err }
func (r remembering) LookupTXT(ctx context.Context, name string) (resolver.Answer, error) {
	*r.asked++
	return r.oneAnswer.LookupTXT(ctx, name)
}

// TestKeysAtHandAreNotAskedFor: neither one that is there nor one that is not.
func TestKeysAtHandAreNotAskedFor(t *testing.T) {
	fields, body, record := signedMail(t)
	for _, c := range []struct {
		answer resolver.Answer
		err    error
		want   dkim.Status
	}{
		{resolver.Answer{Texts: []string{record}}, nil, dkim.StatusPass},
		{resolver.Answer{}, &resolver.Error{Name: "n", Kind: resolver.KindNotFound}, dkim.StatusFail},
	} {
		asked := 0
		snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Log: slog.New(slog.DiscardHandler),
			Resolver: remembering{oneAnswer{answer: c.answer, err: c.err}, &asked}}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
		if len(run.Verdict.Results) != 1 || run.Verdict.Results[0].Status != c.want || asked != 0 {
			t.Errorf("%+v, asked %d times", run.Verdict.Results, asked)
		}
		var cause *resolver.Error
		results := NewServices(nil, nil).Verify(t.Context(), snapshot, dkim.VerifyOptions{}, fields, body)
		if len(results) != 1 || results[0].Status != c.want || errors.As(results[0].KeyErr, &cause) != (c.err != nil) ||
			c.err != nil && results[0].KeyErr != error(cause) {
			t.Errorf("%+v", results)
		}
	}
}

// TestTemporaryFilesHoldWhatWasHashed: of a body, no more than l= covers.
func TestTemporaryFilesHoldWhatWasHashed(t *testing.T) {
	fields, body, record := signedMail(t)
	for length, want := range map[string]string{"": "text\r\n", "l=0; ": "", "l=3; ": "tex", "l=6; ": "text\r\n", "l=99; ": "text\r\n"} {
		limited := new(header.List)
		for i := range fields.Len() {
			limited.AddRaw([]byte(strings.Replace(string(fields.At(i).Raw), "v=1; ", "v=1; "+length, 1)))
		}
		folder := t.TempDir()
		snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Log: slog.New(slog.DiscardHandler), TemporaryDirectory: folder,
			Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}}}
		NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{TemporaryFiles: true}, envelope(), limited, body)
		names, _ := filepath.Glob(filepath.Join(folder, "*"))
		found := 0
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil && string(text) == want {
				found++
			}
		}
		if len(names) != 2 || found != 1 {
			t.Errorf("%s%d files, of which %d hold %q", length, len(names), found, want)
		}
	}
}
