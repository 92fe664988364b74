package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/exit"
	"dojang/internal/keystore"
	"dojang/internal/migrate"
	"dojang/internal/problem"
)

// importOptions are those of `dojang import`.
type importOptions struct {
	source                 config.Source
	from, file, to         string
	keyTable, signingTable string
	base, directory        string
	dryRun, paths, replace bool
	wrap                   []string // age recipients
	multiple               bool     // some author has several keys
	keys                   keystore.Options
}

// importCommand is `dojang import`.
func importCommand(s Streams) *cobra.Command {
	o := &importOptions{}
	c := &cobra.Command{
		Use:   "import --to TARGET",
		Short: "Move signing tables and keys into a database, or in from another filter",
		Long: `Read a KeyTable and a SigningTable (of the configuration, or named by flags), or
another filter's configuration, and write them elsewhere:

  --to sql, ldif, redis   a script for psql, mariadb, sqlite3, ldapadd or redis-cli,
                          on standard output
  --to dsn:...            into that database: dsn:pgsql://user:pwd@5432+host/mail
  --to redis://...        into that Redis; redis+cluster: and redis+sentinel: too
  --to files              KeyTable and SigningTable in the folder --directory

The private keys themselves go into the database; --paths keeps their paths there
instead. Afterwards it prints the lines for opendkim.conf. With --dry-run nothing
is written anywhere: it tells what would be.

Importing again adds the rows that are new and counts those that are there. Where a
row is there with other values, nothing is written and the row is told; --replace
writes over it. Rows that are only in the database stay. Wrapped keys cannot be
compared: they count as changed.

The scripts for SQL and Redis write over rows with --replace alone. That for LDAP
adds entries, and with --replace changes them: give "ldapadd -c" the one without,
then ldapmodify the one with it.

--from rspamd reads dkim_signing.conf, --from dkimpy-milter its configuration
file, --from amavis what "amavisd showkeys" prints, each from --file or standard
input.`,
		Example: `  dojang import --to dsn:pgsql://dkim:secret@5432+db.example.com/mail --dry-run
  dojang import --to sql | psql mail
  dojang import --from rspamd --file /etc/rspamd/local.d/dkim_signing.conf --to files --directory /etc/opendkim
  amavisd showkeys | dojang import --from amavis --to files --directory /etc/opendkim`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), s) },
	}
	f := c.Flags()
	configFlag(c.Flags(), &o.source.File, "c")
	f.StringVar(&o.from, "from", "", "rspamd, dkimpy-milter or amavis (default: the configuration's tables)")
	f.StringVar(&o.file, "file", "", "file to read with --from (default: standard input)")
	f.StringVar(&o.keyTable, "key-table", "", "KeyTable to read in place of the configuration's")
	f.StringVar(&o.signingTable, "signing-table", "", "SigningTable to read in place of the configuration's")
	f.StringVar(&o.to, "to", "", "sql, ldif, redis, files, or the dsn: or redis: URL of a database")
	f.StringVar(&o.base, "base", "ou=dkim,dc=example,dc=com", "for ldif: the entry below which keys go")
	f.StringVar(&o.directory, "directory", ".", "for files: the folder to write to")
	f.BoolVar(&o.dryRun, "dry-run", false, "tell what would be done, and do nothing")
	f.BoolVar(&o.replace, "replace", false, "write over rows that are there with other values")
	f.StringSliceVar(&o.wrap, "wrap", nil,
		"wrap each key for this age recipient (age1...), so that the database alone cannot sign; KeyIdentities opens them")
	f.BoolVar(&o.paths, "paths", false, "keep the paths of keys instead of the keys")
	return c
}

func (o *importOptions) run(ctx context.Context, s Streams) error {
	if o.replace && o.to == "files" {
		return exit.Errorf(exit.Usage, "--replace is for databases and scripts: move KeyTable and SigningTable away instead")
	}
	if len(o.wrap) > 0 {
		if o.paths {
			return exit.Errorf(exit.Usage, "--wrap is for keys that go into the tables: leave --paths away")
		}
		if _, err := keystore.Wrap(nil, o.wrap...); err != nil {
			return exit.Errorf(exit.Usage, "--wrap: %s", err)
		}
	}
	tables, problems, err := o.read(ctx, s)
	if err != nil {
		return err
	}
	if !o.paths && o.to != "files" || len(o.wrap) > 0 {
		shown := s.progress("keys read", len(tables.Keys))
		loaded := tables.LoadKeys(o.keys, o.wrap, shown.at)
		shown.end()
		problems = append(problems, loaded...)
	}
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exit.Errorf(exit.DataErr, "nothing was written: mend the rows above, or take them out")
	}
	o.multiple = tables.Multiple()
	return o.write(ctx, s, tables)
}

// read gets the tables from the configuration, from flags, or from another filter.
func (o *importOptions) read(ctx context.Context, s Streams) (migrate.Tables, problem.List, error) {
	if o.from == "" {
		return o.readSets(ctx, s)
	}
	in := s.In
	if o.file != "" {
		f, err := os.Open(o.file)
		if err != nil {
			return migrate.Tables{}, nil, exit.Errorf(exit.NoInput, "%s", err)
		}
		defer f.Close()
		in = f
	}
	var t migrate.Tables
	var found problem.List
	var err error
	switch o.from {
	case "rspamd":
		t, found, err = migrate.FromRspamd(in, migrate.Files{})
	case "dkimpy-milter", "dkimpy":
		t, err = migrate.FromDkimpy(in)
	case "amavis":
		t, err = migrate.FromAmavis(in)
	default:
		return t, nil, exit.Errorf(exit.Usage, "--from is rspamd, dkimpy-milter or amavis, not %q", o.from)
	}
	if err != nil {
		return t, nil, exit.Errorf(exit.DataErr, "%s: %s", o.from, err)
	}
	return t, found, nil
}

func (o *importOptions) readSets(ctx context.Context, s Streams) (migrate.Tables, problem.List, error) {
	c, problems := o.source.Load()
	if problems.HasErrors() {
		problems.Write(s.Err)
		return migrate.Tables{}, nil, exit.Silent(exit.Config)
	}
	var err error
	if o.keys, err = keystore.ToolOptions(c.KeyIdentities.Value); err != nil {
		return migrate.Tables{}, nil, exit.Errorf(exit.Config, "KeyIdentities: %s", err)
	}
	if o.keyTable == "" {
		o.keyTable = c.KeyTable.Value
	}
	if o.signingTable == "" {
		o.signingTable = c.SigningTable.Value
	}
	if o.keyTable == "" || o.signingTable == "" {
		return migrate.Tables{}, nil, exit.Errorf(exit.Usage,
			"no KeyTable and SigningTable to read: name them with --key-table and --signing-table, or a configuration with --config")
	}
	keys, err := build.OpenSet(ctx, c, o.keyTable)
	if err != nil {
		return migrate.Tables{}, nil, exit.Errorf(exit.NoInput, "KeyTable: %s", err)
	}
	defer keys.Close()
	signing, err := build.OpenSet(ctx, c, o.signingTable)
	if err != nil {
		return migrate.Tables{}, nil, exit.Errorf(exit.NoInput, "SigningTable: %s", err)
	}
	defer signing.Close()
	t, found, err := migrate.FromSets(ctx, keys, signing, o.keys)
	if err != nil {
		return t, found, exit.Errorf(exit.DataErr, "%s", err)
	}
	return t, found, nil
}
