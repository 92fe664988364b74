package message

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/event"
	"dojang/internal/keystore"
	"dojang/internal/policy"
	"dojang/internal/resolver"
	"dojang/internal/statistics"
	"dojang/internal/testutil"
)

// diary is an Observer that writes down what it is told.
type diary []string

func (d *diary) add(format string, args ...any) { *d = append(*d, fmt.Sprintf(format, args...)) }

func (d *diary) Signed(a dkim.Algorithm, took time.Duration)   { d.add("signed %v %v", a, took) }
func (d *diary) SigningFailed()                                { d.add("signing failed") }
func (d *diary) Verified(r dkim.Result)                        { d.add("verified %v", r.Status) }
func (d *diary) KeyLookup(took time.Duration, failed bool)     { d.add("key %v %v", took, failed) }
func (d *diary) TableError()                                   { d.add("table error") }
func (d *diary) Message(what string, _ time.Duration, n int64) { d.add("%s %d", what, n) }

// slow is a clock that is a second later at each look.
func slow() func() time.Time {
	var looks atomic.Int64
	return func() time.Time { return time.Unix(1_700_000_000+looks.Add(1), 0) }
}

// requests is a script that asks for signatures by keys of example.com, named as they are
// to be their selectors.
func requests(keys map[string]crypto.Signer) policy.Script {
	return script(func(s *policy.Scripted) {
		for name, key := range keys {
			s.Plan.Sign = append(s.Plan.Sign, policy.SignRequest{Domain: "example.com", Key: &keystore.SigningKey{
				Name: name, Domain: "example.com", Selector: name, Signer: key, Algorithm: dkim.Ed25519SHA256}})
		}
	})
}

// TestObserverIsToldOfEachStep, how long it took and how it came out.
func TestObserverIsToldOfEachStep(t *testing.T) {
	public, good, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	fields, body, record := signedMail(t)
	plain := new(header.List)
	plain.AddRaw([]byte("From: joe@example.com"))
	away := &resolver.Error{Name: "n", Kind: resolver.KindTimeout}
	var asked int
	for _, c := range []struct {
		name     string
		fields   *header.List
		resolver resolver.Resolver
		keys     map[string]crypto.Signer
		want     []string
	}{
		{"verified", fields, oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, nil,
			[]string{"key 1s false", "verified pass", "accept 6"}},
		{"a key at hand", fields, remembering{oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, &asked}, nil,
			[]string{"key 0s false", "verified pass", "accept 6"}},
		{"a key that is not had", fields, oneAnswer{err: away}, nil, []string{"key 1s true", "verified temperror", "accept 6"}},
		{"no signature", plain, nil, nil, []string{"accept 6"}},
		{"signed", plain, nil, map[string]crypto.Signer{"sel": good}, []string{"signed ed25519-sha256 1s", "accept 6"}},
		{"a key that fails", plain, nil, map[string]crypto.Signer{"sel": noSigner{public}}, []string{"signing failed", "accept 6"}},
		{"no selector", plain, nil, map[string]crypto.Signer{"no selector": good}, []string{"signing failed", "accept 6"}},
	} {
		d := new(diary)
		rules := &policy.Rules{Sign: c.keys != nil, Verify: c.keys == nil}
		if c.keys != nil {
			rules.Scripts = &policy.Scripts{Setup: requests(c.keys)}
		}
		if c.resolver == nil {
			c.resolver = resolver.NewOverlay(nil, nil)
		}
		snapshot := &Snapshot{Rules: rules, Resolver: c.resolver, Log: slog.New(slog.DiscardHandler)}
		m := NewServices(d, slow()).Begin(t.Context(), snapshot, All, "a@x")
		for i := range c.fields.Len() {
			m.fields.AddRaw(c.fields.At(i).Raw)
		}
		if m.Decide(envelope().Origin).Action == policy.Continue {
			m.lookups.Wait() // who look at the clock meanwhile
			m.Write(body)
			m.Finish()
		}
		m.Answered(policy.Accept)
		m.End()
		if diff := cmp.Diff(c.want, []string(*d)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestBudgetOfAMessage: what is set, 30 seconds where nothing is, from when it begins.
func TestBudgetOfAMessage(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: 30 * time.Second, -1: 30 * time.Second, 1: 1, time.Minute: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := (&Snapshot{MessageTimeBudget: set}).Budget(t.Context())
			defer cancel()
			begin := time.Now()
			<-ctx.Done()
			if took := time.Since(begin); took != want || ctx.Err() != context.DeadlineExceeded {
				t.Errorf("%v: ended after %v: %v", set, took, ctx.Err())
			}
		})
	}
}

// TestBrokenOffMessagesAreNotUsedAgain: nobody knows what a panic has left in their memory,
// at whichever step it came. Others leave nothing.
func TestBrokenOffMessagesAreNotUsedAgain(t *testing.T) {
	mistake := script(func(*policy.Scripted) { panic("a mistake") })
	for name, scripts := range map[string]*policy.Scripts{
		"nowhere": nil, "Decide": {Setup: mistake}, "screen": {Screen: mistake}, "Finish": {Final: mistake}, "Write": nil,
	} {
		services := NewServices(nil, nil)
		snapshot := &Snapshot{Rules: &policy.Rules{Verify: true, Scripts: scripts}, Resolver: resolver.NewOverlay(nil, nil),
			Log: slog.New(slog.DiscardHandler), Recorder: new(recorded)}
		m := services.Begin(t.Context(), snapshot, All, "joe@example.com")
		m.AddField([]byte("From"), []byte(" joe@example.com"), true)
		func() {
			defer func() { _ = recover() }()
			m.Decide(envelope().Origin)
			m.Write([]byte("text\r\n"))
			m.Finish()
			if name == "Write" {
				m.Write(nil) // which the hashes do not bear any more
			}
		}()
		m.Tell(policy.Note{Event: event.NoMacrosMatch()})
		m.questions = append(m.questions, keyAnswer{answer: dkim.KeyAnswer{Texts: []string{"x"}}})
		if m.working != (name != "nowhere") {
			t.Errorf("%s: working %v", name, m.working)
		}
		m.End()
		if name != "nowhere" {
			if reflect.ValueOf(m.state).IsZero() {
				t.Errorf("%s: cleared", name)
			}
			if services.Begin(t.Context(), snapshot, All, "") == m {
				t.Errorf("%s: lent again", name)
			}
			continue
		}
		if !reflect.ValueOf(m.state).IsZero() || len(m.events)+len(m.questions)+m.fields.Len() > 0 ||
			m.events[:1][0] != "" || m.questions[:1][0].answer.Texts != nil || !m.bodies.Satisfied() {
			t.Errorf("left: %+v", m)
		}
	}
}

// TestEnvelopesAreBounded at a hundred thousand recipients and 16 MiB of them.
func TestEnvelopesAreBounded(t *testing.T) {
	m := &Message{}
	for range 100_001 {
		m.AddRecipient("x")
	}
	if n := len(m.recipients); n != 100_000 {
		t.Errorf("%d recipients", n)
	}
	m = &Message{}
	for _, n := range []int{16<<20 - 1, 2, 1, 1} {
		m.AddRecipient(strings.Repeat("x", n))
	}
	if m.rcptBytes != 16<<20 || len(m.recipients) != 2 {
		t.Errorf("%d octets of %d recipients", m.rcptBytes, len(m.recipients))
	}
}

// TestKeysAreCheckedFast where something is at hand for it: RSA keys, and no others.
func TestKeysAreCheckedFast(t *testing.T) {
	_, _, curve := signedMail(t)
	fast := func(*rsa.PublicKey) func(crypto.Hash, []byte, []byte) bool {
		return func(crypto.Hash, []byte, []byte) bool { return true }
	}
	for text, want := range map[string]bool{testutil.KeyRecord(testutil.RSAKey()): true, curve: false, "v=DKIM1; p=": false, "v=x": false} {
		for _, s := range []*Snapshot{{FastRSA: fast}, {}} {
			a := dkim.KeyAnswer{Texts: []string{text}}
			new(keyCache).parse(&a, s)
			if got := a.VerifyRSA != nil; got != (want && s.FastRSA != nil) {
				t.Errorf("%.30s, fast at hand %v: %v", text, s.FastRSA != nil, got)
			}
		}
	}
}

// reports is a Reporter.
type reports struct{ got []string }

func (r *reports) Report(x *policy.FailureReport) {
	r.got = append(r.got, fmt.Sprintf("report from %s at %d: %s", x.Sender, x.Arrived.Unix(), x.CanonicalBody))
}
func (r *reports) Diagnose(*policy.Diagnosis) { r.got = append(r.got, "diagnosis") }
func (r *reports) Record(*statistics.Message) { r.got = append(r.got, "statistics") }

// TestWhatIsLeftBehind: what a message wants done, of that what it may; a report has the
// sender, the time and the body as they were.
func TestWhatIsLeftBehind(t *testing.T) {
	fields, _, record := signedMail(t)
	asking := new(header.List)
	for i := range fields.Len() {
		asking.AddRaw([]byte(strings.Replace(string(fields.At(i).Raw), "v=1; ", "v=1; r=y; ", 1)))
	}
	wants := policy.Reports{Send: true, Count: true}
	for name, c := range map[string]struct {
		reports policy.Reports
		effects Effects
		fields  *header.List
		want    []string
	}{
		"all":             {wants, All, asking, []string{"report from joe@example.com at 1700000003: other\r\n", "statistics"}},
		"reports alone":   {wants, Effects{Reports: true}, asking, []string{"report from joe@example.com at 1700000003: other\r\n"}},
		"numbers alone":   {wants, Effects{Statistics: true}, asking, []string{"statistics"}},
		"nothing":         {wants, Effects{}, asking, nil},
		"nothing is sent": {policy.Reports{Count: true}, All, asking, []string{"statistics"}},
		"not asked for":   {wants, All, fields, []string{"statistics"}},
	} {
		r := new(reports)
		now := slow()
		snapshot := &Snapshot{Rules: &policy.Rules{Verify: true, Reports: c.reports}, Log: slog.New(slog.DiscardHandler), Reporter: r,
			Resolver: remembering{oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, new(int)}}
		e := envelope()
		e.Sender = "joe@example.com"
		run := NewServices(nil, now).Whole(t.Context(), snapshot, c.effects, e, c.fields, []byte("other\r\n"))
		for i, line := range r.got { // the time is that of the end
			r.got[i] = strings.Replace(line, fmt.Sprint(run.Verdict.Now.Unix()), "1700000003", 1)
		}
		if diff := cmp.Diff(c.want, r.got); diff != "" || run.Verdict.Now.IsZero() {
			t.Errorf("%s at %v (-want +got)\n%s", name, run.Verdict.Now, diff)
		}
	}
}

// TestLinesThatAreToldOnce of a process, and the line for those who watch a terminal.
func TestLinesThatAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	services, rec := NewServices(nil, nil), new(recorded)
	snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Recorder: rec, Resolver: resolver.NewOverlay(nil, nil),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 100}))}
	fields := new(header.List)
	fields.AddRaw([]byte("From: a@example.com"))
	e := envelope()
	e.Macro = func(string) string { return "" }
	e.Sender = "joe@example.com"
	for range 3 {
		services.Whole(t.Context(), snapshot, Effects{}, e, fields, nil)
	}
	if n := strings.Count(log.String(), "symbol 'i' not available"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := strings.Count(log.String(), `: h, <joe@example.com>: no signature"`); n != 3 {
		t.Errorf("%d lines for a terminal\n%s", n, log.String())
	}
	m := &Message{}
	m.services, m.snapshot = services, snapshot
	m.Tell(policy.Note{Event: event.NoJobID(), Once: true}, policy.Note{Event: event.Summary("x")})
	if !slices.Equal(m.events, []string{"no_job_id"}) {
		t.Errorf("remembered: %q", m.events)
	}
}

// TestScriptsOfTheEnd know how long the body is that a signature covers a part of, and add
// tags to signatures that are made then.
func TestScriptsOfTheEnd(t *testing.T) {
	fields, body, record := signedMail(t)
	limited := new(header.List)
	for i := range fields.Len() {
		limited.AddRaw([]byte(strings.Replace(string(fields.At(i).Raw), "v=1; ", "v=1; l=2; ", 1)))
	}
	length := int64(0)
	snapshot := &Snapshot{Log: slog.New(slog.DiscardHandler), Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}},
		Rules: &policy.Rules{Verify: true, Scripts: &policy.Scripts{
			Final: script(func(s *policy.Scripted) { length = s.Signatures[0].Result.CanonicalBodyLength })}}}
	m := NewServices(nil, nil).Begin(t.Context(), snapshot, Effects{}, "")
	for i := range limited.Len() {
		m.fields.AddRaw(limited.At(i).Raw)
	}
	m.Decide(envelope().Origin)
	m.Write(body)
	m.Write(body)
	if m.Finish(); length != 2*int64(len(body)) {
		t.Errorf("a body of %d octets, not %d", length, 2*len(body))
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Rules = &policy.Rules{Sign: true, Scripts: &policy.Scripts{
		Setup: requests(map[string]crypto.Signer{"sel": key}),
		Final: script(func(s *policy.Scripted) { s.Plan.ExtraTags = append([][2]string{{"xt", "late"}}, s.Plan.ExtraTags...) })}}
	run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
	if s := run.Verdict.Signatures; len(s) != 1 || !strings.Contains(s[0].Value, "xt=late;") {
		t.Errorf("%+v", s)
	}
}

// asks is a resolver that keeps the context of a question.
type asks struct {
	oneAnswer
	within *context.Context
}

func (a asks) LookupTXT(ctx context.Context, name string) (resolver.Answer, error) {
	*a.within = ctx
	return a.oneAnswer.LookupTXT(ctx, name)
}

// TestQuestionsHaveAnEnd, whoever asks; of a message that is refused with its header none
// is asked.
func TestQuestionsHaveAnEnd(t *testing.T) {
	fields, body, record := signedMail(t)
	var within context.Context
	snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Log: slog.New(slog.DiscardHandler), MessageTimeBudget: time.Minute,
		Resolver: asks{oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, &within}}
	services := NewServices(nil, nil)
	for name, ask := range map[string]func(){
		"Whole":  func() { services.Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body) },
		"Verify": func() { services.Verify(t.Context(), snapshot, dkim.VerifyOptions{}, fields, body) },
	} {
		within = nil
		if ask(); within == nil {
			t.Fatalf("%s asks nothing, or for ever", name)
		}
		if end, ok := within.Deadline(); !ok || time.Until(end) > time.Minute || within.Err() != context.Canceled {
			t.Errorf("%s: until %v, %v when it is done", name, end, within.Err())
		}
	}
	within = nil
	snapshot.Rules = &policy.Rules{Verify: true, Scripts: &policy.Scripts{
		Setup: script(func(s *policy.Scripted) { s.Reply = policy.Reply{Action: policy.Reject} })}}
	if run := services.Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body); run.Outcome != nil || within != nil {
		t.Errorf("%+v, asked %v", run.Outcome, within != nil)
	}
}

// TestBareLineEnds are made whole where FixCRLF asks for it.
func TestBareLineEnds(t *testing.T) {
	fields, _, record := signedMail(t)
	for fixes, want := range map[bool]dkim.Status{true: dkim.StatusPass, false: dkim.StatusFail} {
		snapshot := &Snapshot{Rules: &policy.Rules{Verify: true}, Log: slog.New(slog.DiscardHandler), FixCRLF: fixes,
			Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}}}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, []byte("text\n"))
		if got := run.Verdict.Results[0].Status; got != want {
			t.Errorf("FixCRLF %v: %v", fixes, got)
		}
	}
}
