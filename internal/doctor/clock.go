package doctor

import (
	"golang.org/x/sys/unix"
)

// Clock looks whether something keeps the clock right: signatures carry times.
func (r *Report) Clock() {
	const check = "clock"
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	const timeError = 5 // TIME_ERROR of adjtimex(2): not synchronised
	switch {
	case err != nil:
		r.Add(check, Skipped, "", "the clock's state cannot be read: %s", err)
	case state == timeError || t.Status&unix.STA_UNSYNC != 0:
		r.Add(check, Warning, "timedatectl set-ntp true   (or install chrony)", "nothing keeps the clock right; signatures from a clock that is minutes off are refused")
	default:
		r.Add(check, Good, "", "the clock is synchronised")
	}
}
