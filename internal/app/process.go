package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"dojang/internal/event"
)

// One program, up to three processes, told apart by an environment variable:
// the starter (what the administrator typed; returns when the sockets listen),
// the supervisor (only with AutoRestart; holds the pid file) and the worker
// (serves). Go cannot fork, so each starts the same program anew.
const (
	roleVariable     = "DOJANG_PROCESS"
	readyVariable    = "DOJANG_READY_FD"
	detachedVariable = "DOJANG_DETACHED" // set: nobody reads our standard streams once we serve
)

// role is which of the processes this one is.
type role string

// The roles; a Starter serves by itself when nothing is to be detached, a Daemon
// when nobody watches over it.
const (
	starter    role = ""
	daemon     role = "daemon"
	supervisor role = "supervisor"
	worker     role = "worker"
)

// currentRole returns the role that this process was started in.
func currentRole() role { return role(os.Getenv(roleVariable)) }

// again prepares the same command line in another role.
func again(role role, ready *os.File) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(withoutVariables(os.Environ(), roleVariable, readyVariable), roleVariable+"="+string(role))
	// /dev/null goes with it open: within a chroot there may be none.
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{ready, null}
	cmd.Env = append(cmd.Env, readyVariable+"=3")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	return cmd, nil
}

func withoutVariables(environ []string, names ...string) []string {
	kept := make([]string, 0, len(environ))
next:
	for _, pair := range environ {
		for _, name := range names {
			if len(pair) > len(name) && pair[:len(name)] == name && pair[len(name)] == '=' {
				continue next
			}
		}
		kept = append(kept, pair)
	}
	return kept
}

// detach starts the daemon in a session of its own and returns 0 when it says
// that its sockets listen, or its exit status when it ended before that.
func detach(role role) (int, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	cmd, err := again(role, writer)
	if err != nil {
		return 0, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = append(cmd.Env, detachedVariable+"=1")
	err = cmd.Start()
	closeAll(cmd.ExtraFiles)
	if err != nil {
		return 0, err
	}
	if saidReady(reader) {
		return 0, cmd.Process.Release()
	}
	return exitStatus(cmd.Wait()), nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// saidReady waits until the process at the other end listens (true) or has ended.
func saidReady(reader io.Reader) bool {
	n, _ := io.ReadFull(reader, make([]byte, 1))
	return n == 1
}

// Ready tells whoever started this process that we listen.
func Ready() {
	if f := readyFile(); f != nil {
		tellReady(f)
	}
}

// tellReady also lets go of the starter's terminal and pipes, when detached:
// else `opendkim | cat` would not end.
func tellReady(f *os.File) {
	if os.Getenv(detachedVariable) != "" {
		for fd := 0; fd <= 2; fd++ {
			_ = duplicate(nullOf(f), fd) // fails when we were started by hand
		}
	}
	syscall.Close(nullOf(f))
	_, _ = f.Write([]byte{1}) // a starter that was killed does not matter
	f.Close()
}

// nullOf is the open /dev/null that comes with the file to tell readiness by.
func nullOf(ready *os.File) int { return int(ready.Fd()) + 1 }

func readyFile() *os.File {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil {
		return nil
	}
	os.Unsetenv(readyVariable)
	syscall.CloseOnExec(fd)
	syscall.CloseOnExec(fd + 1)
	return os.NewFile(uintptr(fd), "ready")
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	return 1
}

// restartLimits bound AutoRestart: at most Count restarts (0: any number), and
// at most RateCount within RatePeriod (0: any rate).
type restartLimits struct {
	Count      int
	RateCount  int
	RatePeriod time.Duration
}

// supervise runs the worker and starts it again when it fails, within limits.
// A worker that cannot even start is not tried again. Signals are handed on. It
// returns the exit status for this process. pid may be nil.
func supervise(limits restartLimits, pid *pidFile, log *slog.Logger) int {
	runtime.LockOSThread() // a worker is told of the end of the thread that started it
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	starter := readyFile()
	var restarts []time.Time
	for {
		end, err := superviseOne(func() { serves(pid, starter) }, signals)
		if err != nil {
			event.WorkerNotStarted(err).Write(log, "")
			return 71
		}
		if end.asked || end.words == "" {
			return 0
		}
		if len(restarts) == 0 && !end.served {
			return max(end.status, 1)
		}
		starter = nil // only the first worker has a starter that waits
		restarts = append(restarts, time.Now())
		if which := limits.exceeded(restarts); which != "" {
			event.TooManyRestarts(which).Write(log, "")
			return 69
		}
		event.WorkerRestarted(end.words).Write(log, "")
	}
}

// exceeded names the limit that the restarts are above, "" for none.
func (l restartLimits) exceeded(restarts []time.Time) string {
	n := len(restarts)
	if l.Count > 0 && n > l.Count {
		return "count"
	}
	if l.RateCount > 0 && n > l.RateCount && restarts[n-1].Sub(restarts[n-1-l.RateCount]) < l.RatePeriod {
		return "rate"
	}
	return ""
}

// ending is how a worker ended.
type ending struct {
	served bool   // it listened before
	asked  bool   // a signal wanted the end
	words  string // OpenDKIM's, of a failure; "" when it ended well
	status int    // exit status, -1 after a signal
}

// keepName gives a process that was started anew the name that the first one was
// called by; the kernel took that of the program's file, which a link may hide.
//
// Compat(opendkim 2.11): pidof, pgrep, killall, start-stop-daemon --name and
// monitors look for "opendkim".
func keepName() {
	if currentRole() != starter {
		_ = os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0) // without /proc it stays as it is
	}
}

// serves tells the world of a worker that listens.
func serves(pid *pidFile, starter *os.File) {
	pid.Write()
	if starter != nil {
		tellReady(starter)
	}
}

// superviseOne runs one worker to its end. It calls serves when the worker
// listens.
func superviseOne(serves func(), signals <-chan os.Signal) (end ending, err error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return end, err
	}
	defer reader.Close()
	cmd, err := again(worker, writer)
	if err == nil {
		supervised(cmd)
		err = cmd.Start()
		closeAll(cmd.ExtraFiles)
	}
	if err != nil {
		return end, err
	}
	ended := make(chan struct{})
	go func() {
		if end.served = saidReady(reader); end.served {
			serves()
		}
		_ = cmd.Wait()
		close(ended)
	}()
	asked := false
	for waiting := true; waiting; {
		select {
		case s := <-signals:
			asked = asked || s == syscall.SIGTERM || s == syscall.SIGINT
			_ = cmd.Process.Signal(s) // it may just have ended
		case <-ended:
			waiting = false
		}
	}
	state := cmd.ProcessState.Sys().(syscall.WaitStatus)
	end.asked, end.status = asked, state.ExitStatus()
	switch {
	case state.Signaled():
		end.words = fmt.Sprintf("terminated with signal %d", state.Signal())
	case state.ExitStatus() != 0:
		end.words = fmt.Sprintf("exited with status %d", state.ExitStatus())
	}
	return end, nil
}
