package rotate

import (
	"encoding/json"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func jsonOf(u *Unit) ([]byte, error) { return json.MarshalIndent(u, "", " ") }

// peakMegabytes is what the process has taken of the system.
func peakMegabytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys >> 20
}

// processorTime is what the process has used: how busy the machine is does not matter.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
