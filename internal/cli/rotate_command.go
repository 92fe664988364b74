package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dojang/internal/build/rotation"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/problem"
	"dojang/internal/rotate"
	"dojang/internal/rotate/settings"
)

// rotating is what the commands about keys in rotation share.
type rotating struct {
	rotation.Options
	json bool
}

// settingsFlags add --settings and --config.
func settingsFlags(flags *pflag.FlagSet, o *rotation.Options) {
	flags.StringVar(&o.Settings, "settings", settings.DefaultPath, "how keys change and are published: rotate.conf(5)")
	configFlag(flags, &o.Config, "c")
	flags.Lookup("config").Usage = "configuration file (default the one that rotate.conf names)"
}

// rotateCommand is `dojang rotate`.
func rotateCommand(s Streams) *cobra.Command {
	o := &rotating{}
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Change keys before they grow old: made, published, proven, and only then signed with",
		Long: `Change the keys that are in rotation (dojang keys adopt). A new key signs only
when every authoritative name server has shown its record and no cache can have
another answer; an old record goes only when no host has used its key for long
enough. Whatever fails, mail goes on being signed by the old key.

The exit status is 0 when all is done, nothing is due or a clock runs; 75 when a
due step could not be done or another run is at work; 69 when something is
blocked: dojang keys tells what, and why; or when no key is in rotation; 78 for a
mistake in rotate.conf(5).`,
		RunE: func(c *cobra.Command, args []string) error { return needsCommand(c, args) },
	}
	settingsFlags(c.PersistentFlags(), &o.Options)
	c.AddCommand(rotateRun(s, o), rotateStart(s, o), rotateStop(s, o), rotateAbort(s, o), rotateEmergency(s, o),
		rotateLog(s, o), rotateSyncList(s, o))
	return c
}

// needsCommand is for a command that only has others below it.
func needsCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %s for %q", problem.Quote(args[0]), c.CommandPath()) // as cobra says it
	}
	return c.Help()
}

// with opens a Rotator for f.
func (o *rotating) with(ctx context.Context, s Streams, f func(*rotate.Rotator) error) error {
	o.Out, o.Err = s.Out, s.Err
	if o.json {
		o.Out = s.Err
	}
	r, done, err := rotation.Open(ctx, o.Options)
	if err != nil {
		return err
	}
	defer done()
	return f(r)
}

func rotateRun(s Streams, o *rotating) *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Do all that is due (the hourly timer)", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				out, err := r.Run(c.Context())
				for _, b := range out.Broken {
					fmt.Fprintln(s.Err, b.Err)
				}
				return rotationResult(out, err)
			})
		},
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	return c
}

func rotateStart(s Streams, o *rotating) *cobra.Command {
	c := &cobra.Command{
		Use: "start DOMAIN", Short: "Begin with a domain's next key now, or let a stopped one go on", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				return rotationResult(r.Start(c.Context(), args[0]))
			})
		},
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	return c
}

func rotateStop(s Streams, o *rotating) *cobra.Command {
	return &cobra.Command{
		Use: "stop DOMAIN", Short: "Halt every act of a domain's rotation; its waits go on", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				return rotationResult(rotate.Outcome{}, r.Stop(args[0]))
			})
		},
	}
}

func rotateAbort(s Streams, o *rotating) *cobra.Command {
	return &cobra.Command{
		Use: "abort DOMAIN", Short: "Give up a key that has never signed: withdraw its record, delete it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				return rotationResult(r.Abort(c.Context(), args[0]))
			})
		},
	}
}

func rotateEmergency(s Streams, o *rotating) *cobra.Command {
	var all, yes bool
	var keepOld string
	c := &cobra.Command{
		Use:   "emergency DOMAIN|--all",
		Short: "Change keys at once, after a break-in",
		Long: `Change keys at once: made, published, proven once at every name server, signed
with; the old record is revoked at once and the old key deleted.

What is risked: caches that hold the answer "no such record" may make some mail
fail for as long as they hold it, and mail that is on its way with a signature of
the old key fails from now on, unless --keep-old leaves the old record a while.
Whoever has the old key can sign as you as long as its record stands.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return exit.Errorf(exit.Usage, "name one domain, or --all")
			}
			keep, err := config.ParseDuration(keepOld)
			if err != nil {
				return exit.Errorf(exit.Usage, "--keep-old: %w", err)
			}
			if !yes && !confirmed(s, strings.Join(args, "")) {
				return exit.Errorf(exit.Usage, "not done: --yes does it without a question")
			}
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				return rotationResult(r.Emergency(c.Context(),
					keep, args...))
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every domain")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().StringVar(&keepOld, "keep-old", "0s", "how long the old record stays as it is")
	return c
}

// confirmed says what is risked, and asks.
func confirmed(s Streams, domain string) bool {
	what := "every domain"
	if domain != "" {
		what = domain
	}
	fmt.Fprintf(s.Err, "New keys for %s, signed with at once: some mail may fail until caches forget that there was no "+
		"record, and mail on its way\nwith an old signature fails once the old record is revoked.\n", what)
	if !isTerminal(s.Err) {
		return false
	}
	fmt.Fprint(s.Err, "Go on? Type yes: ")
	line, _ := bufio.NewReader(s.In).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

func rotateLog(s Streams, o *rotating) *cobra.Command {
	c := &cobra.Command{
		Use: "log [DOMAIN]", Short: "Tell what was done, and when", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Err = s.Err
			set, err := o.Load()
			if err != nil {
				return err
			}
			store, err := rotate.OpenStore(set.State, true)
			if err != nil {
				return err
			}
			names := args
			if len(args) > 0 {
				if group, is := set.GroupOf(args[0]); is {
					names = append(names, group)
				}
			}
			entries := []rotate.Entry{}
			if err := store.ReadJournal(func(e rotate.Entry) { entries = append(entries, e) }, names...); err != nil {
				return exit.Errorf(exit.IOErr, "%w", err)
			}
			if o.json {
				return s.printJSON(entries)
			}
			for _, e := range entries {
				fmt.Fprintf(s.Out, "%s  %s  %s", e.Time.Local().Format(time.DateTime), e.Unit, e.Act)
				if e.To != "" {
					fmt.Fprintf(s.Out, " %s -> %s", e.From, e.To)
				}
				fmt.Fprintf(s.Out, "  %s  %s\n", strings.Join(e.Keys, " "), e.Detail)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func rotateSyncList(s Streams, o *rotating) *cobra.Command {
	return &cobra.Command{
		Use: "sync-list", Short: "Print the files to copy to other hosts, in the order in which to copy them",
		Long: `Print the files that other hosts need to sign with the same keys, in the order in
which to copy them: keys before the tables that name them. Then make the other
filters read them.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.ReadOnly = true
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				paths, err := r.SyncList(c.Context())
				for _, p := range paths {
					fmt.Fprintln(s.Out, p)
				}
				return rotationResult(rotate.Outcome{}, err)
			})
		},
	}
}

// rotationResult is the exit status of a run.
func rotationResult(o rotate.Outcome, err error) error {
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return exit.Errorf(exit.TempFail, "%w", err)
	case err != nil:
		return exit.Errorf(exit.Unavailable, "%w", err)
	case o.Blocked > 0:
		return exit.Silent(exit.Unavailable)
	case o.Retry > 0:
		return exit.Silent(exit.TempFail)
	}
	return nil
}
