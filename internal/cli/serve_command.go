package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/logging"
	"dojang/internal/plain"
	"dojang/internal/rotate/settings"
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

func isTerminal(w io.Writer) bool { return terminal(w) != nil }

// terminal is the terminal that a stream ends at, nil where it ends elsewhere. What is
// written there is not escaped.
func terminal(w io.Writer) *os.File {
	if escaped, ok := w.(*plain.Writer); ok {
		w = escaped.Destination()
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// configCommand is `dojang config`.
func configCommand(s Streams) *cobra.Command {
	f := &opendkimFlags{}
	rotation := ""
	c := &cobra.Command{Use: "config", Short: "Show, check and explain the configuration", Args: cobra.NoArgs, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	show := &cobra.Command{
		Use: "show", Short: "Print every option in force, with the file and line it comes from",
		Example: "  dojang config show --config /etc/opendkim.conf",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, problems := f.Load()
			problems.Write(s.Err)
			loaded.Dump(s.Out)
			return configResult(problems.HasErrors())
		},
	}
	check := &cobra.Command{
		Use: "check", Short: "Check configuration, tables and keys as a start would",
		Long: "Check the configuration file, every table it names and every key they name, and rotate.conf(5) where there " +
			"is one, and print all that is wrong with file, line and remedy. Exit status 78 when the filter " +
			"would not start, or nothing be published.",
		Example: "  dojang config check\n  dojang config check --config /etc/opendkim.conf",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, problems := f.Load()
			code := checkConfig(c.Context(), s, loaded, problems)
			if code = max(code, checkRotation(s, rotation, c.Flags().Changed("settings"))); code != exit.OK {
				return exit.Silent(code)
			}
			fmt.Fprintln(s.Out, "configuration is good")
			return nil
		},
	}
	explain := &cobra.Command{
		Use: "explain [OPTION...]", Short: "Tell what an option does, or list them all",
		Example: "  dojang config explain OversignHeaders",
		RunE: func(_ *cobra.Command, names []string) error {
			return explainConfig(s, names)
		},
	}
	configFlag(show.Flags(), &f.File, "c")
	configFlag(check.Flags(), &f.File, "c")
	check.Flags().StringVar(&rotation, "settings", settings.DefaultPath, "rotate.conf(5), checked where there is one")
	c.AddCommand(show, check, explain)
	return c
}

func configResult(failed bool) error {
	if failed {
		return exit.Silent(exit.Config)
	}
	return nil
}

// queryCommand is `dojang query`.
func queryCommand(s Streams) *cobra.Command {
	f := &opendkimFlags{}
	columns := 1
	c := &cobra.Command{
		Use: "query DATASET KEY", Short: "Look a key up in a data set",
		Long: `Look a key up in a data set of any type, as the filter would: DATASET is what an
option like SigningTable holds. Exit status 1 when there is no such key, 75 when
the data set cannot be asked.`,
		Example: `  dojang query refile:/etc/opendkim/SigningTable joe@example.com
  dojang query --columns 3 dsn:pgsql://u:p@5432+db/mail/table=keys?keycol=name?datacol=domain,selector,key mail`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return query(c.Context(), s, f, args[0], args[1], columns)
		},
	}
	c.Flags().IntVarP(&columns, "columns", "n", columns, "how many values to fetch")
	configFlag(c.Flags(), &f.File, "c")
	return c
}
