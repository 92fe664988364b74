package rehearse

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Half keeps our half running: a process of its own, so that nothing it does to itself
// reaches the proxy. When it dies it is started anew.
type Half struct {
	// Command makes the process; it serves the listener that is its file 3 by Watch,
	// writes each Report as a line of JSON to its output, and "ready" first, and ends
	// when Watch returns or its input ends.
	Command func() *exec.Cmd
	Report  func(*Report)
	// Died is told when the process ended by itself, before it is started anew.
	Died func(error)

	dir      string
	mu       sync.Mutex
	path     string // of its socket
	input    io.Closer
	process  *os.Process
	stopping bool
	ended    chan struct{}
}

// restartPause is how long to wait before the half is started anew.
const restartPause = 2 * time.Second

// errNotReady is what Start returns when the process ended before it was ready. It has
// said why.
var errNotReady = errors.New("dojang's half does not start")

// Start starts the half and waits until it is ready, or has ended.
func (h *Half) Start() (err error) {
	if h.dir, err = os.MkdirTemp("", "dojang-rehearse-"); err != nil {
		return err
	}
	h.ended = make(chan struct{})
	cmd, reports, err := h.launch(0)
	if err != nil {
		os.RemoveAll(h.dir)
		return err
	}
	go h.keep(cmd, reports)
	return nil
}

// Dial connects to the half that runs now.
func (h *Half) Dial() (net.Conn, error) {
	h.mu.Lock()
	path := h.path
	h.mu.Unlock()
	return net.DialTimeout("unix", path, time.Second)
}

// launch starts the process and waits for its word.
func (h *Half) launch(n int) (*exec.Cmd, *bufio.Reader, error) {
	path := filepath.Join(h.dir, strconv.Itoa(n))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	cmd := h.Command()
	cmd.ExtraFiles = []*os.File{file}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	reports := bufio.NewReader(output)
	if line, err := reports.ReadString('\n'); err != nil || line != Ready {
		input.Close()
		return nil, nil, errors.Join(errNotReady, cmd.Wait())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.path, h.input, h.process = path, input, cmd.Process
	if h.stopping {
		input.Close()
	}
	return cmd, reports, nil
}

// Ready is the first line that the half's process writes.
const Ready = "ready\n"

// keep reads reports, and starts the process anew when it ends.
func (h *Half) keep(cmd *exec.Cmd, reports *bufio.Reader) {
	defer close(h.ended)
	for n := 1; ; n++ {
		for {
			line, err := reports.ReadBytes('\n')
			if err != nil {
				break
			}
			var r Report
			if json.Unmarshal(line, &r) == nil {
				h.Report(&r)
			}
		}
		err := cmd.Wait()
		for {
			h.mu.Lock()
			stopping := h.stopping
			h.mu.Unlock()
			if stopping {
				return
			}
			h.Died(fmt.Errorf("dojang's half ended: %v", err))
			time.Sleep(restartPause)
			if cmd, reports, err = h.launch(n); err == nil {
				break
			}
		}
	}
}

// Stop has the half finish what it has, and ends it when that takes longer than patience.
// It reports whether the half came to its end by itself.
func (h *Half) Stop(patience time.Duration) (finished bool) {
	h.mu.Lock()
	h.stopping = true
	input, process := h.input, h.process
	h.mu.Unlock()
	if !h.sayLast() && input != nil {
		input.Close()
	}
	select {
	case <-h.ended:
		finished = true
	case <-time.After(patience):
		process.Kill()
		<-h.ended
	}
	os.RemoveAll(h.dir)
	return finished
}

// sayLast makes the last connection to the half. Those that wait to be accepted stand
// before it: were the listener just closed, they would be lost.
func (h *Half) sayLast() bool {
	conn, err := h.Dial()
	if err != nil {
		return false
	}
	defer conn.Close()
	_, err = conn.Write(appendRecord(nil, fromNobody, nil))
	return err == nil
}
