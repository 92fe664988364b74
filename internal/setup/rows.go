package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"dojang/internal/build"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keytable"
)

// Tables say what becomes of a new key's KeyTable and SigningTable rows.
type Tables struct {
	Show, Append           bool
	KeyTable, SigningTable string // data set names: file:, refile: or a bare path
	Config                 string // where they are looked up when not named
	multiple               bool   // the configuration's MultipleSignatures
}

// tableRow is one row for one of the two tables.
type tableRow struct {
	option string // "KeyTable" or "SigningTable"
	table  dataset.TextTable
	dataset.Pair
}

func (r tableRow) String() string { return r.Key + " " + r.Value }

func (t *Tables) check() error {
	if !t.Append {
		return nil
	}
	if !t.Show {
		return exit.Errorf(exit.Usage, "--append goes with --tables")
	}
	for _, name := range []*string{&t.KeyTable, &t.SigningTable} {
		if *name != "" && !strings.Contains(*name, ":") {
			*name = "file:" + *name // a flag's text is a path, a configuration's may be a list
		}
	}
	if err := t.fromConfig(); err != nil {
		return err
	}
	for _, name := range []string{t.KeyTable, t.SigningTable} {
		if _, ok := dataset.TextTableOf(name); !ok {
			return exit.Errorf(exit.Usage, "%s: rows can be appended to a file only (file:PATH or refile:PATH): add them "+
				"there by its own means, --tables alone prints them", name)
		}
	}
	return nil
}

// fromConfig takes the tables not named from the configuration.
func (t *Tables) fromConfig() error {
	cfg, err := build.ToolConfig(t.Config)
	if err != nil {
		return err
	}
	t.multiple = cfg.MultipleSignatures.Value
	if t.KeyTable == "" {
		t.KeyTable = cfg.KeyTable.Value
	}
	if t.SigningTable == "" {
		t.SigningTable = cfg.SigningTable.Value
	}
	if t.KeyTable == "" || t.SigningTable == "" {
		return exit.Errorf(exit.Usage,
			"--append: to which tables? The configuration names none: give --key-table FILE and --signing-table FILE")
	}
	return nil
}

// rows are what the new keys need in the two tables. The SigningTable's is a
// pattern when the table is one of patterns, which is also what is printed when
// no table is named; in any other a sender has one row, for all its keys.
func (o *Keys) rows(plan []plannedKey) []tableRow {
	if !o.Tables.Show {
		return nil
	}
	keyTable, _ := dataset.TextTableOf(o.Tables.KeyTable)
	signingTable, _ := dataset.TextTableOf(o.Tables.SigningTable)
	patterns := o.Tables.SigningTable == "" || signingTable.Patterns
	var rows []tableRow
	var names []string
	for _, p := range plan {
		path, err := filepath.Abs(p.private)
		if err != nil {
			path = p.private
		}
		name := p.selector + "._domainkey." + o.Domain
		names = append(names, name)
		rows = append(rows, tableRow{"KeyTable", keyTable, dataset.Pair{Key: name, Value: o.Domain + ":" + p.selector + ":" + path}})
		if patterns {
			rows = append(rows, tableRow{"SigningTable", signingTable, dataset.Pair{Key: "*@" + o.Domain, Value: name}})
		}
	}
	if !patterns {
		rows = append(rows, tableRow{"SigningTable", signingTable, dataset.Pair{Key: o.Domain, Value: strings.Join(names, ",")}})
	}
	return rows
}

// checkAppend refuses, before a key is made, what would make the tables wrong: a
// name with another key, and a row that one above it hides.
func (t *Tables) checkAppend(ctx context.Context, rows []tableRow) error {
	for _, r := range rows {
		there, err := r.line()
		if err != nil {
			return err
		}
		if there > 0 {
			continue
		}
		if r.option == "KeyTable" {
			if values, lines, _ := r.table.Find(r.Key); len(lines) > 0 {
				return exit.Errorf(exit.Config,
					"%s:%d: KeyTable: %s is there already with another key (%.200q): choose another --selector or remove that row",
					r.table.Path, lines[0], r.Key, values[0])
			}
			continue
		}
		if strings.Contains(r.Value, ",") && !t.multiple {
			return exit.Errorf(exit.Config,
				"%s: SigningTable: a row of a table without patterns names two keys only where the configuration has "+
					"`MultipleSignatures yes`: set it first, or use a refile: table", r.table.Path)
		}
		lint := dataset.Lint{Option: r.option, AllMatches: t.multiple}
		found, err := r.table.Preview(ctx, r.Pair, dataset.Options{FoldCase: true}, lint.SigningTable)
		if err != nil {
			return exit.Errorf(exit.NoInput, "%s: %w", r.option, err)
		}
		if len(found) > 0 {
			return exit.Errorf(exit.Config, "%s: SigningTable: the row for the new key would never be used: %s\n"+
				"no key was made; give the domain's row there the new name once its record is published, "+
				"or set `MultipleSignatures yes` to sign with both keys (in a refile: table)", r.table.Path, found[0].Text)
		}
	}
	return nil
}

// line is where a table has a row already, 0 where it has not.
func (r tableRow) line() (int, error) {
	values, lines, err := r.table.Find(r.Key)
	if err != nil {
		return 0, exit.Errorf(exit.NoInput, "%s: %w", r.option, err)
	}
	if i := slices.Index(values, r.Value); i >= 0 {
		return lines[i], nil
	}
	return 0, nil
}

// finish prints the rows on out, or appends those that are not there yet.
func (t *Tables) finish(errs io.Writer, rows []tableRow, out io.Writer) error {
	if len(rows) > 2 {
		fmt.Fprintln(errs, "two keys for one sender: set `MultipleSignatures yes` in opendkim.conf to sign with both")
	}
	for _, r := range rows {
		if !t.Append {
			fmt.Fprintf(out, "# %s\n%s\n", r.option, r)
			continue
		}
		line, err := r.line()
		if err != nil {
			return err
		}
		if line > 0 {
			fmt.Fprintf(errs, "%s:%d: %s: the row is there already\n", r.table.Path, line, r.option)
			continue
		}
		if err := r.table.Append(r.Pair); err != nil {
			return exit.Errorf(exit.CantCreate, "%s: %w", r.option, err)
		}
		fmt.Fprintf(errs, "%s: %s: added %q\n", r.table.Path, r.option, r.String())
	}
	if t.Append {
		fmt.Fprintln(errs, "publish the record, check it with `dojang testkey`, then reload the filter")
	}
	return nil
}

// keyUsers are the domains that sign with the key that is about to be replaced:
// by the configuration's KeyTable, or else by the record beside the key.
func keyUsers(ctx context.Context, configFile string, p plannedKey) []string {
	var domains []string
	if cfg, err := build.ToolConfig(configFile); err == nil {
		domains = keytable.Users(ctx, cfg, p.private)
	}
	if record, err := os.ReadFile(p.text); len(domains) == 0 && err == nil {
		for _, m := range recordOwner.FindAllStringSubmatch(string(record), -1) {
			if domain := strings.TrimSuffix(m[1]+m[2], "."); !slices.Contains(domains, domain) {
				domains = append(domains, domain)
			}
		}
	}
	return domains
}

// recordOwner finds the domain in every form of a record that names one.
var recordOwner = regexp.MustCompile(`(?:DKIM key \S+ for|replace-rrset) (\S+)|\._domainkey\.([A-Za-z0-9.-]*[A-Za-z0-9])`)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
