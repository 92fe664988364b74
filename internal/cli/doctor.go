package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dojang/dkim"
	"dojang/header"
	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/doctor"
	"dojang/internal/keystore"
	"dojang/internal/problem"
)

// doctorOptions are those of `dojang doctor`.
type doctorOptions struct {
	flags  opendkimFlags
	json   bool
	author string
	keys   int
	mta    doctor.Postfix
}

// doctorCommand is `dojang doctor`.
func doctorCommand(s Streams) *cobra.Command {
	o := &doctorOptions{}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong on this server, and what to type",
		Long: `Look at this server as a whole: configuration, tables and keys; each key file and
the folders above it, as the filter's user; keys against DNS; name servers; the
socket, as Postfix sees it; Postfix's milter settings; the clock; and a message
through the running filter, signed and verified.

What this machine lacks is left out and named. Exit status 0 when all is well, 1
when something deserves a look, 2 when something is broken. Run it as root: a
user may not see all that is to be seen.`,
		Example: `  dojang doctor
  dojang doctor --config /etc/opendkim.conf --author joe@example.com
  dojang doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			report := o.examine(c.Context())
			if err := o.print(s, report); err != nil {
				return err
			}
			switch report.Worst() {
			case doctor.Bad:
				return &exitError{code: 2}
			case doctor.Warning:
				return &exitError{code: 1}
			}
			return nil
		},
	}
	configFlag(c, &o.flags)
	c.Flags().BoolVar(&o.json, "json", false, "print the findings as JSON")
	c.Flags().StringVar(&o.author, "author", "", "author of the test message (default: somebody of the first domain that is signed)")
	c.Flags().IntVar(&o.keys, "keys", 20, "how many keys of the KeyTable to compare with DNS")
	return c
}

// examine makes every check that this machine allows, each for itself.
func (o *doctorOptions) examine(ctx context.Context) doctor.Report {
	var r doctor.Report
	c, problems := o.flags.load()
	if o.flags.configFile == "" {
		r.Add("configuration", doctor.Bad, "dojang up makes one to begin with; or name yours: --config FILE", "there is no configuration: %s is missing", defaultConfigFile)
		return r
	}
	if !problems.HasErrors() {
		problems = append(problems, build.Check(ctx, c)...)
	}
	o.configuration(&r, problems)
	account := o.account(c)
	targets := signingKeys(ctx, c)
	accounts, _ := keystore.ReadAccounts("", "")
	keys, _ := keystore.ToolOptions("")
	for _, t := range limit(targets, o.keys) {
		if at := keys.Locate(t.Key); at.Path != "" && !at.Credential {
			r.KeyFile(at.Path, account, accounts)
		}
	}
	o.published(ctx, &r, c, targets)
	sockets := c.Sockets()
	answers := false
	for i, s := range sockets {
		if up := r.Socket(s, postfixUser()); i == 0 {
			answers = up
		}
	}
	if len(sockets) == 0 {
		r.Add("socket", doctor.Bad, "write Socket inet:8891@localhost", "no Socket is set, so Postfix cannot reach the filter")
	}
	r.Postfix(ctx, o.mta, sockets)
	r.ForgedResults(ctx, o.mta, c, sockets)
	r.Clock()
	r.Hardened(c, account)
	if answers {
		o.testMessage(ctx, &r, c, sockets[0], targets)
	}
	return r
}

func (o *doctorOptions) configuration(r *doctor.Report, problems problem.List) {
	for _, p := range problems {
		status := doctor.Warning
		if p.Severity == problem.Error || p.Serious {
			status = doctor.Bad
		}
		r.Add("configuration", status, p.Hint, "%s", p.String())
	}
	if len(problems) == 0 {
		r.Add("configuration", doctor.Good, "", "%s, its tables and its keys", o.flags.configFile)
	}
}

// account is whom the filter runs as.
func (o *doctorOptions) account(c *config.Config) doctor.Person {
	spec := c.UserID.Value
	if spec == "" {
		spec = fmt.Sprint(os.Geteuid())
	}
	a, err := build.LookupAccount(spec)
	if err != nil {
		groups, _ := os.Getgroups()
		return doctor.Person{Name: fmt.Sprint(os.Geteuid()), UID: os.Geteuid(), Groups: groups}
	}
	return doctor.Person{Name: a.Name, UID: a.UID, Groups: a.Groups}
}

func postfixUser() *doctor.Person {
	a, err := build.LookupAccount("postfix")
	if err != nil {
		return nil
	}
	return &doctor.Person{Name: a.Name, UID: a.UID, Groups: a.Groups}
}

// signingKeys are the keys that the configuration signs with; none when their names
// are not known.
func signingKeys(ctx context.Context, c *config.Config) []keyRow {
	if table := c.KeyTable.Value; table != "" {
		t, err := openKeyTable(ctx, table, c)
		if err != nil {
			return nil
		}
		defer t.close()
		var rows []keyRow
		_ = t.rows(ctx, nil, func(string, string) {}, func(row keyRow) { rows = append(rows, row) })
		return rows
	}
	if domain := firstDomain(ctx, c); domain != "" && c.KeyFile.Value != "" {
		return []keyRow{singleKey(domain, c.Selector.Value, c.KeyFile.Value)}
	}
	return nil
}

func limit(rows []keyRow, n int) []keyRow { return rows[:min(len(rows), n)] }

// published compares keys with DNS, after the name servers themselves.
func (o *doctorOptions) published(ctx context.Context, r *doctor.Report, c *config.Config, targets []keyRow) {
	tester, err := newKeyTester(ctx, c.KeyTable.Value, c)
	if err != nil {
		r.Add("dns", doctor.Bad, "", "%s", err)
		return
	}
	defer tester.close()
	if dns := tester.checker.Resolver(); dns != nil {
		r.DNS(ctx, dns)
	}
	tester.diagnose = true
	tester.others = targets
	tester.testAll(ctx, limit(targets, o.keys), func(t keyRow, k keyReport) {
		if t.Domain == "%" {
			r.Add("dns", doctor.Skipped, "dojang testkey --domain DOMAIN --selector "+t.Selector, "'%s' is a key for any domain", t.name)
			return
		}
		if k.OK {
			r.Add("dns", doctor.Good, "", "%s is published and fits the private key", k.Record)
			return
		}
		text, remedy := k.Problem, "dojang testkey --domain "+t.Domain+" --selector "+t.Selector
		for _, f := range k.Faults {
			text += "; " + f.Text
			if f.Hint != "" {
				remedy = f.Hint
			}
		}
		r.Add("dns", doctor.Bad, remedy, "%s: %s", k.Record, text)
	})
	if len(targets) > o.keys {
		r.Add("dns", doctor.Skipped, fmt.Sprintf("dojang doctor --keys %d, or opendkim-testkey", len(targets)), "%d more keys were not compared with DNS", len(targets)-o.keys)
	}
}

// testMessage sends a message of somebody whose mail is signed.
func (o *doctorOptions) testMessage(ctx context.Context, r *doctor.Report, c *config.Config, socket config.Socket, targets []keyRow) {
	author := o.author
	if author == "" {
		author = someAuthor(ctx, c, targets)
	}
	if author == "" {
		r.Add("message", doctor.Skipped, "dojang doctor --author joe@example.com", "no author is known whose mail is signed")
		return
	}
	v, done, err := toolVerifier(ctx, c)
	if err != nil {
		r.Add("message", doctor.Skipped, "", "%s", err)
		return
	}
	defer done()
	r.Message(ctx, socket, author, func(ctx context.Context, fields *header.List, body []byte) []dkim.Result {
		return v.verify(ctx, dkim.VerifyOptions{Now: time.Now()}, fields, body) // as others would
	})
}

// someAuthor makes up an address that the SigningTable, or else Domain, holds.
func someAuthor(ctx context.Context, c *config.Config, targets []keyRow) string {
	if spec := c.SigningTable.Value; spec != "" {
		set, err := openSet(ctx, c, spec)
		if err != nil {
			return ""
		}
		defer set.Close()
		if local, ok := set.(dataset.Local); ok {
			if author := firstAuthor(ctx, local); author != "" {
				return author
			}
		}
	}
	for _, t := range targets {
		if t.Domain != "" && t.Domain != "%" {
			return "postmaster@" + t.Domain
		}
	}
	return ""
}

func firstAuthor(ctx context.Context, set dataset.Local) string {
	author := ""
	_ = set.Walk(ctx, func(e dataset.Entry) error {
		user, host, ok := strings.Cut(e.Key, "@")
		if !ok {
			user, host = "*", e.Key
		}
		host = strings.TrimPrefix(strings.TrimPrefix(host, "*"), ".")
		if host == "" || strings.ContainsAny(host, "*") || strings.ContainsAny(strings.Trim(user, "*"), "*") {
			return nil
		}
		if user = strings.Trim(user, "*"); user == "" {
			user = "postmaster"
		}
		author = user + "@" + host
		return errors.New("found") // ends the walk
	})
	return author
}

// print writes the findings: coloured words on a terminal, JSON when asked for.
func (o *doctorOptions) print(s Streams, r doctor.Report) error {
	if o.json {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		if err := e.Encode(map[string]any{"status": r.Worst(), "findings": r}); err != nil {
			return exitf(exIOErr, "%s", err)
		}
		return nil
	}
	colour := colours(s.Out)
	for _, f := range r {
		fmt.Fprintf(s.Out, "%s %-13s %s\n", colour(f.Status), f.Check, f.Text)
		if f.Remedy != "" {
			fmt.Fprintf(s.Out, "%8s%-13s -> %s\n", "", "", f.Remedy)
		}
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
