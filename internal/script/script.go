// Package script runs the administrator's Lua scripts of opendkim-lua(3): the
// policy scripts with the odkim library, and data sets that are scripts.
//
// A script is compiled once. Each run has a Lua state of its own, so nothing of
// one message reaches the next, and ends at the latest at its limits. Unless
// Options.Unsafe, a script reaches no file, program or environment but through
// odkim.
package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"dojang/internal/dataset"
	"dojang/internal/policy"
	"dojang/internal/privilege"
)

// Hook is the moment at which a script runs.
type Hook uint8

// The hooks, and Table for data sets.
const (
	Setup Hook = 1 << iota
	Screen
	Statistics
	Final
	Table
)

// Options bound scripts. The zero value is usable.
type Options struct {
	// Unsafe gives scripts Lua's libraries os, io, debug and package.
	Unsafe bool
	// Time bounds one run, look-ups included; 0 is five seconds.
	Time time.Duration
	// Instructions bounds one run; 0 is two million.
	Instructions int
	// MemoryBytes bounds what one run may allocate for strings and tables; 0 is
	// 64 MiB.
	MemoryBytes int
	// Data opens the data sets of odkim.db_open.
	Data dataset.Options
}

const (
	defaultTime         = 5 * time.Second
	defaultInstructions = 2_000_000
	defaultMemoryBytes  = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.Time == 0 {
		o.Time = defaultTime
	}
	if o.Instructions == 0 {
		o.Instructions = defaultInstructions
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemoryBytes
	}
	return o
}

// maxScriptBytes bounds a script's file.
const maxScriptBytes = 256 << 10

// Script is a compiled script. It is safe for concurrent use.
type Script struct {
	path   string
	hook   Hook
	o      Options
	proto  *lua.FunctionProto
	macros []string
	uses   uses
}

var _ policy.Script = (*Script)(nil)

// Load reads and compiles a script and runs it once without a message, as
// OpenDKIM does at its start: odkim's functions return stand-ins then. An error
// in the script is an *Error.
//
// A function that a script calls in whatever branch and that is not there is such
// an error too: the first message must not find it.
func Load(ctx context.Context, path string, hook Hook, o Options) (*Script, error) {
	text, err := readScript(path)
	if err != nil {
		return nil, err
	}
	s, err := compile(path, text, hook, o)
	if err != nil {
		return nil, err
	}
	if err := s.missing(ctx); err != nil {
		return nil, err
	}
	if hook == Table {
		_, err = s.query(ctx, nil)
	} else {
		err = s.Run(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readScript(path string) ([]byte, error) {
	f, err := privilege.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScriptBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxScriptBytes {
		return nil, &Error{File: path, Text: fmt.Sprintf("larger than %d bytes", maxScriptBytes)}
	}
	if bytes.HasPrefix(text, []byte("#")) {
		text = append([]byte("--"), text...) // a first line for the shell
	}
	if bytes.HasPrefix(text, []byte("\x1bLua")) {
		return nil, &Error{File: path, Line: 1, Text: "compiled Lua: give the source text"}
	}
	return text, nil
}

func compile(path string, text []byte, hook Hook, o Options) (_ *Script, err error) {
	defer caught(path, &err)
	chunk, err := parse.Parse(bytes.NewReader(text), path)
	if err != nil {
		return nil, syntaxError(path, err)
	}
	if line := tooDeep(chunk); line > 0 {
		return nil, &Error{File: path, Line: line, Text: fmt.Sprintf("nested more than %d levels deep", maxNesting)}
	}
	s := &Script{path: path, hook: hook, o: o.withDefaults(), macros: macrosOf(chunk)}
	s.uses = usesOf(chunk)
	if s.proto, err = lua.Compile(bounded(chunk), path); err != nil {
		return nil, syntaxError(path, err)
	}
	return s, nil
}

// Macros lists, without braces, the MTA macros that the script asks for by name.
func (s *Script) Macros() []string { return s.macros }

// Error is a mistake in a script, or a limit that it ran into.
type Error struct {
	File string
	Line int // 0 when unknown
	Text string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

func syntaxError(path string, err error) error {
	var p *parse.Error
	var c *lua.CompileError
	switch {
	case errors.As(err, &p):
		text := p.Message
		if p.Token != "" {
			text += fmt.Sprintf(" near %.64q", p.Token)
		}
		return &Error{File: path, Line: max(p.Pos.Line, 0), Text: text}
	case errors.As(err, &c):
		return &Error{File: path, Line: c.Line, Text: c.Message}
	}
	return &Error{File: path, Text: err.Error()}
}

// runError turns what Lua says into an Error. Its messages begin with
// "path:line: " where it knows the place.
func (s *Script) runError(err error) error {
	text := err.Error()
	var e *lua.ApiError
	if errors.As(err, &e) && e.Object != nil {
		text = "error object is not a string"
		if o, ok := e.Object.(lua.LString); ok {
			text = string(o)
		}
	}
	out := &Error{File: s.path, Text: text}
	if rest, ok := strings.CutPrefix(text, s.path+":"); ok {
		if n, err := fmt.Sscanf(rest, "%d:", &out.Line); err == nil && n == 1 {
			_, out.Text, _ = strings.Cut(rest, ":")
			out.Text = strings.TrimSpace(out.Text)
		}
	}
	return out
}

// Run runs the script for one message; nil stands for the run at load.
func (s *Script) Run(ctx context.Context, message *policy.Scripted) error {
	_, err := s.call(ctx, message, func(l *lua.LState, r *run) { r.openOdkim(l) })
	return err
}

// call runs the script in a new state and returns what it returns.
//
// The machine's own protected call is not enough: an error while it handles an
// error, such as a full register file, leaves it as a panic.
func (s *Script) call(ctx context.Context, message *policy.Scripted, prepare func(*lua.LState, *run)) (_ []lua.LValue, err error) {
	defer caught(s.path, &err)
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Time, fmt.Errorf("the limit of %v is passed", s.o.Time))
	defer cancel()
	r := &run{script: s, message: message, ctx: ctx, meter: newMeter(ctx, s.o)}
	l := r.newState()
	defer r.close(l)
	prepare(l, r)
	l.Push(l.NewFunctionFromProto(s.proto))
	guards := r.guards(l)
	for _, g := range guards {
		l.Push(g)
	}
	if err := l.PCall(len(guards), lua.MultRet, nil); err != nil {
		return nil, s.runError(err)
	}
	values := make([]lua.LValue, l.GetTop())
	for i := range values {
		values[i] = l.Get(i + 1)
	}
	return values, nil
}

// caught makes an error of a panic in the Lua machine, for whoever defers it.
func caught(path string, err *error) {
	switch v := recover().(type) {
	case nil:
	case *lua.ApiError:
		*err = &Error{File: path, Text: v.Object.String()}
	default:
		*err = &Error{File: path, Text: fmt.Sprintf("calls too deep, or too many values (the Lua machine: %v)", v)}
	}
}

// macrosOf finds the constant names in calls of odkim.get_mtasymbol, so that the
// MTA can be asked for them.
func macrosOf(chunk []ast.Stmt) []string {
	var names []string
	w := walker{call: func(e *ast.FuncCallExpr) {
		f, ok := e.Func.(*ast.AttrGetExpr)
		if !ok || len(e.Args) != 2 {
			return
		}
		key, ok := f.Key.(*ast.StringExpr)
		name, literal := e.Args[1].(*ast.StringExpr)
		if ok && literal && key.Value == "get_mtasymbol" {
			if trimmed := strings.Trim(name.Value, "{}"); trimmed != "" {
				names = append(names, trimmed)
			}
		}
	}}
	w.stmts(chunk)
	return names
}
