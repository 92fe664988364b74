package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/status"
	"dojang/internal/words"
)

// defaultStatusSocket is the StatusSocket of the packaged configuration.
const defaultStatusSocket = "/run/opendkim/status.sock"

type statusOptions struct {
	source config.Source
	socket string
	json   bool
}

// statusCommand is `dojang status`.
func statusCommand(s Streams) *cobra.Command {
	o := &statusOptions{}
	c := &cobra.Command{
		Use: "status [QUEUEID]", Short: "Tell what the running filter signed, and why it did not sign a message",
		Long: `Ask the running filter (StatusSocket) whether it signs everything that it should:
how much mail of each signing domain was signed, and how much was not and why.
With a queue ID, as the mail log has it, tell what became of that message and
the way to the decision; LogWhy need not be on. A message that the filter does not
remember ends with status 69.`,
		Example: "  dojang status\n  dojang status 4F1A2BE2EF\n  dojang status --json | jq .domains",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := o.client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return o.message(c.Context(), s, client, args[0])
			}
			return o.overview(c.Context(), s, client)
		},
	}
	configFlag(c.Flags(), &o.source.File, "c")
	c.Flags().StringVar(&o.socket, "socket", "", "the filter's StatusSocket (default that of --config, else "+defaultStatusSocket+")")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// client is of --socket, or of the StatusSocket that the configuration names.
func (o *statusOptions) client() (*status.Client, error) {
	address := o.socket
	if address == "" {
		address = defaultStatusSocket
		loaded, problems := o.source.Load()
		switch {
		case !problems.HasErrors() && loaded.StatusSocket.IsSet():
			address = build.StatusAddress(loaded.StatusSocket.Value)
		case o.source.File != "" && problems.HasErrors():
			return nil, exit.Problems(problems)
		case o.source.File != "":
			return nil, exit.Errorf(exit.Config, "%s sets no StatusSocket: add StatusSocket local:%s and restart the filter",
				o.source.File, defaultStatusSocket)
		}
	}
	client, err := status.NewClient(address)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "%s", err)
	}
	return client, nil
}

// silent explains a filter that does not answer.
func silent(err error) error {
	return exit.Errorf(exit.Unavailable,
		"the filter does not answer: %s: is it running, and does opendkim.conf have StatusSocket local:%s?", err, defaultStatusSocket)
}

func (o *statusOptions) message(ctx context.Context, s Streams, client *status.Client, id string) error {
	rows, err := client.Messages(ctx, id, "", "", 20)
	if err != nil {
		return silent(err)
	}
	if o.json {
		if err := s.printJSON(rows); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return exit.Errorf(exit.Unavailable,
			"%q: the filter does not remember it: it is older than StatusMessages, or went another way", id)
	}
	if o.json {
		return nil
	}
	for _, m := range rows {
		fmt.Fprintf(s.Out, "%s  %s  %s", m.Time.Local().Format(time.DateTime), m.QueueID, m.Result)
		if m.Domain != "" {
			fmt.Fprintf(s.Out, "  %s", m.Domain)
		}
		if m.Reason != "" {
			fmt.Fprintf(s.Out, ": %s", m.Reason)
		}
		fmt.Fprintf(s.Out, "\n  from inside %s, logged in %s, answer %s, took %.3f s\n  events: %s\n", yesNo(m.Internal),
			yesNo(m.Authenticated), m.Answer, m.TookSeconds, strings.Join(m.Events, ", "))
		for _, g := range m.Signatures {
			fmt.Fprintf(s.Out, "  signed by %s._domainkey.%s (%s)\n", g.Selector, g.Domain, g.Algorithm)
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// statusReport is `dojang status --json`.
type statusReport struct {
	Server  status.Server   `json:"server"`
	Domains []status.Domain `json:"domains"`
}

func (o *statusOptions) overview(ctx context.Context, s Streams, client *status.Client) (err error) {
	var r statusReport
	if r.Server, err = client.Server(ctx); err != nil {
		return silent(err)
	}
	if r.Domains, err = client.Domains(ctx); err != nil {
		return silent(err)
	}
	if o.json {
		return s.printJSON(r)
	}
	unsigned := uint64(0)
	for _, n := range r.Server.UnsignedDay {
		unsigned += n
	}
	switch {
	case unsigned > 0:
		fmt.Fprintln(s.Out, words.English.Countf(int(unsigned), "%d message of our domains left unsigned in the last 24 hours",
			"%d messages of our domains left unsigned in the last 24 hours", "", unsigned))
		for _, reason := range slices.Sorted(maps.Keys(r.Server.UnsignedDay)) {
			fmt.Fprintf(s.Out, "  %s: %d\n", reason, r.Server.UnsignedDay[reason])
		}
	default:
		fmt.Fprintln(s.Out, "no mail of our domains left unsigned in the last 24 hours")
	}
	fmt.Fprintf(s.Out, "dojang %s, running since %s, configuration of %s\n", r.Server.Version,
		r.Server.Started.Local().Format(time.DateTime), r.Server.Loaded.Local().Format(time.DateTime))
	if l := r.Server.LastReload; l != nil && !l.OK {
		fmt.Fprintf(s.Out, "the reload at %s was refused:\n  %s\n", l.Time.Local().Format(time.DateTime), strings.Join(l.Problems, "\n  "))
	}
	t := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "domain\tsigned 24 h\tnot signed\tlast signed\tlast not signed")
	for _, d := range r.Domains {
		name, last, failed := d.Domain, "never", "-"
		if d.Other {
			name = "(others)"
		}
		if d.LastSigned != nil {
			last = d.LastSigned.Local().Format(time.DateTime)
		}
		if f := d.LastUnsigned; f != nil {
			failed = fmt.Sprintf("%s %s %s", f.Time.Local().Format(time.DateTime), f.QueueID, f.Reason)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", name, d.SignedDay, d.UnsignedDay, last, failed)
	}
	return t.Flush()
}
