package cli

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"dojang/internal/build/rotation"
	"dojang/internal/exit"
	"dojang/internal/keytable"
	"dojang/internal/rotate/publication"
)

// publishOptions are those of `dojang publish`.
type publishOptions struct {
	rotation.Options
	try  string
	json bool
}

// publishCommand is `dojang publish`.
func publishCommand(s Streams) *cobra.Command {
	var o publishOptions
	c := &cobra.Command{
		Use:   "publish [DOMAIN] [flags]",
		Short: "Publish the records of keys that are in the tables",
		Long: `Publish the DNS records of the keys in the KeyTable, of all or of one domain,
where there is none yet: at a first set-up, or to repair. How, and by whom, is
said in rotate.conf(5). Every authoritative name server is asked first; a record
of somebody else's is never changed, but named.

With --try a probe is written below _domainkey of a zone, timed on every name
server and removed: it proves credentials and rights before anything hangs on
them.

The exit status is 0 when every name server has every record, 75 when something
takes its time, 69 when something is blocked or refused, 78 for a mistake in
rotate.conf.`,
		Example: `  dojang publish --try example.com
  dojang publish --dry-run
  dojang publish example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.try != "" && len(args) > 0 {
				return exit.Errorf(exit.Usage, "--try takes the zone; no domain goes with it")
			}
			return runPublish(c.Context(), s, o, strings.Join(args, ""))
		},
	}
	f := c.Flags()
	settingsFlags(f, &o.Options)
	f.StringVar(&o.try, "try", "", "write a probe in this zone, time it and remove it")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be published, and change nothing")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func runPublish(ctx context.Context, s Streams, o publishOptions, domain string) error {
	o.Out, o.Err = s.Out, s.Err
	if o.json {
		o.Out = s.Err // what people are told is no JSON
	}
	w, cfg, done, err := rotation.Publishing(o.Options)
	if err != nil {
		return err
	}
	defer done()
	if o.try != "" {
		return printTry(s, o, w.TryZone(ctx, o.try))
	}
	groups := map[string][]string{}
	for _, g := range w.Settings.Groups {
		groups[g.Name] = g.Domains
	}
	var keys []publication.Key
	bad := 0
	err = keytable.Public(ctx, cfg, domain, groups, func(place, text string) {
		bad++
		fmt.Fprintf(s.Err, "%s: %s\n", place, text)
	}, func(row keytable.Row, public crypto.PublicKey) {
		keys = append(keys, publication.Key{Row: row.Name, Domain: row.Domain, Selector: row.Selector, Public: public})
	})
	if err != nil {
		return err
	}
	entries := w.Plan(ctx, keys)
	if !o.DryRun {
		w.Publish(ctx, entries)
	}
	if o.json {
		if entries == nil {
			entries = []publication.Entry{}
		}
		if err := s.printJSON(entries); err != nil {
			return err
		}
	} else {
		printEntries(s.Out, entries, o.DryRun)
	}
	return publishResult(entries, o.DryRun, bad > 0 && domain == "")
}

// printEntries tells what is to be done, or was.
func printEntries(w io.Writer, list []publication.Entry, dryRun bool) {
	for _, e := range list {
		switch {
		case e.State == publication.Published:
			fmt.Fprintf(w, "%s: published on %d of %d name servers\n", e.Record, e.Has, e.Servers)
		case e.State == publication.Due && dryRun:
			fmt.Fprintf(w, "%s: would be published in the zone %s by %s: %s\n", e.Record, e.Zone, e.Publisher, e.Text)
			if e.Detail != "" {
				fmt.Fprintf(w, "     %s\n", e.Detail)
			}
		default:
			fmt.Fprintf(w, "%s: %s (%s): %s\n", e.Record, e.State, e.Reason, e.Detail)
		}
	}
}

func publishResult(list []publication.Entry, dryRun, bad bool) error {
	code := exit.OK
	for _, e := range list {
		switch e.State {
		case publication.Blocked:
			code = exit.Unavailable
		case publication.Waiting:
			if code == exit.OK {
				code = exit.TempFail
			}
		case publication.Published, publication.Due:
		}
	}
	if bad {
		code = exit.Unavailable
	}
	if code == exit.OK || dryRun && code == exit.TempFail {
		return nil
	}
	return exit.Silent(code)
}

// printTry tells what came of a probe.
func printTry(s Streams, o publishOptions, t *publication.Try) error {
	if o.json {
		if err := s.printJSON(t); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(s.Out, tryText(o.try, t))
	}
	switch {
	case t.OK:
		return nil
	case t.Reason == publication.Again, t.Reason == publication.ServerDiffers,
		t.Reason == publication.Unknown, t.Reason == publication.NotPublished:
		return exit.Silent(exit.TempFail)
	}
	return exit.Silent(exit.Unavailable)
}

func tryText(zone string, t *publication.Try) string {
	var parts []string
	if len(t.Seen) > 0 {
		parts = append(parts, fmt.Sprintf("%s: written by %s (%s) in %.0f ms", zone, t.Publisher, t.Type, t.Seconds*1000))
		for _, s := range t.Seen {
			at := "not seen"
			if s.Seen {
				at = fmt.Sprintf("%.1f s", s.Seconds)
			}
			parts = append(parts, strings.TrimSpace(s.Name+" "+s.Address)+" "+at)
		}
		if t.Removed {
			parts = append(parts, "removed")
		}
		switch {
		case t.Signed == nil:
		case *t.Signed:
			parts = append(parts, "DNSSEC: signed, "+t.DNSSEC)
		default:
			parts = append(parts, "DNSSEC: not signed")
		}
	} else {
		parts = append(parts, zone+": not written")
	}
	text := strings.Join(parts, "; ")
	if t.OK {
		return text + ". Ready."
	}
	return text + fmt.Sprintf(": %s: %s", t.Reason, t.Detail)
}
