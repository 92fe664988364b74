package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
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
func AskReload(ctx context.Context, socket config.Socket) (report ReloadReport, err error) {
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

// SignalReload sends USR1 to the process that PidFile names.
func SignalReload(c *config.Config) (pid int, err error) {
	path := c.PidFile.Value
	if path == "" {
		return 0, exit.Errorf(exit.Config,
			"neither MetricsSocket nor PidFile is set, so the filter cannot be found; send it USR1: systemctl reload opendkim")
	}
	text, err := privilege.ReadAsIs(path)
	if err != nil {
		return 0, exit.Errorf(exit.Unavailable, "the filter does not run, or writes another pid file: %s", err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return 0, exit.Errorf(exit.DataErr, "%s does not hold a process ID", path)
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		return pid, exit.Errorf(exit.Unavailable, "process %d: %s", pid, err)
	}
	return pid, nil
}
