package publish

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds of the talk with a child.
const (
	maxChildBytes     = 32 << 20 // of one answer
	maxChildLineBytes = 4 << 10  // of its standard error
	childEndTime      = 5 * time.Second
)

// childRequest is what a child is asked, one line of JSON, and childAnswer its answer.
type childRequest struct {
	Publisher Spec  `json:"publisher"`
	Batch     Batch `json:"batch"`
}

type childAnswer struct {
	Results []Result `json:"results"`
	Error   string   `json:"error,omitempty"`
}

// Serve is a child's work: it answers requests on in until that ends. Publishers are
// opened when they are first asked for, and credentials read then.
func Serve(ctx context.Context, in io.Reader, out, log io.Writer) error {
	opened := map[string]Publisher{}
	o := Options{Log: func(line string) { fmt.Fprintln(log, line) }}
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var request childRequest
		if err := requests.Decode(&request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var answer childAnswer
		p, err := opened[request.Publisher.String()], error(nil)
		if p == nil {
			p, err = Open(request.Publisher, o)
		}
		if err != nil {
			known := outcome{}
			known.setAll(request.Batch.Changes, Refused, err.Error())
			answer.Results = known.list(request.Batch.Changes)
		} else {
			opened[request.Publisher.String()] = p
			answer.Results, err = p.Apply(ctx, request.Batch)
			if err != nil {
				answer.Error = err.Error()
			}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

// Account is whom a child becomes.
type Account struct {
	UID, GID int
	Groups   []int
	Home     string
}

// Child is a process that publishes, of another user: who has credentials has no keys,
// and who has keys sees no credential. It is started when it is first needed.
type Child struct {
	Program string            // and the arguments that make it call Serve
	Args    []string          //
	Account *Account          // nil: the same user
	Env     []string          // beside PATH, LANG and HOME
	Log     func(line string) // what it says on its standard error, escaped; may be nil

	mu      sync.Mutex
	cmd     *exec.Cmd
	in      io.WriteCloser
	limit   *io.LimitedReader
	answers *json.Decoder
	ended   chan struct{}
}

// Publisher is a publisher in the child.
func (c *Child) Publisher(s Spec) Publisher { return remote{c, s} }

type remote struct {
	child *Child
	spec  Spec
}

// Apply implements Publisher. The child is believed in nothing but what a server could
// have said.
func (r remote) Apply(ctx context.Context, b Batch) ([]Result, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	answer, sent, err := r.child.ask(ctx, childRequest{r.spec, b})
	switch {
	case err != nil && !sent:
		known := outcome{}
		known.setAll(b.Changes, Retry, err.Error())
		return known.list(b.Changes), nil
	case err != nil:
		return nil, err
	}
	results, err := vet(b, answer.Results)
	if answer.Error != "" {
		err = errors.New(printable(answer.Error))
	}
	return results, err
}

// ask sends a request, and with sent reports whether the child may have seen it.
func (c *Child) ask(ctx context.Context, request childRequest) (answer childAnswer, sent bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.start(); err != nil {
		return answer, false, err
	}
	data, err := json.Marshal(request)
	if err != nil {
		return answer, false, err
	}
	// A child that does not answer is ended, which ends the reading too.
	group := -c.cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	defer stop()
	c.limit.N = maxChildBytes
	if _, err = c.in.Write(append(data, '\n')); err == nil {
		err = c.answers.Decode(&answer)
	}
	if err != nil {
		c.end()
		return answer, true, fmt.Errorf("the publishing process ended or did not answer as it must: %w", errors.Join(err, ctx.Err()))
	}
	return answer, true, nil
}

func (c *Child) start() error {
	if c.cmd != nil {
		return nil
	}
	cmd := exec.Command(c.Program, c.Args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a := c.Account; a != nil {
		groups := make([]uint32, len(a.Groups))
		for i, g := range a.Groups {
			groups[i] = uint32(g)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID), Groups: groups}
		cmd.Env = append(cmd.Env, "HOME="+a.Home)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the publishing process cannot be started: %w", err)
	}
	c.cmd, c.in, c.limit, c.ended = cmd, in, &io.LimitedReader{R: out}, make(chan struct{})
	c.answers = json.NewDecoder(c.limit)
	go c.logLines(said, c.ended)
	return nil
}

func (c *Child) logLines(said io.Reader, ended chan struct{}) {
	defer close(ended)
	lines := bufio.NewReaderSize(said, maxChildLineBytes)
	for {
		line, more, err := lines.ReadLine()
		if text := strings.TrimSpace(string(line)); text != "" && c.Log != nil {
			c.Log(printable(text))
		}
		for more && err == nil { // the rest of a line that is too long
			_, more, err = lines.ReadLine()
		}
		if err != nil {
			return
		}
	}
}

// end ends the process, at once.
func (c *Child) end() {
	c.in.Close()
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.ended
	_ = c.cmd.Wait()
	c.cmd = nil
}

// Close ends the process when it has done what it was asked.
func (c *Child) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	c.in.Close()
	select {
	case <-c.ended:
		err := c.cmd.Wait()
		c.cmd = nil
		return err
	case <-time.After(childEndTime):
		c.end()
		return errors.New("the publishing process did not end by itself")
	}
}
