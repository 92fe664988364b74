package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/rotate/settings"
)

// configCommand is `dojang config`.
func configCommand(s Streams) *cobra.Command {
	f := &config.Source{}
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

// explainConfig tells what options of opendkim.conf or rotate.conf do.
// Without a name it lists those of opendkim.conf.
func explainConfig(s Streams, names []string) error {
	if len(names) == 0 {
		for _, o := range config.Options() {
			if o.Status != config.Historic {
				fmt.Fprintln(s.Out, o.Name)
			}
		}
	}
	for _, name := range names {
		other := settings.Find(name)
		if config.Find(name) != nil || other == nil {
			known, err := config.Explain(s.Out, name)
			if err != nil {
				return exit.Errorf(exit.IOErr, "%s", err)
			}
			if !known {
				return exit.Errorf(exit.Usage, "%s: no such option", name) // which one is near was printed
			}
		}
		if other != nil {
			fmt.Fprint(s.Out, "In rotate.conf: ")
			if err := other.Explain(s.Out); err != nil {
				return exit.Errorf(exit.IOErr, "%s", err)
			}
		}
	}
	return nil
}

// checkRotation tells what is wrong with rotate.conf, and with the files that it names
// as far as this user may look. Nobody must have one.
func checkRotation(s Streams, path string, named bool) int {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !named {
		return exit.OK
	}
	set, problems := settings.Load(path)
	if os.Geteuid() == 0 && !problems.HasErrors() {
		problems = append(problems, set.CheckFiles()...)
	}
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exit.Config
	}
	return exit.OK
}
