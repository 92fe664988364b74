package doctor

import "golang.org/x/sys/unix"

// clockState asks the kernel (adjtimex(2)).
func clockState() (synchronised bool, err error) {
	const timeError = 5 // TIME_ERROR: not synchronised
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return state != timeError && t.Status&unix.STA_UNSYNC == 0, err
}
