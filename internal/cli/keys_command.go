package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dojang/internal/exit"
	"dojang/internal/problem"
	"dojang/internal/rotate"
)

// keysCommand is `dojang keys`.
func keysCommand(s Streams) *cobra.Command {
	o := &rotating{}
	var state string
	c := &cobra.Command{
		Use:   "keys [DOMAIN]",
		Short: "List keys: their age, state, last signature, and what comes next",
		Long: `List every key: domain, selector, algorithm and bits, age, state, when each host
signed with it last, and what comes next and when. Keys that nobody adopted are
"unmanaged".`,
		Example: "  dojang keys\n  dojang keys adopt --all\n  dojang keys --json --state blocked | jq",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			domain := ""
			if len(args) > 0 {
				domain = args[0]
			}
			if state != "" && !slices.Contains(rotate.States(), rotate.State(state)) {
				return exit.Errorf(exit.Usage, "--state: %s is none of %v", problem.Quote(state), rotate.States())
			}
			ro := *o
			ro.ReadOnly = true
			return ro.with(c.Context(), s, func(r *rotate.Rotator) error {
				items, err := r.List(c.Context(), domain)
				if err != nil {
					return exit.Errorf(exit.Unavailable, "%w", err)
				}
				kept := []rotate.Item{}
				for _, it := range items {
					if state == "" || string(it.State) == state {
						kept = append(kept, it)
					}
				}
				if o.json {
					return s.printJSON(kept)
				}
				return printKeys(s, kept)
			})
		},
	}
	settingsFlags(c.PersistentFlags(), &o.Options)
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	c.Flags().StringVar(&state, "state", "", "only keys in this state")
	c.AddCommand(keysAdopt(s, o), keysAdd(s, o), keysRetire(s, o))
	return c
}

func printKeys(s Streams, items []rotate.Item) error {
	t := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "domain\tselector\tkey\tage\tstate\tlast signed\tnext")
	for _, it := range items {
		key := it.Algorithm
		if it.Bits > 0 && it.Algorithm == "rsa" {
			key = fmt.Sprintf("rsa %d", it.Bits)
		}
		age := "-"
		if it.Created != nil {
			age = sinceWords(*it.Created)
		}
		last := "-"
		for host, at := range it.LastSigned {
			if at == nil {
				continue
			}
			last = sinceWords(*at) + " ago"
			if len(it.LastSigned) > 1 {
				last += " (" + host + ")"
			}
		}
		next := it.Next
		if it.NextAt != nil {
			next += " " + it.NextAt.Local().Format("2006-01-02 15:04")
		}
		if it.Detail != "" {
			next = strings.TrimSpace(string(it.Reason) + " " + it.Detail)
		}
		if it.Stopped {
			next += " (stopped)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", it.Domain, it.Selector, key, age, it.State, last, next)
	}
	return t.Flush()
}

// sinceWords is an age in one unit.
func sinceWords(at time.Time) string {
	d := time.Since(at)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

func keysAdopt(s Streams, o *rotating) *cobra.Command {
	var all bool
	var created string
	c := &cobra.Command{
		Use:   "adopt DOMAIN...|--all",
		Short: "Take keys into rotation; nothing is changed",
		Long: `Take the keys of the tables into rotation. A record becomes ours when every name
server has it and it equals the key in the table. Nothing is changed.`,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return exit.Errorf(exit.Usage, "name domains, or --all")
			}
			var at time.Time
			if created != "" {
				var err error
				if at, err = time.ParseInLocation(time.DateOnly, created, time.Local); err != nil {
					return exit.Errorf(exit.Usage, "--created: write a date like 2026-01-31")
				}
			}
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				list, err := r.Adopt(c.Context(), at, args...)
				if err != nil {
					return exit.Errorf(exit.Unavailable, "%w", err)
				}
				return printAdopted(s, list)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every domain")
	c.Flags().StringVar(&created, "created", "", "when the keys were made (default: the time of their files)")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be adopted")
	return c
}

func printAdopted(s Streams, list []rotate.Adopted) error {
	bad := 0
	for _, a := range list {
		if !a.OK {
			bad++
			fmt.Fprintf(s.Out, "%s: not adopted: %s: %s\n", a.Name, a.Reason, a.Detail)
			continue
		}
		for _, k := range a.Keys {
			kind := k.Type
			if k.Type == "rsa" {
				kind = fmt.Sprintf("rsa %d", k.Bits)
			}
			word := "adopted"
			if a.Before {
				word = "in rotation already"
			}
			fmt.Fprintf(s.Out, "%s: %s: %s (%s), made %s, due %s\n", a.Name, word, k.Selector, kind,
				a.Since.Local().Format(time.DateOnly), a.Due.Local().Format(time.DateOnly))
		}
	}
	if bad > 0 {
		return exit.Silent(exit.Unavailable)
	}
	return nil
}

func keysAdd(s Streams, o *rotating) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "add DOMAIN",
		Short: "Give a new domain its keys: made, published, proven, and only then signed with",
		Long: `Make keys for a new domain, publish their records, prove them at every name
server, write the rows of KeyTable and SigningTable, and only then sign. What must
be waited for, the timer goes on with (dojang rotate run).`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				return rotationResult(r.Add(c.Context(), args[0], folder))
			})
		},
	}
	c.Flags().StringVar(&folder, "folder", "", "folder for key files (default: that of most keys of the table)")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done, and change nothing")
	return c
}

func keysRetire(s Streams, o *rotating) *cobra.Command {
	return &cobra.Command{
		Use:   "retire DOMAIN",
		Short: "Stop signing for a domain that leaves: its rows at once, its records when no mail needs them",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), s, func(r *rotate.Rotator) error {
				return rotationResult(r.Retire(c.Context(), args[0]))
			})
		},
	}
}
