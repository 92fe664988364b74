package app

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// enableCoredumps lets a process that changed its user leave a core file.
func enableCoredumps() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }

// dieWithSupervisor has a worker stop when its supervisor is killed: a second
// filter could not listen beside it. The kernel forgets it when the user changes.
func dieWithSupervisor() {
	if currentRole() == worker {
		_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0) // cannot fail with a valid signal
	}
}

// supervised is dieWithSupervisor from the first moment.
func supervised(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// duplicate makes the descriptor to another name of from.
func duplicate(from, to int) error { return syscall.Dup3(from, to, 0) }

// monotonic is the time of the clock that systemd goes by, in nanoseconds.
func monotonic() (nanoseconds int64, ok bool) {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0, false
	}
	return now.Nano(), true
}
