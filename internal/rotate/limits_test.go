package rotate

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
)

func TestLimits(t *testing.T) {
	w := newWorld(t, "Zone * p\nDay 2\n", twoDomains)
	w.adopt()
	w.start("p.example")
	out := must(w.do(func(r *Rotator) (Outcome, error) { return r.Start(context.Background(), "a.example") }))
	w.expect("20261129=asked(rate-limited")
	if out.Blocked != 0 || out.Retry != 1 {
		t.Errorf("%+v", out)
	}
	w.pass(13 * time.Hour)
	w.runFor(1, "")
	if got := w.states(); strings.Contains(got, "rate-limited") {
		t.Error(got)
	}
	// Rate is waited for within a run.
	w = newWorld(t, "Zone * p\nRate 1/3s\n", twoDomains)
	w.adopt()
	w.start("p.example")
	if w.asked != 2 || strings.Contains(w.states(), "rate-limited") {
		t.Errorf("%d times asked: %s", w.asked, w.states())
	}
}

// A clock that is set ahead ends no wait that is shorter than MaxCredit.
func TestClockAheadEndsNothing(t *testing.T) {
	w := newOne(t, "MaxCredit 1h\n")
	w.start("a.example")
	w.reach(3, "20261129=proven")
	w.skew = 365 * 24 * time.Hour
	if _, err := w.run(); err != nil {
		t.Fatal(err)
	}
	w.expect("20261129=proven")
	w.skew = 0
	w.runFor(20, "20261129=signing")
	w.skew = 365 * 24 * time.Hour
	for range 3 {
		_, _ = w.run()
	}
	w.expect("old=resting 20261129=signing")
	w.finish()
}

// TestManyUnits measures a pass over 100,000 units of which nothing is due.
func TestManyUnits(t *testing.T) {
	n := 2000
	if testutil.Long() {
		n = 100000
	}
	w := newOne(t, "")
	store := must(OpenStore(w.set.State, false))
	u := must(store.unit("a.example"))
	for i := range n {
		u.Name = fmt.Sprintf("d%d.example", i)
		u.Domains, u.Generations[0].Created, u.Adopted = []string{u.Name}, w.now(), w.now()
		data := must(jsonOf(u))
		if err := os.WriteFile(store.unitFile(u.Name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store.Close()
	start := testutil.ProcessorTime(t)
	out, err := w.run()
	took := testutil.ProcessorTime(t) - start
	t.Logf("%d units in %s of processor time, %d MB", n, took, peakMegabytes())
	if err != nil || out.Units != n+1 || out.Acted != 0 || took > time.Second+time.Duration(n)*40*time.Microsecond ||
		peakMegabytes() > 200 {
		t.Errorf("%+v, %v in %s", out, err, took)
	}
}
