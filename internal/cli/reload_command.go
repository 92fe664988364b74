package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dojang/internal/app"
	"dojang/internal/config"
	"dojang/internal/exit"
)

// reloadCommand is `dojang reload`.
func reloadCommand(s Streams) *cobra.Command {
	f := &config.Source{}
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
	configFlag(c.Flags(), &f.File, "c")
	return c
}

// reloadBySocket asks the filter over MetricsSocket and prints what it says.
func reloadBySocket(ctx context.Context, s Streams, c *config.Config) error {
	report, err := app.AskReload(ctx, c.MetricsSocket.Value)
	if err != nil {
		return err
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
	pid, err := app.SignalReload(c)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "the configuration is good; process %d was told to read it (its log says when it has)\n", pid)
	return nil
}
