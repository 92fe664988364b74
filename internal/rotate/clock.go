package rotate

import (
	"os"
	"strings"
	"time"
)

// An Instant is a moment by two clocks: the one on the wall, which people and programs
// set, and the time for which the machine has been up, which nobody can.
type instant struct {
	Time time.Time `json:"time"`
	// Boot names the start of the machine since which Up counts, "" where that is not known.
	Boot string  `json:"boot,omitempty"`
	Up   float64 `json:"up_seconds,omitempty"`
}

// since is how much time has passed for certain since an earlier Instant: what both
// clocks saw. Of the time before the machine was started nothing counts.
func (i instant) since(was instant) time.Duration {
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

// wait is a time that must pass, as far as runs have seen it pass: a clock that jumps
// ends none.
type wait struct {
	NeedSeconds float64 `json:"need_seconds"`
	HaveSeconds float64 `json:"have_seconds"`
	Last        instant `json:"last,omitzero"` // when it was credited last
	Why         string  `json:"why,omitempty"`
}

// credit adds the time since the last credit, at most most.
func (w *wait) credit(now instant, most time.Duration) {
	if !w.Last.Time.IsZero() {
		w.HaveSeconds += min(now.since(w.Last), most).Seconds()
	}
	w.Last = now
}

// begin starts the wait anew.
func (w *wait) begin(now instant, need time.Duration, why string) {
	*w = wait{NeedSeconds: need.Seconds(), Last: now, Why: why}
}

// again loses what was waited for.
func (w *wait) again(now instant) { w.HaveSeconds, w.Last = 0, now }

// atLeast makes the wait as long as need, if it is shorter.
func (w *wait) atLeast(need time.Duration, why string) {
	if need.Seconds() > w.NeedSeconds {
		w.NeedSeconds, w.Why = need.Seconds(), why
	}
}

func (w *wait) over() bool { return w.HaveSeconds >= w.NeedSeconds }

func (w *wait) left() time.Duration {
	return time.Duration(max(0, w.NeedSeconds-w.HaveSeconds) * float64(time.Second))
}

// uptime tells for how long the machine has been up, asleep or not, and names that
// start of it; "" where that cannot be found out.
func uptime() (boot string, up time.Duration) {
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
func (r *Rotator) instant() instant {
	boot, up := r.Uptime()
	return instant{Time: r.Now(), Boot: boot, Up: up.Seconds()}
}
