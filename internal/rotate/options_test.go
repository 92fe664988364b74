package rotate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dojang/internal/publish"
)

// Where no server tells how long absences are kept, it is waited for as long as any
// resolver does.
func TestMinimumUntold(t *testing.T) {
	w := newOne(t, "MaxCredit 1h\n")
	w.untold = true
	w.start("a.example")
	w.runFor(40, "20261129=signing")
	w.expect("20261129=proven")
	for range 25 {
		w.pass(time.Hour)
		_, _ = w.run()
	}
	w.expect("20261129=signing")
	w.finish()
}

// A server that is to be ignored keeps nothing, in a whole life.
func TestIgnoreServer(t *testing.T) {
	w := newOne(t, "IgnoreServer ns2\n")
	w.servers[1].silent = true
	w.start("a.example")
	w.reach(100, "a.example: 20261129=signing; ")
	if text, _ := w.servers[0].at("old._domainkey.a.example"); text != "" {
		t.Errorf("the old record is %q", text)
	}
}

// What a witness elsewhere does not see does not sign, however long the waits are over.
func TestWitness(t *testing.T) {
	w := newOne(t, "")
	w.witness, w.blind = []Checker{witness{w}}, true
	w.start("a.example")
	w.runFor(40, "")
	w.expect("20261129=proven(server-differs: 20261129._domainkey.a.example: a witness does not see it)")
	w.expect("old=signing")
	w.blind = false
	w.reach(5, "20261129=signing")
	w.finish()
}

// manyDomains are rows of so many domains.
func manyDomains(n int) string {
	table := ""
	for i := range n {
		table += fmt.Sprintf("k%d d%d.example:old:DIR/d%d.private\n", i, i, i)
	}
	return table
}

// A run ends in time; what is left is due in the next, and nothing is lost.
func TestMaxRun(t *testing.T) {
	w := newWorld(t, "Zone * p\nMaxRun 10s\n", manyDomains(7))
	w.atOnce = parallel
	w.adopt()
	w.slow = time.Second // parallel looks are one after the other here
	w.pass(1200 * time.Second)
	before := w.true_
	out, err := w.run()
	if took := w.true_.Sub(before); err != nil || out.Retry == 0 || took < 5*time.Second || took > 10*time.Second+parallel*4*time.Second {
		t.Errorf("%+v, %v after %s", out, err, took)
	}
	w.slow = 0
	if !w.through(7) {
		t.Errorf("it does not end: %s", w.states())
	}
	w.finish()
}

// Rate and Day hold in an emergency, too: the one is waited for, the other is told of,
// and what is left is the timer's, first of all.
func TestEmergencyKeepsLimits(t *testing.T) {
	w := newWorld(t, "Zone * p\nRate 1/3s\n", manyDomains(3))
	before := w.true_
	if out, err := w.emergency(time.Hour); err != nil || out.Blocked+out.Retry > 0 || w.true_.Sub(before) < 6*time.Second {
		t.Errorf("%+v, %v after %s", out, err, w.true_.Sub(before))
	}
	w = newWorld(t, "Zone * p\nDay 2\n", manyDomains(3))
	out, err := w.emergency(time.Hour)
	if err != nil || out.Retry != 1 || out.Blocked != 0 || strings.Count(w.states(), "rate-limited") != 1 ||
		strings.Count(w.states(), "=resting") != 2 {
		t.Errorf("%+v, %v: %s", out, err, w.states())
	}
	w.pass(24 * time.Hour) // the others are due, and come after it
	w.runFor(3, "")
	if !strings.Contains(w.states(), "d2.example: old=resting 20261129=signing") {
		t.Error(w.states())
	}
}

// What waits for a person is told once, and once a week.
func TestReminders(t *testing.T) {
	w := newOne(t, "Interval 180d\n")
	w.says = publish.Pending
	w.start("a.example")
	told := func() int { return len(w.told) }
	for day, want := range []int{1, 1, 1, 1, 1, 1, 1, 2, 2} {
		if w.runFor(3, ""); told() != want {
			t.Errorf("told %d times after %d days, want %d", told(), day, want)
		}
		w.pass(24 * time.Hour)
	}
	w.apply(w.told[0])
	w.servers[1].silent = true
	for range 10 {
		w.runFor(3, "")
		w.pass(24 * time.Hour)
	}
	if n := strings.Count(w.log.String(), "server-silent"); n != 2 {
		t.Errorf("told %d times in ten days:\n%s", n, w.log.String())
	}
	if n := strings.Count(w.states(), "server-silent"); n != 1 {
		t.Error(w.states())
	}
}

// What a publisher said before is no longer told when it says something else.
func TestPublisherSaysSomethingElse(t *testing.T) {
	w := newOne(t, "")
	w.says = publish.Refused
	w.start("a.example")
	w.expect("20261129=asked(refused: ")
	w.says = publish.Retry
	w.runFor(1, "")
	w.expect("20261129=asked(not-published: 20261129._domainkey.a.example: no name server has it yet; its publisher: busy)")
	w.says = ""
	w.reach(60, "20261129=signing")
	w.finish()
}

// What somebody was told of is told again, or done by a publisher that can by now, by
// rotate start.
func TestStartAsksAnew(t *testing.T) {
	w := newOne(t, "Interval 180d\n")
	w.says = publish.Pending
	w.start("a.example")
	if w.runFor(3, ""); len(w.told) != 1 {
		t.Fatalf("told %d times", len(w.told))
	}
	if w.start("a.example"); len(w.told) != 2 {
		t.Errorf("told %d times", len(w.told))
	}
	w.says = ""
	w.start("a.example")
	w.reach(60, "20261129=signing")
	w.finish()
}

// A key that is due in the run in which it begins to sign is changed by what stands in the
// row by then.
func TestDueAtOnce(t *testing.T) {
	w := newOne(t, "Interval 10s\n")
	w.runFor(60, "")
	if strings.Contains(w.log.String(), "edited-by-hand") || !strings.Contains(w.log.String(),
		"20261129b._domainkey.a.example is signing") {
		t.Errorf("%s\n%s", w.states(), w.log.String())
	}
	w.finish()
}

// A clock that was a year ahead when keys were made keeps the next ones from nothing.
func TestClockWasAhead(t *testing.T) {
	w := newOne(t, "")
	w.skew = 365 * 24 * time.Hour
	w.start("a.example")
	w.reach(160, "a.example: 20271129=signing; ")
	w.skew = 0
	w.reach(200, "a.example: 20261129=signing; ")
	w.finish()
}
