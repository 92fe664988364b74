package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dojang/internal/exit"
	"dojang/internal/plain"
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
	defer func() { _ = errors.Join(out.Flush(), errs.Flush()) }() // nobody is left to tell
	return run(ctx, args, Streams{In: s.In, Out: out, Err: errs})
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
			_, err := fmt.Fprintf(s.Out, "dojang %s\n", Version)
			return err
		},
		DisableFlagsInUseLine: true,
	}
	// Cobra's own flag has a template, and a program with templates in it must keep
	// every method of every type: nine megabytes.
	root.Flags().BoolVarP(&version, "version", "v", false, "version for dojang")
	root.AddCommand(
		upCommand(s), serveCommand(s), reloadCommand(s), rehearseCommand(s), statusCommand(s), configCommand(s), queryCommand(s),
		benchCommand(s), doctorCommand(s), importCommand(s), genkeyCommand(s), testkeyCommand(s), testmsgCommand(s),
		zoneCommand(s), atpszoneCommand(s), explainCommand(s),
		webCommand(s), publishCommand(s), keysCommand(s), rotateCommand(s), publisherCommand(s), hookCommand(s),
	)
	bothLetters(root)
	return root
}

// bothLetters lets every --config be written -c and -x: people know both.
func bothLetters(c *cobra.Command) {
	flags := c.Flags()
	if f := flags.Lookup("config"); f != nil {
		for _, letter := range []string{"c", "x"} {
			if flags.ShorthandLookup(letter) == nil {
				flags.AddFlag(&pflag.Flag{Name: "config-" + letter, Shorthand: letter, Value: f.Value, DefValue: f.DefValue,
					Usage: f.Usage, Hidden: true})
			}
		}
	}
	for _, below := range c.Commands() {
		bothLetters(below)
	}
}
