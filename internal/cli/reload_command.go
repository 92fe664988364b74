package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/app"
	"dojang/internal/config"
	"dojang/internal/exit"
)

// reloadCommand is `dojang reload`.
func reloadCommand(s Streams) *cobra.Command {
	f := &opendkimFlags{}
	c := &cobra.Command{
		Use: "reload", Short: "Make the running filter read its configuration again",
		Long: `Make the running filter read its configuration, tables and keys again, and tell
whether it did. With MetricsSocket set the filter itself answers; without it the
configuration is checked here, then the process in PidFile gets USR1, and its log
tells the rest. A configuration with errors is refused; the old one stays in
force.`,
		Example: "  dojang reload\n  dojang reload --config /etc/opendkim.conf",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, problems := f.Load()
			if problems.HasErrors() {
				problems.Write(s.Err)
				return exit.Errorf(exit.Config, "not reloaded: the old configuration stays in force")
			}
			if loaded.MetricsSocket.IsSet() {
				return reloadBySocket(c.Context(), s, loaded)
			}
			if code := checkConfig(c.Context(), s, loaded, problems); code != exit.OK {
				return exit.Errorf(code, "not reloaded: the old configuration stays in force")
			}
			return reloadBySignal(s, loaded)
		},
	}
	configFlag(c, &f.Source)
	return c
}

// reloadBySocket asks the filter over MetricsSocket and prints what it says.
func reloadBySocket(ctx context.Context, s Streams, c *config.Config) error {
	socket := c.MetricsSocket.Value
	client := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, socket.Network, socket.Address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/reload", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return exit.Errorf(exit.Unavailable, "the filter does not answer on %s: %s", socket.Address, err)
	}
	defer response.Body.Close()
	var report app.ReloadReport
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return exit.Errorf(exit.Protocol, "%s answers, but not as a filter does: %s", socket.Address, err)
	}
	for _, p := range report.Problems {
		fmt.Fprintln(s.Err, p)
	}
	if !report.OK {
		return exit.Errorf(exit.Config, "not reloaded: the old configuration stays in force")
	}
	fmt.Fprintln(s.Out, "reloaded")
	return nil
}

func reloadBySignal(s Streams, c *config.Config) error {
	path := c.PidFile.Value
	if path == "" {
		return exit.Errorf(exit.Config, "neither MetricsSocket nor PidFile is set, so the filter cannot be found; send it USR1: systemctl reload opendkim")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return exit.Errorf(exit.Unavailable, "the filter does not run, or writes another pid file: %s", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return exit.Errorf(exit.DataErr, "%s does not hold a process ID", path)
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		return exit.Errorf(exit.Unavailable, "process %d: %s", pid, err)
	}
	fmt.Fprintf(s.Out, "the configuration is good; process %d was told to read it (its log says when it has)\n", pid)
	return nil
}
