package testutil

import (
	"syscall"
	"testing"
	"time"
)

// ProcessorTime is what this process has used of the processor, which other work of the
// machine does not lengthen as it does the clock's.
func ProcessorTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
