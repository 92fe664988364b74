package proctest

import (
	"net"
	"sync"
	"testing"
)

// Syslog is a local syslog socket that keeps what comes.
type Syslog struct {
	mu      sync.Mutex
	packets []string
}

// ListenSyslog listens at a path until the test ends.
func ListenSyslog(t testing.TB, path string) *Syslog {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(1 << 20) // what a test sends at once finds room
	t.Cleanup(func() { conn.Close() })
	s := new(Syslog)
	go func() {
		buffer := make([]byte, 1<<17)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.packets = append(s.packets, string(buffer[:n]))
			s.mu.Unlock()
		}
	}()
	return s
}

// Packets are those after the first n, as they came.
func (s *Syslog) Packets(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.packets[n:]...)
}
