package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/logging"
)

// serveCommand is `dojang serve`: the filter in the foreground.
func serveCommand(s Streams) *cobra.Command {
	f := &opendkimFlags{}
	var quiet bool
	c := &cobra.Command{
		Use:   "serve [--config FILE]",
		Short: "Run the filter in the foreground",
		Long: `Run the filter in the foreground with an opendkim.conf, as systemd or a
container wants it. Log lines go where the configuration says, and to standard
error when that is a terminal.

Options can also come from the environment, as OPENDKIM_Option=value; a "-" in
an option's name is written "_" there.`,
		Example: `  dojang serve --config /etc/opendkim.conf
  OPENDKIM_Socket=inet:8891@localhost dojang serve`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.Overrides = append(f.Overrides, config.Override{Option: "Background", Value: "no"})
			loaded, problems := f.Load()
			if problems.HasErrors() {
				problems.Write(s.Err)
				return exit.Silent(exit.Config)
			}
			d := f.service("dojang", s, loaded, problems)
			d.Args = "serve"
			if !quiet && isTerminal(s.Err) {
				d.Console = logging.NewStream(s.Err, "", slog.LevelInfo)
			}
			if code := d.Run(c.Context()); code != exit.OK {
				return exit.Silent(code)
			}
			return nil
		},
	}
	configFlag(c.Flags(), &f.File, "c")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "no log lines on the terminal")
	return c
}
