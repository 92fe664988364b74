package pages

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"dojang/internal/exit"
)

const (
	loginSocket = "login.sock"
	folder      = "/run/dojang-web"
)

// AskLogin asks the running dojang-web.service for a fresh address that logs in.
func AskLogin() ([]byte, error) {
	path := filepath.Join(cmp.Or(os.Getenv("RUNTIME_DIRECTORY"), folder), loginSocket)
	c, err := dialStarting(path, startTime)
	if err != nil {
		return nil, exit.Errorf(exit.Unavailable, "the pages do not answer: %w: is dojang-web.service running?", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // a socket that is open takes it
	line, err := io.ReadAll(io.LimitReader(c, 4096))
	if err != nil || len(line) == 0 {
		return nil, exit.Errorf(exit.NoPerm, "%s gives no address: only root may ask", path)
	}
	return line, nil
}

// startTime is how long a service that systemd has just started may take to listen.
const startTime = 3 * time.Second

// dialStarting connects to a socket that may be made in a moment.
func dialStarting(path string, within time.Duration) (c net.Conn, err error) {
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		c, err = net.DialTimeout("unix", path, 5*time.Second)
		if err == nil || !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			return c, err
		}
	}
}

// serveLogins gives a fresh address to whoever connects and may.
func serveLogins(path string, address func() string) (stop func(), err error) {
	l, err := listenUnix(path, 0o600)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // a socket that is open takes it
			if isRootOrOurs(c) {
				fmt.Fprintln(c, address())
			}
			c.Close()
		}
	}()
	return func() { l.Close() }, nil
}
