package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// tableOptions say what becomes of a new key's KeyTable and SigningTable rows.
type tableOptions struct {
	show, append           bool
	keyTable, signingTable string // data set names: file:, refile: or a bare path
	config                 string // where they are looked up when not named
}

func (t *tableOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&t.show, "tables", false, "print the KeyTable and SigningTable rows of the new key")
	f.BoolVar(&t.append, "append", false, "with --tables: append the rows to the two tables")
	f.StringVar(&t.keyTable, "key-table", "", "KeyTable to append to (the configuration's)")
	f.StringVar(&t.signingTable, "signing-table", "", "SigningTable to append to; refile: for one of patterns (the configuration's)")
	f.StringVarP(&t.config, "config", "x", "", "configuration file ("+defaultConfigFile+")")
}

// tableRow is one row and the data set it belongs to.
type tableRow struct {
	table string // "KeyTable" or "SigningTable"
	file  string // path, "" when not to be appended
	key   string
	value string
}

func (r tableRow) String() string { return r.key + " " + r.value }

func (t *tableOptions) check() error {
	if !t.append {
		return nil
	}
	if !t.show {
		return exitf(exUsage, "--append goes with --tables")
	}
	if err := t.fromConfig(); err != nil {
		return err
	}
	for _, name := range []string{t.keyTable, t.signingTable} {
		if _, ok := tableFile(name); !ok {
			return exitf(exUsage, "%s: rows can be appended to a file only (file:PATH or refile:PATH): add them there by its own means, --tables alone prints them", name)
		}
	}
	return nil
}

// fromConfig takes the tables not named from the configuration.
func (t *tableOptions) fromConfig() error {
	if t.keyTable != "" && t.signingTable != "" {
		return nil
	}
	cfg, err := toolConfig(t.config)
	if err != nil {
		return err
	}
	if t.keyTable == "" {
		t.keyTable = cfg.KeyTable.Value
	}
	if t.signingTable == "" {
		t.signingTable = cfg.SigningTable.Value
	}
	if t.keyTable == "" || t.signingTable == "" {
		return exitf(exUsage, "--append: to which tables? The configuration names none: give --key-table FILE and --signing-table FILE")
	}
	return nil
}

// tableFile is the path of a data set that is a text file.
func tableFile(name string) (string, bool) {
	for _, prefix := range []string{"refile:", "file:"} {
		if path, ok := strings.CutPrefix(name, prefix); ok {
			return path, true
		}
	}
	kind, _, hasKind := strings.Cut(name, ":")
	if hasKind && !strings.Contains(kind, "/") || strings.HasSuffix(name, ".db") {
		return "", false
	}
	return name, true
}

// rows are what the new keys need in the two tables. The SigningTable's is a
// pattern when the table is one of patterns, which is also what is printed when
// no table is named.
func (o *genkeyOptions) rows(plan []plannedKey) []tableRow {
	if !o.tables.show {
		return nil
	}
	keyFile, _ := tableFile(o.tables.keyTable)
	signingFile, _ := tableFile(o.tables.signingTable)
	sender := "*@" + o.domain
	if o.tables.signingTable != "" && !strings.HasPrefix(o.tables.signingTable, "refile:") {
		sender = o.domain
	}
	var rows []tableRow
	for _, p := range plan {
		path, err := filepath.Abs(p.private)
		if err != nil {
			path = p.private
		}
		name := p.selector + "._domainkey." + o.domain
		rows = append(rows,
			tableRow{"KeyTable", keyFile, name, o.domain + ":" + p.selector + ":" + path},
			tableRow{"SigningTable", signingFile, sender, name})
	}
	return rows
}

// checkAppend refuses, before a key is made, what would make the tables wrong.
func (t *tableOptions) checkAppend(rows []tableRow) error {
	for _, r := range rows {
		if r.table != "KeyTable" {
			continue
		}
		found, line, err := findRow(r)
		if err != nil {
			return err
		}
		if line > 0 && found != r.value {
			return exitf(exConfig, "%s:%d: KeyTable: %s is there already with another key (%.200q): choose another --selector or remove that row", r.file, line, r.key, found)
		}
	}
	return nil
}

// findRow looks for the row's key (and in a SigningTable its value too): its
// value and line, or line 0. A file that is not there has no rows.
func findRow(r tableRow) (value string, line int, err error) {
	f, err := os.Open(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, exitf(exNoInput, "%s: %w", r.table, err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 || !strings.EqualFold(fields[0], r.key) {
			continue
		}
		value := strings.Join(fields[1:], " ")
		if r.table == "KeyTable" || value == r.value {
			return value, n, nil
		}
	}
	if err := sc.Err(); err != nil {
		return "", 0, exitf(exNoInput, "%s: %s: %w", r.table, r.file, err)
	}
	return "", 0, nil
}

// finish prints the rows on out, or appends those that are not there yet.
func (t *tableOptions) finish(s Streams, rows []tableRow, out io.Writer) error {
	if len(rows) > 2 {
		fmt.Fprintln(s.Err, "two keys for one sender: set `MultipleSignatures yes` in opendkim.conf to sign with both")
	}
	for _, r := range rows {
		if !t.append {
			fmt.Fprintf(out, "# %s\n%s\n", r.table, r)
			continue
		}
		_, line, err := findRow(r)
		if err != nil {
			return err
		}
		if line > 0 {
			fmt.Fprintf(s.Err, "%s:%d: %s: the row is there already\n", r.file, line, r.table)
			continue
		}
		if err := appendRow(r); err != nil {
			return err
		}
		fmt.Fprintf(s.Err, "%s: %s: added %q\n", r.file, r.table, r.String())
	}
	if t.append {
		fmt.Fprintln(s.Err, "publish the record, check it with `dojang testkey`, then reload the filter")
	}
	return nil
}

// appendRow writes the row with one write, on a line of its own even where the
// file's last line lacks its end.
func appendRow(r tableRow) error {
	fail := func(err error) error { return exitf(exIOErr, "%s: %w", r.table, err) }
	f, err := os.OpenFile(r.file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return exitf(exCantCreate, "%s: %w", r.table, err)
	}
	defer f.Close()
	text := r.String() + "\n"
	if info, err := f.Stat(); err != nil {
		return fail(err)
	} else if info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return fail(err)
		}
		if last[0] != '\n' {
			text = "\n" + text
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return fail(err)
	}
	if err := f.Close(); err != nil {
		return fail(err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
