package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/doctor"
	"dojang/internal/exit"
	"dojang/internal/plain"
)

// doctorOptions are those of `dojang doctor`.
type doctorOptions struct {
	doctor.Options
	json, check bool
}

// checkTime is how long a check for a monitor may take, which gives up after a minute.
const checkTime = 50 * time.Second

// doctorCommand is `dojang doctor`.
func doctorCommand(s Streams) *cobra.Command {
	o := &doctorOptions{}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong on this server, and what to type",
		Long: `Look at this server as a whole: mail that left unsigned; configuration, tables and
keys, as the filter's user; the running process, and whether it has loaded what the
files say; its sockets, as Postfix sees them; every way by which Postfix takes mail
in (main.cf, master.cf, maps, instances), or Sendmail's filters; keys against DNS as
verifiers see them; the domains that this host sends as, and whether signatures
align with From and DMARC; name servers and trust anchors; the clock; and a message
through the running filter, signed and verified.

Behind "->" stands a command for a shell of root: typed as it stands it mends that
one thing and leaves all else as it is. Behind "--" stands what to know besides, or
what no command can do here.

What this machine lacks is left out and named. Exit status 0 when all is well, 1
when something deserves a look, 2 when something is broken. Run it as root: a
user may not see all that is to be seen.

--check is for Icinga, Nagios and their like: one line with performance data, and
exit status 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN). It ends after 50
seconds, and names what it had no time to look at. The test message counts
nowhere: not in metrics, Statistics or status.`,
		Example: `  dojang doctor
  dojang doctor --config /etc/opendkim.conf --author joe@example.com
  dojang doctor --json
  dojang doctor --check`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Keys < 0 {
				return exit.Errorf(exit.Usage, "--keys %d: use 0 or more", o.Keys)
			}
			started := time.Now()
			o.Version = Version
			shown := s.progress("keys compared with DNS", 0)
			o.Progress = shown.of
			ctx := c.Context()
			if o.check {
				limited, cancel := context.WithTimeout(ctx, checkTime)
				defer cancel()
				ctx = limited
			}
			report := doctor.Examine(ctx, o.Options)
			shown.end()
			if o.check {
				return printCheck(s, report, time.Since(started))
			}
			if err := o.print(s, report); err != nil {
				return err
			}
			switch report.Worst() {
			case doctor.Bad:
				return exit.Silent(2)
			case doctor.Warning:
				return exit.Silent(1)
			}
			return nil
		},
	}
	configFlag(c.Flags(), &o.Source.File, "c")
	c.Flags().BoolVar(&o.json, "json", false, "print the findings as JSON")
	c.Flags().BoolVar(&o.check, "check", false, "print one line for Icinga or Nagios")
	c.Flags().StringVar(&o.Author, "author", "", "author of the test message (default: somebody of the first domain that is signed)")
	c.Flags().IntVar(&o.Keys, "keys", 20, "how many keys of the KeyTable to compare with DNS")
	c.MarkFlagsMutuallyExclusive("json", "check")
	return c
}

// print writes the findings: coloured words on a terminal, JSON when asked for.
func (o *doctorOptions) print(s Streams, r doctor.Report) error {
	if o.json {
		return s.printJSON(map[string]any{"status": r.Worst(), "findings": r})
	}
	colour, out := colours(s.Out), s.message()
	for _, f := range r {
		fmt.Fprintf(out, "%s %-13s %s\n", colour(f.Status), f.Check, plain.Line(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(out, "%8s%-13s -> %s\n", "", "", plain.Line(f.Remedy))
		}
		if f.Advice != "" {
			fmt.Fprintf(out, "%8s%-13s -- %s\n", "", "", plain.Line(f.Advice))
		}
	}
	return nil
}

// printCheck writes the line that monitoring plugins write
// (https://www.monitoring-plugins.org/doc/guidelines.html).
func printCheck(s Streams, r doctor.Report, took time.Duration) error {
	state, code, first := "OK", 0, ""
	switch {
	case r.Worst() == doctor.Bad:
		state, code = "CRITICAL", 2
	case r.Worst() == doctor.Warning:
		state, code = "WARNING", 1
	case r.Count(doctor.Good) == 0:
		state, code = "UNKNOWN", 3
	}
	more := -1
	for _, f := range r {
		if f.Status == r.Worst() && code > 0 && code < 3 {
			if more++; first == "" {
				first = f.Check + ": " + f.Text
			}
		}
	}
	switch {
	case more > 0:
		first += fmt.Sprintf(" (and %d more)", more)
	case first == "":
		first = fmt.Sprintf("%d checks are good", r.Count(doctor.Good))
	}
	first = strings.ReplaceAll(plain.Line(first), "|", "/") // a bar begins the performance data
	fmt.Fprintf(s.Out, "DOJANG %s - %s | bad=%d;;0 warning=%d;0 good=%d skipped=%d time=%.3fs\n", state, first,
		r.Count(doctor.Bad), r.Count(doctor.Warning), r.Count(doctor.Good), r.Count(doctor.Skipped), took.Seconds())
	if code > 0 {
		return exit.Silent(code)
	}
	return nil
}

// colours returns how a status is written: in colour on a terminal, unless
// NO_COLOR is set.
func colours(w io.Writer) func(doctor.Status) string {
	codes := map[doctor.Status]string{doctor.Good: "32", doctor.Warning: "33", doctor.Bad: "31", doctor.Skipped: "90"}
	plain := os.Getenv("NO_COLOR") != "" || !isTerminal(w)
	return func(s doctor.Status) string {
		word := fmt.Sprintf("%-7s", s)
		if plain {
			return word
		}
		return "\x1b[" + codes[s] + "m" + word + "\x1b[0m"
	}
}
