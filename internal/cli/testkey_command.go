package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dojang/internal/build"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/keytable"
	"dojang/internal/words"
)

// modernTestkeyOptions are those of `dojang testkey`.
type modernTestkeyOptions struct {
	table                     string
	domain, selector, keyPath string
	config                    string
	names                     []string // of rows
	ignoreServers             []string
	noServers, json           bool
}

// testkeyCommand is `dojang testkey`.
func testkeyCommand(s Streams) *cobra.Command {
	var o modernTestkeyOptions
	c := &cobra.Command{
		Use:   "testkey [KEYTABLE [NAME...]] [flags]",
		Short: "Check keys against what DNS publishes",
		Long: `Check that each key's DNS record is there, that verifiers can use it, and that
it is the public half of the private key: for one key (--domain, --selector), or
for every key of a KeyTable, the configuration's unless one is named. Any type of
data set will do; one that cannot list its rows is asked for the names given
behind it, or for those of the SigningTable.

What is wrong is told by name: a record one label off, several records, quotes
or backslashes inside, a key cut at 255 characters, h=rsa-sha256, v= not first,
a CNAME loop, the key of another selector, and so on. Every authoritative name
server is asked at every address, so that one with an old record is found before
a receiver does; the resolver is asked last, when all have the record, so that no
cache learns that there is none.

A key that is "not protected by DNSSEC" is no fault: most zones are not signed.

The exit status is 0 when every key is right and 69 when one fails.`,
		Example: `  dojang testkey
  dojang testkey --domain example.com --selector mail2026 --key /etc/opendkim/keys/mail2026.private
  dojang testkey refile:/etc/opendkim/KeyTable --domain example.com
  dojang testkey --json | jq '.keys[] | select(.ok | not)'`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.table, o.names = args[0], args[1:]
			}
			return runTestkey(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.domain, "domain", "d", "", "domain that signs; with a KeyTable, check only its keys")
	f.StringVarP(&o.selector, "selector", "s", "", "selector of the key")
	f.StringVarP(&o.keyPath, "key", "k", "", "private key the record must fit")
	configFlag(f, &o.config, "c")
	f.BoolVar(&o.noServers, "no-servers", false, "do not ask the authoritative name servers")
	f.StringSliceVar(&o.ignoreServers, "ignore-server", nil, "name or address of a name server whose answers do not count")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func runTestkey(ctx context.Context, s Streams, o modernTestkeyOptions) error {
	cfg, err := build.ToolConfig(o.config)
	if err != nil {
		return err
	}
	table := cmp.Or(o.table, cfg.KeyTable.Value)
	if o.selector != "" {
		table = ""
	}
	tester, err := keytable.NewTester(ctx, table, cfg)
	if err != nil {
		return err
	}
	defer tester.Close()
	tester.Diagnose, tester.Servers, tester.Ignore = true, !o.noServers, o.ignoreServers
	targets, malformed, err := o.targets(ctx, s, tester)
	if err != nil {
		return err
	}
	tester.Others = targets
	report := testkeyReport{Keys: []keytable.Report{}, Failed: malformed}
	shown := s.progress("keys compared with DNS", len(targets))
	tester.TestAll(ctx, targets, func(_ keytable.Row, r keytable.Report) {
		shown.step()
		if r.OK {
			report.Passed++
		} else {
			report.Failed++
		}
		report.Keys = append(report.Keys, r)
		if !o.json {
			shown.end() // the line is the report's now
			r.Print(s.Out)
		}
	})
	shown.end()
	if o.json {
		if err := s.printJSON(report); err != nil {
			return err
		}
	} else if len(targets) != 1 {
		fmt.Fprintf(s.Out, "%s: %d right, %d failed\n", words.Count(report.Passed+report.Failed, "key"), report.Passed, report.Failed)
	}
	if report.Failed > 0 {
		return exit.Silent(exit.Unavailable)
	}
	return nil
}

// testkeyReport is the JSON form of all reports.
type testkeyReport struct {
	Passed int               `json:"passed"`
	Failed int               `json:"failed"` // malformed rows included
	Keys   []keytable.Report `json:"keys"`
}

// targets are the keys asked for, and the number of malformed rows.
func (o modernTestkeyOptions) targets(ctx context.Context, s Streams, k *keytable.Tester) ([]keytable.Row, int, error) {
	if o.keyPath != "" && o.selector == "" {
		return nil, 0, exit.Errorf(exit.Usage, "--key goes with --domain and --selector")
	}
	if !k.HasTable() {
		domain := o.domain
		if domain == "" {
			domain = keytable.FirstDomain(ctx, k.Config)
		}
		selector, key := cmp.Or(o.selector, k.Config.Selector.Value), cmp.Or(o.keyPath, k.Config.KeyFile.Value)
		switch {
		case o.selector != "" && domain == "":
			return nil, 0, exit.Errorf(exit.Usage, "--selector goes with --domain")
		case o.selector != "":
			key = o.keyPath
		case domain == "" || selector == "":
			return nil, 0, exit.Errorf(exit.Usage,
				"which key? give --domain and --selector, a KeyTable, or a configuration that has them (-x FILE)")
		}
		return []keytable.Row{keytable.Single(domain, selector, key)}, 0, nil
	}
	malformed := 0
	var targets []keytable.Row
	err := k.Rows(ctx, o.names, func(place, text string) {
		malformed++
		fmt.Fprintf(s.Err, "%s: %s\n", place, text)
	}, func(row keytable.Row) {
		switch {
		case row.Domain == "%" && o.domain != "":
			row.Domain = o.domain
		case row.Domain == "%":
			fmt.Fprintf(s.Err, "%s: '%s' is a key for any domain: name one with --domain to check it\n", row.Place, row.Name)
			return
		case o.domain != "" && !keycheck.SameDomain(row.Domain, o.domain):
			return
		}
		targets = append(targets, row)
	})
	if err != nil {
		return nil, 0, exit.Errorf(exit.Config, "KeyTable: %w", err)
	}
	return targets, malformed, nil
}
