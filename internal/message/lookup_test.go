package message

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/policy"
	"dojang/internal/resolver"
)

// signedMail is a message signed by example.com and the record of its key.
func signedMail(t *testing.T) (fields *header.List, body []byte, record string) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("From: joe@example.com\r\nSubject: x\r\n\r\ntext\r\n")
	field, err := dkim.Sign(text, dkim.SignOptions{Domain: "example.com", Selector: "s", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	fields, body, err = header.Parse(append(field, text...))
	if err != nil {
		t.Fatal(err)
	}
	return fields, body, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
}

// oneAnswer resolves every name to the same.
type oneAnswer struct {
	resolver.Resolver
	answer resolver.Answer
	err    error
}

func (r oneAnswer) LookupTXT(context.Context, string) (resolver.Answer, error) {
	return r.answer, r.err
}
func (r oneAnswer) Cached(string) (resolver.Answer, bool, error) {
	return resolver.Answer{}, false, nil
}

func envelope() Envelope {
	return Envelope{Origin: Origin{ClientName: "h", ClientAddr: netip.MustParseAddr("192.0.2.1"),
		Macro: func(string) string { return "JOB" }}}
}

// TestBogusKeysAreJudgedByBogusKey: from the resolver's error to what becomes of the
// message. Texts beside a bogus answer are a key for those who want them; without texts,
// or of any other failure, there is none.
func TestBogusKeysAreJudgedByBogusKey(t *testing.T) {
	fields, body, record := signedMail(t)
	bogus := &resolver.Error{Name: "s._domainkey.example.com", Kind: resolver.KindBogus}
	refused := &resolver.Error{Name: "s._domainkey.example.com", Kind: resolver.KindRefused}
	for _, c := range []struct {
		name      string
		texts     []string
		err       error
		treatment policy.KeyTreatment
		status    dkim.Status
		security  dkim.Security
		reply     string
	}{
		{"bogus, none", []string{record}, bogus, policy.TreatNone, dkim.StatusPass, dkim.Bogus, "accept"},
		{"bogus, fail", []string{record}, bogus, policy.TreatFail, dkim.StatusPass, dkim.Bogus, "reject 550 5.7.0 bad DKIM signature data"},
		{"bogus without texts", nil, bogus, policy.TreatFail, dkim.StatusTempError, dkim.SecurityUnknown, "accept"},
		{"texts beside another failure", []string{record}, refused, policy.TreatFail, dkim.StatusTempError, dkim.SecurityUnknown, "accept"},
		{"no failure", []string{record}, nil, policy.TreatFail, dkim.StatusPass, dkim.SecurityUnknown, "accept"},
	} {
		rules := &policy.Rules{Verify: true, Verdicts: policy.Verdicts{BogusKey: c.treatment}}
		rules.Verdicts.Set(policy.BadSignature, policy.Reject)
		snapshot := &Snapshot{Rules: rules, Resolver: oneAnswer{answer: resolver.Answer{Texts: c.texts}, err: c.err},
			Log: slog.New(slog.DiscardHandler)}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
		r := run.Verdict.Results[0]
		if r.Status != c.status || r.Security != c.security || run.Outcome.Reply.String() != c.reply {
			t.Errorf("%s: %v, %v, %s", c.name, r.Status, r.Security, run.Outcome.Reply)
		}
	}
}

// TestSecurityIsWhatTheResolverSaysOfIt, state by state.
func TestSecurityIsWhatTheResolverSaysOfIt(t *testing.T) {
	for _, s := range []resolver.Security{resolver.SecurityUnknown, resolver.Insecure, resolver.Secure, resolver.Bogus} {
		if got := keyAnswerOf(resolver.Answer{Texts: []string{"x"}, Security: s}, nil); got.Security != s ||
			got.Temporary || got.NotFound {
			t.Errorf("%v: %+v", s, got)
		}
	}
	for kind, words := range map[resolver.Kind]string{resolver.KindTimeout: "query timed out", resolver.KindServFail: "query failed"} {
		got := keyAnswerOf(resolver.Answer{}, &resolver.Error{Name: "n", Kind: kind})
		if !got.Temporary || got.NotFound || got.Err.Error() != "'n' "+words {
			t.Errorf("%v: %+v", kind, got)
		}
	}
	if got := keyAnswerOf(resolver.Answer{}, &resolver.Error{Kind: resolver.KindNotFound}); !got.NotFound || got.Temporary {
		t.Errorf("%+v", got)
	}
	if got := keyAnswerOf(resolver.Answer{}, context.DeadlineExceeded); got.NotFound || !got.Temporary {
		t.Errorf("%+v", got)
	}
}

// TestParsedKeysAreKept by their text: one text is parsed once, texts of a stranger's
// length are not kept, and room is made for more.
func TestParsedKeysAreKept(t *testing.T) {
	var c keyCache
	parse := func(texts ...string) *dkim.KeyAnswer {
		a := &dkim.KeyAnswer{Texts: texts}
		c.parse(a, &Snapshot{})
		return a
	}
	_, _, record := signedMail(t)
	a, b := parse(record), parse(record)
	if a.Record == nil || a.Record != b.Record {
		t.Errorf("parsed twice: %p, %p", a.Record, b.Record)
	}
	if a := parse("v=DKIM1; p="); a.RecordReason != dkim.ReasonKeyRevoked {
		t.Errorf("a revoked key: %v", a.RecordReason)
	}
	fits := "v=DKIM1; p=; n=" + strings.Repeat("x", maxCachedKeyBytes-len("v=DKIM1; p=; n="))
	for name, answer := range map[string]dkim.KeyAnswer{
		"long": {Texts: []string{fits + "x"}}, "several": {Texts: []string{record, record}}, "none": {},
		"an error": {Texts: []string{record}, Err: os.ErrClosed}, "not found": {Texts: []string{record}, NotFound: true}, "for now": {Texts: []string{record}, Temporary: true},
	} {
		if c.parse(&answer, &Snapshot{}); answer.Record != nil || answer.RecordReason != dkim.ReasonNone {
			t.Errorf("%s: parsed", name)
		}
	}
	if a := parse(fits); a.RecordReason != dkim.ReasonKeyRevoked || len(c.records) != 3 {
		t.Errorf("%v, %d kept", a.RecordReason, len(c.records))
	}
	for i := len(c.records); i < maxCachedKeys; i++ {
		parse(fmt.Sprintf("v=DKIM1; p=; n=%d", i))
	}
	if len(c.records) != maxCachedKeys {
		t.Errorf("%d kept", len(c.records))
	}
	if parse("v=DKIM1; p=; n=more"); len(c.records) != maxCachedKeys-maxCachedKeys/8+1 {
		t.Errorf("%d kept when one more came", len(c.records))
	}
}

// TestQuarantineOfAnEarlyReply: the MTA takes it at the end of a message only, where a
// reason of the end's own outranks it.
func TestQuarantineOfAnEarlyReply(t *testing.T) {
	fields, body, _ := signedMail(t)
	none := resolver.NewOverlay(map[string]string{"s._domainkey.example.com": "v=DKIM1; p="}, nil)
	for _, c := range []struct{ atEnd, want string }{{"", "early"}, {"late", "late"}} {
		rules := &policy.Rules{Verify: true, Scripts: &policy.Scripts{
			Setup: script(func(s *policy.Scripted) { s.Reply = policy.Reply{Action: policy.Quarantine, Text: "early"} }),
			Final: script(func(s *policy.Scripted) { s.Quarantine = c.atEnd }),
		}}
		snapshot := &Snapshot{Rules: rules, Resolver: none, Log: slog.New(slog.DiscardHandler)}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
		if run.Outcome == nil || run.Outcome.Quarantine != c.want {
			t.Errorf("%q at the end: %+v", c.atEnd, run.Outcome)
		}
	}
}

type script func(*policy.Scripted)

func (s script) Run(_ context.Context, m *policy.Scripted) error {
	s(m)
	return nil
}

// TestTemporaryFilesAreWrittenWhereAsked: names from the MTA are no paths, a signature
// that cannot be read has none, and nothing is written for who only asks.
func TestTemporaryFilesAreWrittenWhereAsked(t *testing.T) {
	fields, body, record := signedMail(t)
	fields.AddRaw([]byte("DKIM-Signature: v=1; d=broken"))
	for _, c := range []struct {
		job     string
		effects Effects
		want    string // pattern of the names
		files   int
	}{
		{"JOB", Effects{TemporaryFiles: true}, "dkim.JOB.*", 2},
		{"../a b*/\x80", Effects{TemporaryFiles: true}, "dkim..._a_b___.*", 2},
		{strings.Repeat("j", 100), Effects{TemporaryFiles: true}, "dkim." + strings.Repeat("j", 64) + ".*", 2},
		{"JOB", Effects{}, "*", 0},
	} {
		folder := t.TempDir()
		snapshot := &Snapshot{
			Rules: &policy.Rules{Verify: true}, Log: slog.New(slog.DiscardHandler), TemporaryDirectory: folder,
			Resolver: oneAnswer{answer: resolver.Answer{Texts: []string{record}}},
		}
		e := envelope()
		e.Macro = func(string) string { return c.job }
		NewServices(nil, nil).Whole(t.Context(), snapshot, c.effects, e, fields, body)
		all, err := os.ReadDir(folder)
		names, _ := filepath.Glob(filepath.Join(folder, c.want))
		if err != nil || len(all) != c.files || len(names) != c.files {
			t.Errorf("%q: %v, %d files, %d of them %s", c.job, err, len(all), len(names), c.want)
		}
	}
	var log bytes.Buffer
	snapshot := &Snapshot{
		Rules: &policy.Rules{Verify: true}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		TemporaryDirectory: filepath.Join(t.TempDir(), "gone"),
		Resolver:           oneAnswer{answer: resolver.Answer{Texts: []string{record}}},
	}
	NewServices(nil, time.Now).Whole(t.Context(), snapshot, All, envelope(), fields, body)
	if strings.Count(log.String(), ": KeepTemporaryFiles: open "+snapshot.TemporaryDirectory+"/dkim.") != 1 ||
		!strings.Contains(log.String(), "event=temporary_file_failed job=") {
		t.Errorf("log: %s", log.String())
	}
}

// counting counts the look-ups of a resolver, and panics when told to.
type counting struct {
	oneAnswer
	asked  *int
	panics bool
}

func (r counting) LookupTXT(ctx context.Context, name string) (resolver.Answer, error) {
	*r.asked++
	if r.panics {
		panic("a mistake")
	}
	return r.oneAnswer.LookupTXT(ctx, name)
}

// TestKeysOfIgnoredSignaturesAreNotAskedFor, and a resolver that breaks is one that does
// not answer: the message goes on and the log says why.
func TestKeysOfIgnoredSignaturesAreNotAskedFor(t *testing.T) {
	fields, body, record := signedMail(t)
	for _, c := range []struct {
		name            string
		ignored, panics bool
		asked, results  int
		status          dkim.Status
	}{
		{"taken", false, false, 1, 1, dkim.StatusPass},
		{"ignored", true, false, 0, 0, 0},
		{"a panic", false, true, 1, 1, dkim.StatusTempError},
	} {
		var log bytes.Buffer
		asked := 0
		snapshot := &Snapshot{
			Rules: &policy.Rules{Verify: true, Scripts: &policy.Scripts{
				Screen: script(func(s *policy.Scripted) { s.Signatures[0].Ignored = c.ignored }),
			}},
			Resolver: counting{oneAnswer{answer: resolver.Answer{Texts: []string{record}}}, &asked, c.panics},
			Log:      slog.New(slog.NewTextHandler(&log, nil)),
		}
		run := NewServices(nil, nil).Whole(t.Context(), snapshot, Effects{}, envelope(), fields, body)
		results := run.Verdict.Results
		if asked != c.asked || len(results) != c.results || len(results) > 0 && results[0].Status != c.status {
			t.Errorf("%s: asked %d times, %+v", c.name, asked, results)
		}
		if told := strings.Contains(log.String(), `: panic while looking up a key" event=panic job=`); told != c.panics {
			t.Errorf("%s: log %s", c.name, log.String())
		}
	}
}

// seen is what an Observer was told of a message's end.
type seen struct {
	noObserver
	outcome string
	bytes   int64
}

func (s *seen) Message(outcome string, _ time.Duration, bodyBytes int64) {
	s.outcome, s.bytes = outcome, bodyBytes
}

// TestBytesAreCountedWhoeverNeedsThem, and no step leaves a message as though it had
// broken off.
func TestBytesAreCountedWhoeverNeedsThem(t *testing.T) {
	observer := new(seen)
	services := NewServices(observer, nil)
	none := resolver.NewOverlay(map[string]string{}, nil)
	m := services.Begin(t.Context(), &Snapshot{Rules: &policy.Rules{Verify: true}, Resolver: none,
		Log: slog.New(slog.DiscardHandler)}, All, "a@x")
	steps := []func(){
		func() { m.AddField([]byte("From"), []byte(" a@x"), true) },
		func() { m.Decide(envelope().Origin) },
		func() { m.Write([]byte("12345")) },
		func() { m.Write([]byte("1234567")) },
		func() { m.Finish() },
		func() { m.Answered(policy.Accept) },
	}
	for i, step := range steps {
		if step(); m.working {
			t.Errorf("after step %d the message is still worked on", i)
		}
	}
	if observer.bytes != 12 || observer.outcome != "accept" {
		t.Errorf("%+v", observer)
	}
	m.End()
}
