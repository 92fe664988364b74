package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Messages leave little garbage, so collecting it more often than Go would costs
// about a hundredth of the time and keeps the process a quarter smaller. With very
// many keys, which each collection looks through, it would cost a tenth: then nearly
// Go's own pace is better.
const (
	gcPercent      = 50
	gcPercentLarge = 80
	largeHeapBytes = 16 << 20
)

const (
	quietTime    = 2 * time.Second  // without a message before memory is given back
	restInterval = 10 * time.Second // at least, between two times of that
)

// tuneMemory sets the garbage collector's pace, unless the administrator has.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// tuneForTables is tuneMemory once tables are in memory.
func tuneForTables() {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 && sample[0].Value.Uint64() > largeHeapBytes {
		debug.SetGCPercent(gcPercentLarge)
	} else {
		debug.SetGCPercent(gcPercent)
	}
}

// restWhenQuiet gives memory back to the system when no message has come for a
// while: what a burst of mail or a reload needed, and the stacks of connections
// that wait.
func (a *App) restWhenQuiet(ctx context.Context) {
	tuneForTables()
	ticker := time.NewTicker(quietTime)
	defer ticker.Stop()
	var seen, rested uint64
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := a.filter.Activity()
		if now == seen && now != rested && time.Since(last) >= restInterval {
			debug.FreeOSMemory()
			tuneForTables()
			rested, last = now, time.Now()
		}
		seen = now
	}
}
