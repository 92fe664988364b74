package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/filter"
	"dojang/internal/policy"
	"dojang/internal/problem"
)

// filterTest says which messages to put through the filter.
type filterTest struct {
	program string    // what lines begin with
	files   []string  // "-" is standard input
	verbose int       // 1: the end of each message; 2: each step and each change
	now     time.Time // of signatures
}

// testMessages is opendkim -t: each message goes through the filter as if it
// came from this host, and what would be done with it is printed.
//
// Compat(opendkim 2.11): results go to standard output, steps to standard
// error; every macro NAME is "DEBUG-NAME".
func testMessages(ctx context.Context, s Streams, cfg *config.Config, o filterTest) int {
	account, _ := build.AccountOf(cfg) // Compat(opendkim 2.11): an unknown user does not matter here
	built, problems := build.Snapshot(ctx, cfg, build.Parts{Log: slog.New(slog.DiscardHandler), Account: account})
	if problems.HasErrors() {
		problems.Write(s.Err)
		return exConfig
	}
	defer built.Snapshot.Discard()
	t := filterTester{filterTest: o, s: s, snapshot: built.Snapshot, strict: cfg.StrictTestMode.Value}
	t.step(2, "", "connect", "CONTINUE")
	for _, file := range o.files {
		if code := t.message(ctx, file); code != exOK {
			return code
		}
	}
	t.step(2, "", "close", "CONTINUE")
	return exOK
}

type filterTester struct {
	filterTest
	s        Streams
	snapshot *filter.Snapshot
	strict   bool // every line must end in CRLF
}

// step tells how a step of the dialogue was answered.
func (t *filterTester) step(level int, where, name, answer string) {
	if t.verbose >= level {
		fmt.Fprintf(t.s.Err, "%s: %smlfi_%s() returned SMFIS_%s\n", t.program, where, name, answer)
	}
}

func (t *filterTester) message(ctx context.Context, file string) int {
	name := file
	if file == "-" {
		name = "(stdin)"
	}
	message, err := readMessageFile(t.s.In, file)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			fmt.Fprintf(t.s.Err, "%s: %s: fopen(): %s\n", t.program, name, problem.Strerror(pathErr.Err))
			return exUnavailable
		}
		fmt.Fprintf(t.s.Err, "%s: %s: %v\n", t.program, name, err)
		return exIOErr
	}
	where := name + ": "
	if line := bareLine(message); t.strict && line > 0 {
		fmt.Fprintf(t.s.Err, "%s: %sline %d: not CRLF-terminated\n", t.program, where, line)
		return exDataErr
	}
	t.step(2, where, "envfrom", "CONTINUE")
	t.step(2, where, "envrcpt", "CONTINUE")
	fields, body, bad := t.readFields(message, where)
	if bad > 0 {
		fmt.Fprintf(t.s.Err, "%s: %sline %d: header malformed\n", t.program, where, bad)
		return exDataErr
	}
	run := runMessage(ctx, t.snapshot, testEnvelope(), fields, withCRLF(body), t.now)
	if run.Plan.Reply.Action != policy.Continue {
		t.step(2, where, "eoh", milterAnswer(run.Plan.Reply))
		return exSoftware
	}
	t.step(2, where, "eoh", "CONTINUE")
	if len(body) > 0 {
		t.step(2, where, "body", "CONTINUE")
	}
	t.step(1, where, "eom", milterAnswer(run.Outcome.Reply))
	if t.verbose >= 2 {
		t.printEdits(run.Outcome)
	}
	t.printVerdict(name, run)
	return exOK
}

// bareLine returns the number of the first line that does not end in CRLF, 0 for
// none.
func bareLine(message []byte) int {
	n := 0
	for line := range bytes.Lines(message) {
		n++
		if !bytes.HasSuffix(line, []byte("\r\n")) {
			return n
		}
	}
	return 0
}

// readFields reads the header, telling each field's first line. bad is the line
// where something is no field, 0 for none.
func (t *filterTester) readFields(message []byte, where string) (fields *header.List, body []byte, bad int) {
	fields = new(header.List)
	line, first := 0, 0
	var raw []byte
	flush := func() bool {
		if raw == nil {
			return true
		}
		if i := bytes.IndexByte(raw, ':'); i <= 0 || raw[0] == ' ' || raw[0] == '\t' {
			return false
		}
		fields.AddRaw(raw)
		t.step(2, fmt.Sprintf("%sline %d: ", where, first), "header", "CONTINUE")
		raw = nil
		return true
	}
	for len(message) > 0 {
		end := bytes.IndexByte(message, '\n') + 1
		if end == 0 {
			end = len(message)
		}
		text := message[:end]
		message = message[end:]
		line++
		if len(bytes.TrimRight(text, "\r\n")) == 0 {
			break
		}
		if raw != nil && (text[0] == ' ' || text[0] == '\t') {
			raw = append(raw, text...)
			continue
		}
		if !flush() {
			return fields, nil, line
		}
		raw, first = append([]byte(nil), text...), line
	}
	if !flush() {
		return fields, nil, line
	}
	if fields.Len() == 0 {
		fmt.Fprintf(t.s.Err, "%s: %swarning: no headers on input\n", t.program, where)
	}
	return fields, message, 0
}

func milterAnswer(r policy.Reply) string {
	switch r.Action {
	case policy.Discard:
		return "DISCARD"
	case policy.Reject:
		return "REJECT"
	case policy.TempFail:
		return "TEMPFAIL"
	case policy.Continue, policy.Accept, policy.Quarantine:
	}
	return "ACCEPT"
}

// printEdits tells each change to the message.
func (t *filterTester) printEdits(o *policy.Outcome) {
	w := t.s.Out
	for _, e := range o.Edits {
		value := strings.ReplaceAll(strings.TrimPrefix(e.Value, " "), "\r\n", "\n")
		switch e.Op {
		case policy.InsertField:
			fmt.Fprintf(w, "### INSHEADER: idx=%d hname='%s' hvalue='%s'\n", e.Index, e.Name, value)
		case policy.AppendField:
			fmt.Fprintf(w, "### ADDHEADER: hname='%s' hvalue='%s'\n", e.Name, value)
		case policy.ChangeField:
			fmt.Fprintf(w, "### CHGHEADER: hname='%s' idx=%d hvalue='%s'\n", e.Name, e.Index, value)
		case policy.DeleteField:
			fmt.Fprintf(w, "### CHGHEADER: hname='%s' idx=%d hvalue='(null)'\n", e.Name, e.Index)
		case policy.AddRecipient:
			fmt.Fprintf(w, "### ADDRCPT: '%s'\n", e.Value)
		case policy.DeleteRecipient:
			fmt.Fprintf(w, "### DELRCPT: '%s'\n", e.Value)
		}
	}
	if o.Reply.Code != "" {
		fmt.Fprintf(w, "### SETREPLY: rcode='%s' xcode='%s' replytxt='%s'\n", o.Reply.Code, o.Reply.Status, o.Reply.Text)
	}
	if o.Quarantine != "" {
		fmt.Fprintf(w, "### QUARANTINE: reason='%s'\n", o.Quarantine)
	}
}

// printVerdict tells the signature made, or the one the message's fate follows.
func (t *filterTester) printVerdict(name string, run *messageRun) {
	w := t.s.Out
	switch {
	case len(run.Verdict.Signatures) > 0:
		if t.verbose >= 2 {
			return
		}
		for _, made := range run.Verdict.Signatures {
			fmt.Fprintf(w, "%s: %s:\n%s:%s\n", t.program, name, dkim.FieldName, made.Value)
		}
	case run.Verdict.SignError != nil:
		fmt.Fprintf(w, "%s: %s: not signed: %v\n", t.program, name, run.Verdict.SignError)
	case run.Plan.Malformed:
	case len(run.Verdict.Results) == 0:
		fmt.Fprintf(w, "%s: %s: message not signed\n", t.program, name)
	default:
		printResult(w, t.program+": "+name, decidingResult(run.Verdict.Results))
	}
}

func printResult(w io.Writer, where string, r *dkim.Result) {
	g := r.Signature
	if r.Status == dkim.StatusPass {
		fmt.Fprintf(w, "%s: verification (s=%s, d=%s, %d-bit key) succeeded\n", where, g.Selector, g.Domain, r.KeyBits)
		return
	}
	reason := r.Reason
	if reason == dkim.ReasonBodyHash {
		reason = dkim.ReasonBadSignature // Compat(opendkim 2.11): it knows one text for both
	}
	fmt.Fprintf(w, "%s: verification (s=%s d=%s, %d-bit key, %s) failed: %s\n", where, g.Selector, g.Domain, r.KeyBits, r.Security, reason)
}

// envelope is what is known of a message beside its text.
type envelope struct {
	clientName string
	clientAddr netip.Addr
	sender     string
	recipients []string
	macro      func(string) string
}

// testEnvelope is a message sent from this host, every macro set.
func testEnvelope() envelope {
	return envelope{
		clientName: "localhost", clientAddr: netip.AddrFrom4([4]byte{127, 0, 0, 1}),
		sender: "sender@example.org", recipients: []string{"recipient@example.com"},
		macro: func(name string) string { return "DEBUG-" + name },
	}
}

// messageRun is everything that was decided about a message.
type messageRun struct {
	Facts   policy.Facts
	Plan    *policy.Plan
	Verdict policy.Verdict
	Outcome *policy.Outcome // nil when the plan ended it
}

// runMessage puts a message through the filter's decisions without a socket.
// body has CRLF line ends.
func runMessage(ctx context.Context, snapshot *filter.Snapshot, e envelope, fields *header.List, body []byte, now time.Time) *messageRun {
	rules := snapshot.Rules
	run := &messageRun{Facts: policy.Facts{
		JobID: e.macro("i"), ClientName: e.clientName, ClientAddr: e.clientAddr,
		Sender: e.sender, Recipients: e.recipients, Fields: fields, Macro: e.macro,
		HeaderOverflow: snapshot.MaximumHeaderBytes > 0 && fields.Size() > snapshot.MaximumHeaderBytes,
	}}
	run.Plan = rules.Plan(ctx, &run.Facts)
	if run.Plan.Reply.Action != policy.Continue {
		return run
	}
	run.Verdict.Now = now
	bodies := &dkim.BodyHashes{FixCRLF: snapshot.FixCRLF}
	signers := run.signers(rules, bodies, now)
	var verifier *dkim.Verifier
	if run.Plan.Verify {
		verifier = dkim.NewVerifier(rules.Verdicts.VerifyOptions(run.Plan, now), fields, bodies)
	}
	bodies.Write(body)
	bodies.Close()
	if verifier != nil {
		answers := lookUpKeys(ctx, snapshot.Resolver, verifier.Queries())
		for i, q := range verifier.Queries() {
			verifier.SetKey(q, answers[i])
		}
		run.Verdict.Results = verifier.Finish()
		run.Verdict.Answers = lookUpTexts(ctx, snapshot.Resolver, rules.Questions(&run.Facts, run.Plan, verifier.Signatures()))
	}
	if rules.SignsNow(&run.Facts, run.Plan, run.Verdict.Results) && run.Verdict.SignError == nil {
		run.sign(signers)
	}
	run.Outcome = rules.Outcome(&run.Facts, run.Plan, &run.Verdict)
	return run
}

func (run *messageRun) signers(rules *policy.Rules, bodies *dkim.BodyHashes, now time.Time) []*dkim.Signer {
	fields := rules.Signing.Replaced(run.Facts.Fields)
	var signers []*dkim.Signer
	for _, request := range run.Plan.Sign {
		signer, err := dkim.NewSigner(rules.SignOptions(&run.Facts, run.Plan, request, now), fields, bodies)
		if err != nil {
			run.Verdict.SignError = err
			return nil
		}
		signers = append(signers, signer)
	}
	return signers
}

func (run *messageRun) sign(signers []*dkim.Signer) {
	for i, signer := range signers {
		value, err := signer.Sign()
		if err != nil {
			run.Verdict.Signatures, run.Verdict.SignError = nil, err
			return
		}
		run.Verdict.Signatures = append(run.Verdict.Signatures, policy.Signature{Request: run.Plan.Sign[i], Value: value})
	}
}
