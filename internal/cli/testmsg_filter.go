package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"

	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/filter"
	"dojang/internal/logging"
	"dojang/internal/message"
	"dojang/internal/problem"
)

// filterTest says which messages to put through the filter.
type filterTest struct {
	program string          // what lines begin with
	files   []string        // "-" is standard input
	verbose int             // 1: the end of each message; 2: each step and each change
	log     bool            // what would be logged goes to standard error
	json    bool            // values, and no lines
	effects message.Effects // what the messages may leave behind
	now     time.Time       // of signatures
}

// testMessages is opendkim -t: each message goes through the filter as if it
// came from this host, and what would be done with it is printed.
//
// Compat(opendkim 2.11): results go to standard output, steps to standard
// error; every macro NAME is "DEBUG-NAME"; PeerList is not asked.
func testMessages(ctx context.Context, s Streams, cfg *config.Config, o filterTest) int {
	parts := build.ToolParts(Version)
	parts.Account, _ = build.AccountOf(cfg) // Compat(opendkim 2.11): an unknown user does not matter here
	t := filterTester{filterTest: o, s: s, strict: cfg.StrictTestMode.Value}
	switch {
	case o.json:
		parts.Log = slog.New(logging.NewJSON(&t.lines, slog.LevelDebug))
	case o.log:
		parts.Log = slog.New(logging.NewStream(s.Err, o.program+":", slog.LevelDebug))
	}
	built, problems := build.Snapshot(ctx, cfg, parts)
	if built == nil {
		problems.Write(s.Err)
		return exit.Config
	}
	defer built.Snapshot.Discard()
	t.lines.Reset() // of what the build had to say
	t.snapshot = built.Snapshot
	t.services = message.NewServices(nil, func() time.Time { return o.now })
	t.step(2, "", "connect", "CONTINUE")
	for _, file := range o.files {
		if code := t.message(ctx, file); code != exit.OK {
			return code
		}
	}
	t.step(2, "", "close", "CONTINUE")
	if o.json {
		if err := s.printJSON(t.tested); err != nil {
			return exit.IOErr
		}
	}
	return exit.OK
}

type filterTester struct {
	filterTest
	s        Streams
	snapshot *filter.Snapshot
	services *message.Services
	strict   bool         // every line must end in CRLF
	lines    bytes.Buffer // with json: what was logged
	tested   []testedMessage
}

// step tells how a step of the dialogue was answered.
func (t *filterTester) step(level int, where, name, answer string) {
	if t.verbose >= level && !t.json {
		fmt.Fprintf(t.s.Err, "%s: %smlfi_%s() returned SMFIS_%s\n", t.program, where, name, answer)
	}
}

func (t *filterTester) message(ctx context.Context, file string) int {
	name := file
	if file == "-" {
		name = "(stdin)"
	}
	text, err := readMessageFile(t.s.In, file)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			fmt.Fprintf(t.s.Err, "%s: %s: fopen(): %s\n", t.program, name, problem.Strerror(pathErr.Err))
			return exit.Unavailable
		}
		fmt.Fprintf(t.s.Err, "%s: %s: %v\n", t.program, name, err)
		return exit.IOErr
	}
	where := name + ": "
	if line := bareLine(text); t.strict && line > 0 {
		fmt.Fprintf(t.s.Err, "%s: %sline %d: not CRLF-terminated\n", t.program, where, line)
		return exit.DataErr
	}
	t.step(2, where, "envfrom", "CONTINUE")
	t.step(2, where, "envrcpt", "CONTINUE")
	fields, body, bad := t.readFields(text, where)
	if bad > 0 {
		fmt.Fprintf(t.s.Err, "%s: %sline %d: header malformed\n", t.program, where, bad)
		return exit.DataErr
	}
	run := t.services.Whole(ctx, &t.snapshot.Snapshot, t.effects, testEnvelope(), fields, withCRLF(body))
	if t.json {
		t.tested = append(t.tested, testedOf(file, run, takeLines(&t.lines)))
		return exit.OK
	}
	return t.print(name, run, len(body) > 0)
}

// print tells what became of a message, and returns the exit status that ends the test.
func (t *filterTester) print(name string, run *message.Run, hasBody bool) int {
	where := name + ": "
	if run.Outcome == nil {
		t.step(2, where, "eoh", milterAnswer(run.Plan.Reply))
		if t.verbose >= 2 {
			printReply(t.s.Out, run.Plan.Reply)
		}
		return exit.Software
	}
	t.step(2, where, "eoh", "CONTINUE")
	if hasBody {
		t.step(2, where, "body", "CONTINUE")
	}
	t.step(1, where, "eom", milterAnswer(run.Outcome.Reply))
	if t.verbose >= 2 {
		printEdits(t.s.Out, run.Outcome)
	}
	t.printVerdict(name, run)
	return exit.OK
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

// testEnvelope is a message sent from this host, every macro set.
func testEnvelope() message.Envelope {
	return message.Envelope{
		Origin: message.Origin{
			ClientName: "localhost", ClientAddr: netip.AddrFrom4([4]byte{127, 0, 0, 1}),
			Macro: func(name string) string { return "DEBUG-" + name },
		},
		Sender: "sender@example.org", Recipients: []string{"recipient@example.com"},
	}
}
