package cli

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/exit"
	"dojang/internal/keycheck"
	"dojang/internal/problem"
)

// queryCommand is `dojang query`.
func queryCommand(s Streams) *cobra.Command {
	f := &config.Source{}
	columns := 1
	c := &cobra.Command{
		Use: "query DATASET KEY", Short: "Look a key up in a data set",
		Long: `Look a key up in a data set of any type, as the filter would: DATASET is what an
option like SigningTable holds. Exit status 1 when there is no such key, 75 when
the data set cannot be asked.`,
		Example: `  dojang query refile:/etc/opendkim/SigningTable joe@example.com
  dojang query --columns 3 dsn:pgsql://u:p@5432+db/mail/table=keys?keycol=name?datacol=domain,selector,key mail`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return query(c.Context(), s, f, args[0], args[1], columns)
		},
	}
	c.Flags().IntVarP(&columns, "columns", "n", columns, "how many values to fetch")
	configFlag(c.Flags(), &f.File, "c")
	return c
}

// query looks one key up and prints its values, one a line.
func query(ctx context.Context, s Streams, f *config.Source, spec, key string, columns int) error {
	if columns < 1 {
		return exit.Errorf(exit.Usage, "--columns %d: at least 1 is needed", columns)
	}
	c, problems := f.Load()
	if problems.HasErrors() {
		problems.Write(s.Err)
		return exit.Silent(exit.Config)
	}
	set, err := build.OpenSet(ctx, c, spec)
	var values []string
	if err == nil {
		defer set.Close()
		values, err = set.Lookup(ctx, key, columns)
	}
	switch {
	case errors.Is(err, dataset.ErrNotFound):
		return exit.Errorf(1, "no such key: %q", key)
	case dataset.IsTemporary(err):
		return exit.Errorf(exit.TempFail, "%s", withHint(err))
	case err != nil:
		return exit.Errorf(exit.DataErr, "%s", withHint(err))
	}
	for _, v := range values {
		fmt.Fprintln(s.Out, withoutKey(v))
	}
	return nil
}

// withoutKey is a value of a data set as it may be shown: a private key, which tables may
// hold in place of a path, stays where it is.
func withoutKey(value string) string {
	if seed, err := base64.StdEncoding.DecodeString(value); err == nil && len(seed) == ed25519.SeedSize || keycheck.HoldsPrivateKey(value) {
		return problem.Redacted
	}
	return value
}

// withHint is what is wrong with a data set and, on the next line, what to type.
func withHint(err error) string {
	var set *dataset.Error
	if errors.As(err, &set) && set.Hint != "" {
		return err.Error() + "\n    hint: " + set.Hint
	}
	return err.Error()
}

// classicQuery is `opendkim -Q`: it reads a data set and lines "key/n" from standard
// input, as many as come, and asks for them when that is a terminal.
func classicQuery(ctx context.Context, s Streams) int {
	in := bufio.NewScanner(s.In)
	in.Buffer(nil, 1<<20)
	spec, ok := ask(s, in, "enter data set description")
	if !ok {
		return exit.OSErr
	}
	set, err := build.OpenSet(ctx, config.New(), spec)
	if err != nil {
		fmt.Fprintf(s.Err, "opendkim: %s: dkimf_db_open(): %s\n", spec, err)
		return exit.Software
	}
	defer set.Close()
	for {
		line, ok := ask(s, in, "enter 'query/n' where 'n' is number of fields to request")
		switch {
		case !ok:
			fmt.Fprintln(s.Out)
			return exit.OK
		case line == "":
			continue
		}
		if code := queryOnce(ctx, s, set, line); code != exit.OK {
			return code
		}
	}
}

func ask(s Streams, in *bufio.Scanner, what string) (string, bool) {
	if f, ok := s.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(s.Out, "opendkim: %s\n> ", what)
	}
	ok := in.Scan()
	return strings.TrimSpace(in.Text()), ok
}

func queryOnce(ctx context.Context, s Streams, set dataset.Set, line string) int {
	slash := strings.LastIndexByte(line, '/')
	n, err := strconv.Atoi(strings.TrimSpace(line[slash+1:]))
	if slash < 0 || err != nil || n < 0 {
		fmt.Fprintf(s.Err, "opendkim: invalid query '%s'\n", line)
		return exit.Usage
	}
	values, err := set.Lookup(ctx, line[:slash], n)
	switch {
	case errors.Is(err, dataset.ErrNotFound):
		fmt.Fprintln(s.Out, "opendkim: dkimf_db_get(): record not found")
	case err != nil:
		fmt.Fprintf(s.Err, "opendkim: dkimf_db_get() returned -1: \"%s\"\n", err)
	}
	for _, v := range values {
		fmt.Fprintf(s.Out, "'%s'\n", withoutKey(v))
	}
	return exit.OK
}
