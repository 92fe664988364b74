package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/privilege"
)

// AskReload asks the filter over its MetricsSocket to read its configuration again, and
// returns what it says.
func AskReload(ctx context.Context, socket config.Socket) (report reloadReport, err error) {
	client := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, socket.Network, socket.Address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/reload", nil)
	if err != nil {
		return report, err
	}
	response, err := client.Do(request)
	if err != nil {
		return report, exit.Errorf(exit.Unavailable, "the filter does not answer on %s: %s", socket.Address, err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return report, exit.Errorf(exit.Protocol, "%s answers, but not as a filter does: %s", socket.Address, err)
	}
	return report, nil
}

// SignalReload sends USR1 to the process that PidFile names, by the rights of the file's
// owner: a filter's user who writes another number has root signal nobody else.
func SignalReload(c *config.Config) (pid int, err error) {
	path := c.PidFile.Value
	if path == "" {
		return 0, exit.Errorf(exit.Config,
			"neither MetricsSocket nor PidFile is set, so the filter cannot be found; send it USR1: systemctl reload opendkim")
	}
	text, by, err := readPidFile(path)
	if err != nil {
		return 0, exit.Errorf(exit.Unavailable, "the filter does not run, or writes another pid file: %s", err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return 0, exit.Errorf(exit.DataErr, "%s does not hold a process ID", path)
	}
	if err := signalAs(by, pid); err != nil {
		return pid, exit.Errorf(exit.Unavailable, "process %d: %s", pid, err)
	}
	return pid, nil
}

// readPidFile reads a pid file and returns its owner. Root follows no link to one that
// others can change.
func readPidFile(path string) (text []byte, owner *syscall.Stat_t, err error) {
	f, err := privilege.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: privilege.ErrNotFile}
	}
	if err != nil {
		return nil, nil, err
	}
	owner, _ = info.Sys().(*syscall.Stat_t)
	text, err = io.ReadAll(io.LimitReader(f, maxPidFileBytes))
	return text, owner, err
}

// maxPidFileBytes is more than any process ID has.
const maxPidFileBytes = 64

// signalAs sends USR1 by the rights of a file's owner, where they are not this process's
// own and it can take them.
func signalAs(owner *syscall.Stat_t, pid int) error {
	if os.Geteuid() != 0 || owner == nil || owner.Uid == 0 {
		return syscall.Kill(pid, syscall.SIGUSR1)
	}
	// A process of its own: whom a process may signal goes by its real user too, which a
	// thread does not change for itself.
	cmd := exec.Command("/bin/sh", "-c", `kill -s USR1 "$1"`, "sh", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the pid file's owner cannot signal it: %w: %.200q", err, out)
	}
	return nil
}
