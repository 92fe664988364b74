package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"time"

	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/explain"
	"dojang/internal/filter"
	"dojang/internal/logging"
	"dojang/internal/message"
	"dojang/internal/problem"
)

// Filter says which messages to put through the filter.
type Filter struct {
	In       io.Reader
	Out, Err io.Writer
	Version  string          // of dojang
	Program  string          // what lines begin with
	Files    []string        // "-" is standard input
	Verbose  int             // 1: the end of each message; 2: each step and each change
	Log      bool            // what would be logged goes to standard error
	JSON     bool            // values, and no lines
	Effects  message.Effects // what the messages may leave behind
	Now      time.Time       // of signatures
}

// Run is opendkim -t: each message goes through the filter as if it
// came from this host, and what would be done with it is printed, or with JSON returned; status is what ends the
// program.
//
// Compat(opendkim 2.11): results go to standard output, steps to standard
// error; every macro NAME is "DEBUG-NAME"; PeerList is not asked.
func (o Filter) Run(ctx context.Context, cfg *config.Config) (tested []Tested, status int) {
	parts := build.ToolParts(o.Version)
	parts.Account, _ = build.AccountOf(cfg) // Compat(opendkim 2.11): an unknown user does not matter here
	t := filterRun{Filter: o, strict: cfg.StrictTestMode.Value}
	switch {
	case o.JSON:
		parts.Log = slog.New(logging.NewJSON(&t.lines, slog.LevelDebug))
	case o.Log:
		parts.Log = slog.New(logging.NewStream(o.Err, o.Program+":", slog.LevelDebug))
	}
	built, problems := build.Snapshot(ctx, cfg, parts)
	if built == nil {
		problems.Write(o.Err)
		return nil, exit.Config
	}
	defer built.Snapshot.Discard()
	t.lines.Reset() // of what the build had to say
	t.snapshot = built.Snapshot
	t.services = message.NewServices(nil, func() time.Time { return o.Now })
	t.step(2, "", "connect", "CONTINUE")
	for _, file := range o.Files {
		if code := t.message(ctx, file); code != exit.OK {
			return nil, code
		}
	}
	t.step(2, "", "close", "CONTINUE")
	return t.tested, exit.OK
}

type filterRun struct {
	Filter
	snapshot *filter.Snapshot
	services *message.Services
	strict   bool         // every line must end in CRLF
	lines    bytes.Buffer // with json: what was logged
	tested   []Tested
}

// step tells how a step of the dialogue was answered.
func (t *filterRun) step(level int, where, name, answer string) {
	if t.Verbose >= level && !t.JSON {
		fmt.Fprintf(t.Err, "%s: %smlfi_%s() returned SMFIS_%s\n", t.Program, where, name, answer)
	}
}

func (t *filterRun) message(ctx context.Context, file string) int {
	name := file
	if file == "-" {
		name = "(stdin)"
	}
	text, err := readFile(t.In, file)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			fmt.Fprintf(t.Err, "%s: %s: fopen(): %s\n", t.Program, name, problem.Strerror(pathErr.Err))
			return exit.Unavailable
		}
		fmt.Fprintf(t.Err, "%s: %s: %v\n", t.Program, name, err)
		return exit.IOErr
	}
	where := name + ": "
	if line := bareLine(text); t.strict && line > 0 {
		fmt.Fprintf(t.Err, "%s: %sline %d: not CRLF-terminated\n", t.Program, where, line)
		return exit.DataErr
	}
	t.step(2, where, "envfrom", "CONTINUE")
	t.step(2, where, "envrcpt", "CONTINUE")
	fields, body, bad := t.readFields(text, where)
	if bad > 0 {
		fmt.Fprintf(t.Err, "%s: %sline %d: header malformed\n", t.Program, where, bad)
		return exit.DataErr
	}
	run := t.services.Whole(ctx, &t.snapshot.Snapshot, t.Effects, testEnvelope(), fields, explain.WithCRLF(body))
	if t.JSON {
		t.tested = append(t.tested, testedOf(file, run, takeLines(&t.lines)))
		return exit.OK
	}
	return t.print(name, run, len(body) > 0)
}

// print tells what became of a message, and returns the exit status that ends the test.
func (t *filterRun) print(name string, run *message.Run, hasBody bool) int {
	where := name + ": "
	if run.Outcome == nil {
		t.step(2, where, "eoh", milterAnswer(run.Plan.Reply))
		if t.Verbose >= 2 {
			printReply(t.Out, run.Plan.Reply)
		}
		return exit.Software
	}
	t.step(2, where, "eoh", "CONTINUE")
	if hasBody {
		t.step(2, where, "body", "CONTINUE")
	}
	t.step(1, where, "eom", milterAnswer(run.Outcome.Reply))
	if t.Verbose >= 2 {
		printEdits(t.Out, run.Outcome)
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
func (t *filterRun) readFields(message []byte, where string) (fields *header.List, body []byte, bad int) {
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
		fmt.Fprintf(t.Err, "%s: %swarning: no headers on input\n", t.Program, where)
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
