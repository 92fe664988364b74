package rotate

import (
	"os"
	"strings"
	"time"
)

// An Instant is a moment by two clocks: the one on the wall, which people and programs
// set, and the time for which the machine has been up, which nobody can.
type Instant struct {
	Time time.Time `json:"time"`
	// Boot names the start of the machine since which Up counts, "" where that is not known.
	Boot string  `json:"boot,omitempty"`
	Up   float64 `json:"up_seconds,omitempty"`
}

// since is how much time has passed for certain since an earlier Instant: what both
// clocks saw. Of the time before the machine was started nothing counts.
func (i Instant) since(was Instant) time.Duration {
	d := i.Time.Sub(was.Time)
	if i.Boot == "" {
		return max(0, d)
	}
	up := i.Up
	if was.Boot == i.Boot {
		up -= was.Up
	}
	return max(0, min(d, time.Duration(up*float64(time.Second))))
}

// Wait is a time that must pass, as far as runs have seen it pass: a clock that jumps
// ends none.
type Wait struct {
	NeedSeconds float64 `json:"need_seconds"`
	HaveSeconds float64 `json:"have_seconds"`
	Last        Instant `json:"last,omitzero"` // when it was credited last
	Why         string  `json:"why,omitempty"`
}

// credit adds the time since the last credit, at most most.
func (w *Wait) credit(now Instant, most time.Duration) {
	if !w.Last.Time.IsZero() {
		w.HaveSeconds += min(now.since(w.Last), most).Seconds()
	}
	w.Last = now
}

// begin starts the wait anew.
func (w *Wait) begin(now Instant, need time.Duration, why string) {
	*w = Wait{NeedSeconds: need.Seconds(), Last: now, Why: why}
}

// again loses what was waited for.
func (w *Wait) again(now Instant) { w.HaveSeconds, w.Last = 0, now }

// atLeast makes the wait as long as need, if it is shorter.
func (w *Wait) atLeast(need time.Duration, why string) {
	if need.Seconds() > w.NeedSeconds {
		w.NeedSeconds, w.Why = need.Seconds(), why
	}
}

func (w *Wait) over() bool { return w.HaveSeconds >= w.NeedSeconds }

func (w *Wait) left() time.Duration {
	return time.Duration(max(0, w.NeedSeconds-w.HaveSeconds) * float64(time.Second))
}

// Uptime tells for how long the machine has been up, asleep or not, and names that
// start of it; "" where that cannot be found out.
func Uptime() (boot string, up time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0
	}
	if up = bootTime(); up <= 0 {
		return "", 0
	}
	return strings.TrimSpace(string(id)), up
}

// instant is now by both clocks.
func (r *Rotator) instant() Instant {
	boot, up := r.Uptime()
	return Instant{Time: r.Now(), Boot: boot, Up: up.Seconds()}
}
