package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/plain"
	"dojang/internal/problem"
)

// Version is dojang's own; the build sets it.
var Version = "development"

// classic are the tools by OpenDKIM's names, with OpenDKIM's flags and output.
var classic = map[string]func(ctx context.Context, s Streams, args []string) int{
	"opendkim":          classicOpendkim,
	"opendkim-genkey":   classicGenkey,
	"opendkim-testkey":  classicTestkey,
	"opendkim-testmsg":  classicTestmsg,
	"opendkim-genzone":  classicGenzone,
	"opendkim-atpszone": classicATPSZone,
	"opendkim-stats":    classicStats,
}

// Main runs the command that args[0] names, "opendkim-genkey" or "dojang", and
// returns its exit status (sysexits(3)).
func Main(ctx context.Context, args []string, s Streams) int {
	out, errs := plain.NewWriter(s.Out), plain.NewWriter(s.Err)
	code := run(ctx, args, Streams{In: s.In, Out: out, Err: errs})
	_ = errors.Join(out.Flush(), errs.Flush()) // nobody is left to tell
	if err := out.Err(); err != nil && code == exit.OK {
		fmt.Fprintf(s.Err, "%s: standard output: %s\n", filepath.Base(args[0]), problem.Strerror(err))
		return exit.IOErr
	}
	return code
}

// run is Main with streams that may be shown on a terminal.
func run(ctx context.Context, args []string, s Streams) int {
	if run, ok := classic[filepath.Base(args[0])]; ok {
		return run(ctx, s, args[1:])
	}
	root := rootCommand(s)
	root.SetArgs(args[1:])
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exit.OK
	}
	if e := exit.Unspoken(err); e != nil {
		fmt.Fprintf(s.Err, "dojang: %s\n", e)
	}
	code := exit.Status(err)
	if code == exit.Software && !exit.Named(err) { // cobra's own: an unknown command or flag, or their number
		if !c.HasAvailableSubCommands() {
			fmt.Fprintf(s.Err, "usage: %s\n", c.UseLine())
		}
		fmt.Fprintf(s.Err, "see %s --help\n", c.CommandPath())
		return exit.Usage
	}
	return code
}

// Commands is `dojang` with every command below it, for what describes them.
func Commands(s Streams) *cobra.Command { return rootCommand(s) }

// rootCommand is `dojang` with every command below it.
func rootCommand(s Streams) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "dojang",
		Short: "Sign and verify mail (DKIM) for Postfix and Sendmail",
		Long: `dojang signs and verifies mail by DKIM (RFC 6376) as a milter of Postfix or
Sendmail. It takes OpenDKIM's place: the same configuration, tables and tools.

First steps:  dojang up       a working filter in one command, to try it
              dojang genkey   a key and its DNS record
              dojang doctor   what is wrong on this server, and what to type`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if !version {
				return c.Help()
			}
			fmt.Fprintf(s.Out, "dojang %s\n", Version)
			return nil
		},
		DisableFlagsInUseLine: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		before, number, found := strings.Cut(err.Error(), "strconv.") // a function of Go's is no word for users
		if !found {
			return err
		}
		return errors.New(before + number[strings.LastIndex(number, ": ")+2:])
	})
	// Cobra's own flag has a template, and a program with templates in it must keep
	// every method of every type: nine megabytes.
	root.Flags().BoolVarP(&version, "version", "v", false, "version for dojang")
	root.AddCommand(
		upCommand(s), serveCommand(s), reloadCommand(s), rehearseCommand(s), statusCommand(s), configCommand(s), queryCommand(s),
		benchCommand(s), doctorCommand(s), importCommand(s), genkeyCommand(s), testkeyCommand(s), testmsgCommand(s),
		zoneCommand(s), atpszoneCommand(s), explainCommand(s),
		webCommand(s), publishCommand(s), keysCommand(s), rotateCommand(s), publisherCommand(s), hookCommand(s),
	)
	return root
}

// configFlag adds --config, which may be written -c and -x: people know both. With letter
// "x" the command's -c is another flag.
func configFlag(flags *pflag.FlagSet, file *string, letter string) {
	flags.StringVarP(file, "config", letter, "", "configuration file (default "+config.DefaultPath+" when it is there)")
	if letter == "c" {
		f := *flags.Lookup("config")
		f.Name, f.Shorthand, f.Hidden = "config-x", "x", true
		flags.AddFlag(&f)
	}
}
