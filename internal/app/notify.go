package app

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// manager is systemd, told about our state (sd_notify(3)). Nil is none.
type manager struct{ conn net.Conn }

// dialManager connects to systemd while its socket is in reach: a chroot or
// another user may not see it.
func dialManager() *manager {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return nil // systemd times out and tells by itself
	}
	return &manager{conn}
}

func (m *manager) tell(state string) {
	if m != nil {
		_, _ = m.conn.Write([]byte(state))
	}
}

// reloading announces a reload as Type=notify-reload wants it.
func (m *manager) reloading() {
	if now, ok := monotonic(); ok {
		m.tell(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now/1000))
	}
}

// watchdogInterval returns half of systemd's watchdog time, or 0 without one.
func watchdogInterval() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}
