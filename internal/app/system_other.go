//go:build !linux

package app

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// enableCoredumps is for sysctl(8) to do elsewhere: kern.sugid_coredump.
func enableCoredumps() error { return errors.New("the system alone can: sysctl kern.sugid_coredump=1") }

// dieWithSupervisor does nothing where no signal tells of a parent's death: a worker
// whose supervisor is killed by KILL stays, and has to be stopped by its own number.
func dieWithSupervisor() {}

func supervised(*exec.Cmd) {}

// duplicate makes the descriptor to another name of from.
func duplicate(from, to int) error { return unix.Dup2(from, to) }

// monotonic is for systemd alone, which runs on Linux.
func monotonic() (nanoseconds int64, ok bool) { return 0, false }
