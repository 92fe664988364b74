package publish

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"dojang/internal/keyrecord"
	"dojang/internal/problem"
)

// Bounds of a hook's run.
const (
	hookVersion      = 1
	hookTimeout      = 60 * time.Second
	maxHookBytes     = 8 << 20  // of standard output; more ends the program
	maxHookLogBytes  = 64 << 10 // of standard error; the rest is not logged
	exitTemporary    = 75       // EX_TEMPFAIL of sysexits(3)
	maxHookLineBytes = 1024
)

// hook publishes by a program of the administrator's: one JSON object on its standard
// input, one on its standard output (docs/publishing.md, "A hook of your own").
type hook struct {
	program string
	args    []string
	log     func(line string) // a line of its standard error, escaped
	timeout time.Duration
	asked   bool // it has told its version
}

type hookRequest struct {
	Version int      `json:"version,omitempty"`
	Request string   `json:"request"`
	ID      string   `json:"id,omitempty"`
	Zone    string   `json:"zone,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

type hookAnswer struct {
	Version int      `json:"version"`
	Results []Result `json:"results"`
}

// Apply implements Publisher. The program is asked for its version before the first
// batch.
func (h *hook) Apply(ctx context.Context, b Batch) ([]Result, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	known := outcome{}
	if !h.asked {
		if _, end, err := h.run(ctx, hookRequest{Request: "version"}); err != nil {
			if end == "" {
				end = Retry // nothing was asked for yet
			}
			known.setAll(b.Changes, end, fmt.Sprintf("%s does not tell its version: %v", h.program, err))
			return known.list(b.Changes), nil
		}
		h.asked = true
	}
	var id [4]byte
	_, _ = rand.Read(id[:])
	request := hookRequest{Version: hookVersion, Request: "apply", ID: hex.EncodeToString(id[:]),
		Zone: keyrecord.Canonical(b.Zone), Changes: b.Changes}
	answer, end, err := h.run(ctx, request)
	if err != nil {
		if end == "" {
			return nil, fmt.Errorf("%s: %w", h.program, err)
		}
		known.setAll(b.Changes, end, err.Error())
		return known.list(b.Changes), nil
	}
	results, err := vet(b, answer.Results)
	if err != nil {
		err = fmt.Errorf("%s: %w", h.program, err)
	}
	return results, err
}

// run runs the program once. An error has a State when the program ended itself and told
// by its status what became of all changes; without one nobody knows.
func (h *hook) run(ctx context.Context, request hookRequest) (answer hookAnswer, end State, err error) {
	input, err := json.Marshal(request)
	if err != nil {
		return answer, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.program, h.args...)
	out, said := &bounded{max: maxHookBytes, full: cancel}, &bounded{max: maxHookLogBytes}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(input, '\n')), out, said
	// A group of its own, so that what the program has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for whoever holds its streams
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	h.logLines(said.kept.String())
	var exit *exec.ExitError
	switch {
	case out.spilt:
		return answer, "", fmt.Errorf("ended: it wrote more than %d bytes", maxHookBytes)
	case ctx.Err() != nil:
		return answer, "", fmt.Errorf("ended after %v: no answer", h.timeout)
	case errors.As(err, &exit) && exit.ExitCode() == exitTemporary:
		return answer, Retry, errors.New("it wants to be asked again (exit status 75)")
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return answer, Refused, fmt.Errorf("it refuses (%v)%s", exit, lastLine(said.kept.String()))
	case errors.As(err, &exit):
		return answer, "", fmt.Errorf("it died (%v)%s", exit, lastLine(said.kept.String()))
	case err != nil && cmd.Process == nil:
		return answer, Refused, err
	case err != nil && !errors.Is(err, exec.ErrWaitDelay) && !errors.Is(err, syscall.EPIPE):
		return answer, "", err
	}
	answer, err = parseHookAnswer(out.kept.Bytes())
	if err != nil && request.Request == "version" {
		return answer, Refused, err
	}
	return answer, "", err
}

func parseHookAnswer(data []byte) (answer hookAnswer, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&answer); err != nil {
		return answer, fmt.Errorf("it does not answer in JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return answer, errors.New("it answers with more than one JSON object")
	}
	if answer.Version != hookVersion {
		return answer, fmt.Errorf("its version is %d: version %d is needed", answer.Version, hookVersion)
	}
	return answer, nil
}

// logLines logs what a program says about its work, a line each.
func (h *hook) logLines(text string) {
	if h.log == nil {
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			h.log(h.program + ": " + problem.Quote(line[:min(len(line), maxHookLineBytes)]))
		}
	}
}

// lastLine is what a program said last, which most often is why it ended.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if text == "" {
		return ""
	}
	return ": " + problem.Quote(text)
}

// bounded keeps the first max bytes. When there are more it calls full, if any.
type bounded struct {
	kept  bytes.Buffer // no field by its type: its ReadFrom would take all there is
	max   int
	full  func()
	spilt bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.max-b.kept.Len())
	b.kept.Write(p[:min(len(p), room)])
	if len(p) > room && b.full != nil && !b.spilt {
		b.spilt = true
		b.full()
	}
	return len(p), nil
}
