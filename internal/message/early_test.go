package message

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/keystore"
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
		if ends := m.FinishEarly(); ends != (name == "") {
			t.Errorf("%q: %v", name, ends)
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
	if m.FinishEarly() {
		t.Error("a signature was not verified")
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

// noSigner is a key that does not sign: one in hardware, whose hardware is gone.
type noSigner struct{ ed25519.PublicKey }

var errGone = errors.New("the token is gone")

func (k noSigner) Public() crypto.PublicKey { return k.PublicKey }
func (k noSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errGone
}

// TestMailIsSignedWholeOrNotAtAll: where one key fails, at the header or at the end, no
// signature is made, and the error is the message's.
func TestMailIsSignedWholeOrNotAtAll(t *testing.T) {
	public, good, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	fields, body, _ := signedMail(t)
	for name, c := range map[string]struct {
		selector string
		key      crypto.Signer
		fails    bool
	}{
		"good":               {"sel", good, false},
		"fails at the end":   {"sel", noSigner{public}, true},
		"fails at the start": {"no selector", good, true},
	} {
		key := &keystore.SigningKey{Name: "k", Domain: "example.com", Selector: c.selector, Signer: c.key, Algorithm: dkim.Ed25519SHA256}
		rules := &policy.Rules{Sign: true, Scripts: &policy.Scripts{Setup: script(func(s *policy.Scripted) {
			one := &keystore.SigningKey{Name: "one", Domain: "example.com", Selector: "one", Signer: good, Algorithm: dkim.Ed25519SHA256}
			s.Plan.Sign = []policy.SignRequest{{Key: one, Domain: "example.com"}, {Key: key, Domain: "example.com"}}
		})}}
		snapshot := &Snapshot{Rules: rules, Log: slog.New(slog.DiscardHandler), Resolver: resolver.NewOverlay(nil, nil)}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
		if run.Outcome == nil || (run.Verdict.SignError != nil) != c.fails || c.fails != (len(run.Verdict.Signatures) == 0) {
			t.Errorf("%s: %d signatures, %v", name, len(run.Verdict.Signatures), run.Verdict.SignError)
		}
	}
}

// mistaken is a script that is broken.
type mistaken struct{}

func (mistaken) Run(context.Context, *policy.Scripted) error { return errGone }

// TestMistakeOfAScreenEndsAMessage with its header, as On-InternalError says.
func TestMistakeOfAScreenEndsAMessage(t *testing.T) {
	fields, body, record := signedMail(t)
	for _, screen := range []policy.Script{script(func(*policy.Scripted) {}), mistaken{}} {
		rules := &policy.Rules{Verify: true, Scripts: &policy.Scripts{Screen: screen}}
		rules.Verdicts.Set(policy.InternalError, policy.Reject)
		snapshot := &Snapshot{Rules: rules, Log: slog.New(slog.DiscardHandler),
			Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}}}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
		_, ends := screen.(mistaken)
		if (run.Outcome == nil) != ends || (run.Plan.Reply.Action == policy.Reject) != ends {
			t.Errorf("a mistake %v: %+v, %s", ends, run.Outcome, run.Plan.Reply)
		}
	}
}

// mute is a log that wants nothing.
type mute struct {
	slog.Handler
	lines *int
}

func (mute) Enabled(context.Context, slog.Level) bool    { return false }
func (m mute) Handle(context.Context, slog.Record) error { *m.lines++; return nil }
func (m mute) WithAttrs([]slog.Attr) slog.Handler        { return m }

// TestUnwantedLinesAreNotMade.
func TestUnwantedLinesAreNotMade(t *testing.T) {
	fields, body, record := signedMail(t)
	lines := 0
	snapshot := &Snapshot{Log: slog.New(mute{lines: &lines}), Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}},
		Rules: &policy.Rules{Verify: true}, LogWhy: true, SyslogSuccess: true, LogResults: true}
	NewServices(nil, nil).Whole(t.Context(), snapshot, All, envelope(), fields, body)
	if lines != 0 {
		t.Errorf("%d lines", lines)
	}
}
