package cost

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"dojang/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const (
	// growth is by how much more twice the size may take. A step that goes over all
	// again for each part takes four times as much.
	growth = 2.5
	// mostBytes is what one message of standard size may take of memory.
	mostBytes = 30 << 20
)

// spent is what a run took.
type spent struct {
	allocations, bytes uint64
	cpu                time.Duration
}

// measure runs f and says what the cheapest run took. CPU times are compared in long
// runs alone: only there are they taken often enough.
func measure(t testing.TB, f func()) spent {
	runs := 2
	if testutil.Long() {
		runs = 7
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	best := spent{cpu: time.Hour, allocations: 1 << 62, bytes: 1 << 62}
	f() // caches, pools and compiled patterns are there then
	for range runs {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := testutil.ProcessorTime(t)
		f()
		took := testutil.ProcessorTime(t) - start
		runtime.ReadMemStats(&after)
		best.cpu = min(best.cpu, took)
		best.allocations = min(best.allocations, after.Mallocs-before.Mallocs)
		best.bytes = min(best.bytes, after.TotalAlloc-before.TotalAlloc)
	}
	return best
}

// checkGrowth holds what a text takes against what one of twice the size takes. Small
// sums say nothing.
func checkGrowth(t *testing.T, once, twice spent) {
	t.Helper()
	const someAllocations, someBytes, someTime = 500, 128 << 10, 2 * time.Millisecond
	switch {
	case float64(twice.allocations) > growth*float64(once.allocations)+someAllocations:
		t.Errorf("%d allocations, of twice the size %d", once.allocations, twice.allocations)
	case float64(twice.bytes) > growth*float64(once.bytes)+someBytes:
		t.Errorf("%d bytes, of twice the size %d", once.bytes, twice.bytes)
	case testutil.Long() && float64(twice.cpu) > growth*float64(once.cpu)+float64(someTime):
		t.Errorf("%v, of twice the size %v", once.cpu, twice.cpu)
	}
}
