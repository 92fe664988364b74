//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dojang/milter"
)

func setProcs(n int) { runtime.GOMAXPROCS(n) }

// process is a filter that runs.
type process struct {
	cmd              *exec.Cmd
	log              *os.File
	network, address string
	startUp          time.Duration // until it answered a negotiation
}

// start runs a command on the filter's core and waits until it answers on its
// socket.
func start(ctx context.Context, o options, dir, network, address string, command ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	args := append([]string{"-c", strconv.Itoa(o.filterCPU)}, command...)
	cmd := exec.CommandContext(ctx, "taskset", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, network: network, address: address}
	for wait := 500 * time.Microsecond; ; wait = min(wait*2, 5*time.Millisecond) {
		if client, err := milter.Dial(network, address, milter.ClientOptions{}); err == nil {
			p.startUp = time.Since(begin)
			client.Quit()
			return p, nil
		}
		if time.Since(begin) > 180*time.Second || !alive(cmd.Process.Pid) {
			p.stop()
			said, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("%s did not start: %.400s", command[0], strings.TrimSpace(string(said)))
		}
		time.Sleep(wait)
	}
}

func alive(pid int) bool {
	stat, err := readStat(pid)
	return err == nil && stat.state != "Z"
}

// stop ends the process and what it started: its group, which is its own.
func (p *process) stop() {
	unix.Kill(-p.cmd.Process.Pid, unix.SIGTERM)
	done := make(chan struct{})
	go func() { p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	<-done
	p.log.Close()
}

// stat is a line of /proc/PID/stat, as far as it matters here.
type stat struct {
	state  string
	parent int
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return stat{}, errors.New("short stat line")
	}
	parent, err := strconv.Atoi(fields[1])
	return stat{fields[0], parent}, err
}

// tree lists the process and all that descend from it.
func (p *process) tree() []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if s, err := readStat(pid); err == nil {
				children[s.parent] = append(children[s.parent], pid)
			}
		}
	}
	list := []int{p.cmd.Process.Pid}
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}

// cpu is the processor time of the tree so far, to the nanosecond: the kernel's
// clock of each process, which counts threads that have ended too.
func (p *process) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range p.tree() {
		var ts unix.Timespec
		const wholeProcess = 2 // CPUCLOCK_SCHED of clock_getcpuclockid(3)
		if unix.ClockGettime(int32(^pid<<3|wholeProcess), &ts) == nil {
			sum += time.Duration(ts.Nano())
		}
	}
	return sum
}

// memory sums a line of /proc/PID/status, in octets: VmHWM is the peak, VmRSS
// what is in memory now.
func (p *process) memory(line string) int64 {
	var sum int64
	for _, pid := range p.tree() {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for l := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(l, line+":"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// freePort finds a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (p *process) renice(nice int) {
	for _, pid := range p.tree() {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, t := range tasks {
			if tid, err := strconv.Atoi(t.Name()); err == nil {
				unix.Setpriority(unix.PRIO_PROCESS, tid, nice) //nolint:errcheck // a thread that has ended
			}
		}
	}
}
