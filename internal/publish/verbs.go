package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// Script is a hook made of a shell script: this program speaks the hook's JSON, holds
// the conditions and runs the script once for each thing to do. What is to be done
// stands in the environment, where nothing needs quotes:
//
//	DOJANG_DO         get, set, delete or commit
//	DOJANG_ZONE       example.com
//	DOJANG_NAME       m1._domainkey.example.com, but not with commit
//	DOJANG_TEXT       set: the value, its strings joined
//	DOJANG_VALUE      set: the value as a zone file has it: "..." "..."
//	DOJANG_VALUE_JSON set: DOJANG_VALUE as a JSON string
//	DOJANG_TTL        set: seconds
//	DOJANG_OLD        set, delete: the lines that get printed
//	DOJANG_OLD_TEXT   set, delete: the value that stands there, "" for none
//	DOJANG_OLD_JSON   set, delete: the value that stands there, as a JSON string
//
// get prints the values of the TXT records at the name as a zone file has them, a line
// each, or "CNAME target"; whatever stands before a tab is the script's own and comes
// back in DOJANG_OLD. It exits with 64 when it cannot know: the name servers are asked
// then. commit comes once, after the last change. Exit status 75 means that it is to be
// tried again, any other than 0 that it is refused.
type Script struct {
	Program string
	Args    []string
	// Look tells what DNS has at a name, for scripts that cannot get.
	Look func(ctx context.Context, name string) (texts []string, err error)
	Log  io.Writer // the script's standard error
}

// scriptTime is after what time no change is begun any more: the hook as a whole is
// given a minute.
const (
	scriptTime  = 40 * time.Second
	exitUnable  = 64       // EX_USAGE of sysexits(3)
	maxGetBytes = 64 << 10 // of what a name's records take
)

// Serve answers one request of the hook, version 1.
func (s Script) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var request hookRequest
	if err := json.NewDecoder(io.LimitReader(in, maxChildBytes)).Decode(&request); err != nil {
		return err
	}
	answer := hookAnswer{Version: hookVersion}
	if request.Request == "apply" {
		b := Batch{Zone: request.Zone, Changes: request.Changes}
		if request.Version != hookVersion {
			return fmt.Errorf("version %d is asked for, %d is known", request.Version, hookVersion)
		}
		if err := b.Check(); err != nil {
			return err
		}
		answer.Results = s.apply(ctx, b)
	}
	return json.NewEncoder(out).Encode(answer)
}

func (s Script) apply(ctx context.Context, b Batch) []Result {
	known, stop := outcome{}, time.Now().Add(scriptTime)
	var changed []Change
	for _, c := range b.Changes {
		if time.Now().After(stop) {
			known.set(c.ended(Retry, "not begun: the time is up"))
			continue
		}
		r := s.change(ctx, keyrecord.Canonical(b.Zone), c)
		known.set(r)
		if r.State == Done && r.Detail == "" {
			changed = append(changed, c)
		}
	}
	if len(changed) == 0 {
		return known.list(b.Changes)
	}
	if _, err := s.run(ctx, "commit", "DOJANG_ZONE="+keyrecord.Canonical(b.Zone)); err != nil {
		for _, c := range changed {
			known.set(failed(c, err))
		}
	}
	return known.list(b.Changes)
}

// change makes one change, if it may be made.
func (s Script) change(ctx context.Context, zone string, c Change) Result {
	env := []string{"DOJANG_ZONE=" + zone, "DOJANG_NAME=" + c.Name}
	at, lines, err := s.get(ctx, env, c.Name)
	if err != nil {
		return failed(c, err)
	}
	end, due := c.judge(at)
	if !due {
		return end
	}
	old := ""
	if len(at.records) == 1 {
		old = keyrecord.QuoteAll(at.records[0])
		env = append(env, "DOJANG_OLD_TEXT="+strings.Join(at.records[0], ""), "DOJANG_OLD_JSON="+jsonString(old))
	}
	env = append(env, "DOJANG_OLD="+lines)
	do := "delete"
	if c.Do != DoAbsent {
		do = "set"
		value := keyrecord.QuoteAll(c.Strings)
		env = append(env, "DOJANG_TEXT="+c.Text, "DOJANG_VALUE="+value, "DOJANG_VALUE_JSON="+jsonString(value),
			fmt.Sprintf("DOJANG_TTL=%d", c.TTLSeconds))
	}
	if _, err := s.run(ctx, do, env...); err != nil {
		return failed(c, err)
	}
	return c.ended(Done, "")
}

// jsonString is a text as JSON has it. No error is possible.
func jsonString(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text)
	return strings.TrimSpace(b.String())
}

// get asks the script, or else DNS, what stands at a name.
func (s Script) get(ctx context.Context, env []string, name string) (at standing, lines string, err error) {
	lines, err = s.run(ctx, "get", env...)
	var exit *scriptError
	if errors.As(err, &exit) && exit.status == exitUnable && s.Look != nil {
		texts, err := s.Look(ctx, name)
		for _, text := range texts {
			at.records = append(at.records, split(text))
		}
		return at, "", err
	}
	if err != nil {
		return at, "", err
	}
	lines = strings.TrimSpace(lines)
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, '\t'); i >= 0 {
			line = line[i+1:]
		}
		if target, is := strings.CutPrefix(line, "CNAME "); is {
			at.alias = keyrecord.Canonical(target)
			continue
		}
		if line == "" {
			continue
		}
		strs, err := unquoteAll(line)
		if err != nil {
			return at, "", fmt.Errorf("get says %s: %w", problem.Quote(line), err)
		}
		at.records = append(at.records, strs)
	}
	return at, lines, nil
}

// scriptError is how a script ended that did not succeed.
type scriptError struct {
	do     string
	status int
	said   string
}

func (e *scriptError) Error() string {
	return fmt.Sprintf("%s: exit status %d%s", e.do, e.status, lastLine(e.said))
}

// failed is what a script's failure means. What was not changed for sure is refused or
// to be tried again.
func failed(c Change, err error) Result {
	var exit *scriptError
	if errors.As(err, &exit) && exit.status != exitTemporary {
		return c.ended(Refused, err.Error())
	}
	return c.ended(Retry, err.Error())
}

// run runs the script once. Its group is the hook's, and ends with it.
func (s Script) run(ctx context.Context, do string, env ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Program, s.Args...)
	cmd.Env = append(append(os.Environ(), "DOJANG_DO="+do), env...)
	out, said := &bounded{max: maxGetBytes}, &bounded{max: maxGetBytes}
	cmd.Stdout, cmd.Stderr = out, said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if s.Log != nil {
		_, _ = s.Log.Write(said.kept.Bytes())
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", &scriptError{do, exit.ExitCode(), said.kept.String()}
	}
	return out.kept.String(), err
}
