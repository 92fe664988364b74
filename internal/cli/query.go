package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dojang/internal/app"
	"dojang/internal/config"
	"dojang/internal/dataset"
)

// query looks one key up and prints its values, one a line.
func query(ctx context.Context, s Streams, f *opendkimFlags, spec, key string, columns int) error {
	c, problems := f.load()
	if problems.HasErrors() {
		problems.Write(s.Err)
		return &exitError{code: exConfig}
	}
	set, err := openSet(ctx, c, spec)
	if err != nil {
		return exitf(exDataErr, "%s", err)
	}
	defer set.Close()
	values, err := set.Lookup(ctx, key, columns)
	switch {
	case errors.Is(err, dataset.ErrNotFound):
		return exitf(1, "no such key: %q", key)
	case dataset.IsTemporary(err):
		return exitf(exTempFail, "%s", err)
	case err != nil:
		return exitf(exDataErr, "%s", err)
	}
	for _, v := range values {
		fmt.Fprintln(s.Out, v)
	}
	return nil
}

func openSet(ctx context.Context, c *config.Config, spec string) (dataset.Set, error) {
	return dataset.Open(ctx, spec, dataset.Options{Openers: app.Openers(c)})
}

// classicQuery is `opendkim -Q`: it asks for a data set, then for "key/n" until
// the input ends.
func classicQuery(ctx context.Context, s Streams) int {
	in := bufio.NewScanner(s.In)
	in.Buffer(nil, 1<<20)
	fmt.Fprint(s.Out, "opendkim: enter data set description\n\tcsl:entry1[,entry2[,...]]\n\tfile:path\n\trefile:path\n\tdb:path\n\tdsn:<backend>://[user[:pwd]@][port+]host/dbase[/key=val[?...]]\n\tldap:<url>\n> ")
	if !in.Scan() {
		return exOK
	}
	set, err := openSet(ctx, config.New(), strings.TrimSpace(in.Text()))
	if err != nil {
		fmt.Fprintf(s.Err, "opendkim: %s: dkimf_db_open(): %s\n", in.Text(), err)
		return 1
	}
	defer set.Close()
	for {
		fmt.Fprint(s.Out, "opendkim: enter 'query/n' where 'n' is number of fields to request\n> ")
		if !in.Scan() {
			return exOK
		}
		queryOnce(ctx, s, set, in.Text())
	}
}

func queryOnce(ctx context.Context, s Streams, set dataset.Set, line string) {
	slash := strings.LastIndexByte(line, '/')
	n, err := strconv.Atoi(line[slash+1:])
	if slash < 0 || err != nil || n < 0 {
		fmt.Fprintf(s.Err, "opendkim: invalid query '%s'\n", line)
		return
	}
	values, err := set.Lookup(ctx, line[:slash], n)
	switch {
	case errors.Is(err, dataset.ErrNotFound):
		fmt.Fprintln(s.Out, "opendkim: dkimf_db_get(): record not found")
	case err != nil:
		fmt.Fprintf(s.Out, "opendkim: dkimf_db_get() returned -1: \"%s\"\n", err)
	default:
		for _, v := range values {
			fmt.Fprintf(s.Out, "'%s'\n", v)
		}
	}
}
