package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"dojang/internal/dataset/redisset"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/keystore/agekey"
	"dojang/internal/migrate"
	"dojang/internal/problem"
)

// importOptions are those of `dojang import`.
type importOptions struct {
	flags                  opendkimFlags
	from, file, to         string
	keyTable, signingTable string
	base, directory        string
	dryRun, paths          bool
	wrap                   []string // age recipients
	multiple               bool     // some author has several keys
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
	configFlag(c, &o.flags)
	f.StringVar(&o.from, "from", "", "rspamd, dkimpy-milter or amavis (default: the configuration's tables)")
	f.StringVar(&o.file, "file", "", "file to read with --from (default: standard input)")
	f.StringVar(&o.keyTable, "key-table", "", "KeyTable to read in place of the configuration's")
	f.StringVar(&o.signingTable, "signing-table", "", "SigningTable to read in place of the configuration's")
	f.StringVar(&o.to, "to", "", "sql, ldif, redis, files, or the dsn: or redis: URL of a database")
	f.StringVar(&o.base, "base", "ou=dkim,dc=example,dc=com", "for ldif: the entry below which keys go")
	f.StringVar(&o.directory, "directory", ".", "for files: the folder to write to")
	f.BoolVar(&o.dryRun, "dry-run", false, "tell what would be done, and do nothing")
	f.StringSliceVar(&o.wrap, "wrap", nil, "wrap each key for this age recipient (age1...), so that the database alone cannot sign; KeyIdentities opens them")
	f.BoolVar(&o.paths, "paths", false, "keep the paths of keys instead of the keys")
	return c
}

func (o *importOptions) run(ctx context.Context, s Streams) error {
	tables, problems, err := o.read(ctx, s)
	if err != nil {
		return err
	}
	if !o.paths && o.to != "files" {
		problems = append(problems, tables.LoadKeys(o.progress(s, "reading keys", len(tables.Keys)))...)
	}
	if err := o.wrapKeys(&tables); err != nil {
		return err
	}
	problems.Write(s.Err)
	if problems.HasErrors() {
		return exitf(exDataErr, "nothing was written: mend the rows above, or take them out")
	}
	if o.dryRun {
		fmt.Fprintf(s.Out, "%d keys and %d rows of the SigningTable would go to %s\n", len(tables.Keys), len(tables.Signing), withoutPassword(o.to))
		return nil
	}
	o.multiple = tables.Multiple()
	return o.write(ctx, s, tables)
}

// wrapKeys makes keys unreadable for all but the holders of an age identity.
func (o *importOptions) wrapKeys(t *migrate.Tables) error {
	if len(o.wrap) == 0 {
		return nil
	}
	for i := range t.Keys {
		if t.Keys[i].Data == "" {
			continue
		}
		wrapped, err := agekey.Wrap([]byte(t.Keys[i].Data), o.wrap...)
		if err != nil {
			return exitf(exUsage, "--wrap: %s", err)
		}
		t.Keys[i].Data = wrapped
	}
	return nil
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
			return migrate.Tables{}, nil, exitf(exNoInput, "%s", err)
		}
		defer f.Close()
		in = f
	}
	var t migrate.Tables
	var err error
	switch o.from {
	case "rspamd":
		t, err = migrate.FromRspamd(in, nil)
	case "dkimpy-milter", "dkimpy":
		t, err = migrate.FromDkimpy(in)
	case "amavis":
		t, err = migrate.FromAmavis(in)
	default:
		return t, nil, exitf(exUsage, "--from is rspamd, dkimpy-milter or amavis, not %q", o.from)
	}
	if err != nil {
		return t, nil, exitf(exDataErr, "%s: %s", o.from, err)
	}
	return t, nil, nil
}

func (o *importOptions) readSets(ctx context.Context, s Streams) (migrate.Tables, problem.List, error) {
	c, problems := o.flags.load()
	if problems.HasErrors() {
		problems.Write(s.Err)
		return migrate.Tables{}, nil, &exitError{code: exConfig}
	}
	if o.keyTable == "" {
		o.keyTable = c.String("KeyTable")
	}
	if o.signingTable == "" {
		o.signingTable = c.String("SigningTable")
	}
	if o.keyTable == "" || o.signingTable == "" {
		return migrate.Tables{}, nil, exitf(exUsage, "no KeyTable and SigningTable to read: name them with --key-table and --signing-table, or a configuration with --config")
	}
	keys, err := openSet(ctx, c, o.keyTable)
	if err != nil {
		return migrate.Tables{}, nil, exitf(exNoInput, "KeyTable: %s", err)
	}
	defer keys.Close()
	signing, err := openSet(ctx, c, o.signingTable)
	if err != nil {
		return migrate.Tables{}, nil, exitf(exNoInput, "SigningTable: %s", err)
	}
	defer signing.Close()
	t, found, err := migrate.FromSets(ctx, keys, signing)
	if err != nil {
		return t, found, exitf(exDataErr, "%s", err)
	}
	return t, found, nil
}

func (o *importOptions) write(ctx context.Context, s Streams, t migrate.Tables) error {
	switch scheme, _, _ := strings.Cut(o.to, ":"); {
	case o.to == "sql":
		o.say(s, migrate.SQLOptions("dsn:BACKEND://USER:PASSWORD@HOST/DATABASE"))
		return t.WriteSQL(s.Out)
	case o.to == "ldif":
		o.say(s, migrate.LDAPOptions("ldap://HOST/"+o.base))
		return t.WriteLDIF(s.Out, o.base)
	case o.to == "redis":
		o.say(s, migrate.RedisOptions("redis://HOST:6379/0"))
		return t.WriteRedis(s.Out)
	case o.to == "files":
		return o.writeFiles(s, t)
	case scheme == "dsn":
		return o.intoSQL(ctx, s, t)
	case strings.HasPrefix(scheme, "redis"):
		return o.intoRedis(ctx, s, t)
	}
	return exitf(exUsage, "--to is sql, ldif, redis, files, or a URL that begins with dsn: or redis:, not %q", o.to)
}

// say prints the lines for opendkim.conf where they do not mix with a script.
func (o *importOptions) say(s Streams, lines []string) {
	fmt.Fprintln(s.Err, "in opendkim.conf:")
	if o.multiple {
		lines = append(lines, "MultipleSignatures  yes")
	}
	for _, line := range lines {
		fmt.Fprintln(s.Err, "  "+line)
	}
}

// writeFiles writes both tables; one that is there is not replaced.
func (o *importOptions) writeFiles(s Streams, t migrate.Tables) error {
	var keys, signing strings.Builder
	if err := t.WriteFlat(&keys, &signing); err != nil {
		return err
	}
	for name, text := range map[string]string{"KeyTable": keys.String(), "SigningTable": signing.String()} {
		path := filepath.Join(o.directory, name)
		if exists(path) {
			return exitf(exCantCreate, "%s is there already: move it away, or choose another --directory", path)
		}
		if err := writeSecret(path, []byte(text), writeOptions{}); err != nil {
			return exitf(exCantCreate, "%s", err)
		}
	}
	o.say(s, []string{"KeyTable      file:" + filepath.Join(o.directory, "KeyTable"), "SigningTable  file:" + filepath.Join(o.directory, "SigningTable")})
	return nil
}

// intoSQL fills the tables of a database, all rows or none.
func (o *importOptions) intoSQL(ctx context.Context, s Streams, t migrate.Tables) error {
	create, rows := t.Statements()
	db, backend, err := sqlset.OpenDB(strings.TrimPrefix(strings.TrimSuffix(o.to, "/"), "dsn:") + "/table=dkim_keys?keycol=name?datacol=domain")
	if err != nil {
		return exitf(exUsage, "--to: %s", err)
	}
	defer db.Close()
	if backend == "sqlite3" {
		return exitf(exUsage, "SQLite files are filled by their own client: dojang import --to sql | sqlite3 FILE")
	}
	for _, statement := range create {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return exitf(exUnavailable, "%s", err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return exitf(exUnavailable, "%s", err)
	}
	progress := o.progress(s, "writing", len(rows))
	for i, row := range rows {
		if _, err := tx.ExecContext(ctx, row.Bound(backend == "pgsql"), values(row.Values)...); err != nil {
			_ = tx.Rollback() // the first error is the one to tell
			return exitf(exDataErr, "nothing was written: row %q of %s: %s", row.Values[0], row.Table, err)
		}
		progress(i + 1)
	}
	if err := tx.Commit(); err != nil {
		return exitf(exUnavailable, "nothing was written: %s", err)
	}
	fmt.Fprintf(s.Err, "%d keys and %d rows of the SigningTable written\n", len(t.Keys), len(t.Signing))
	o.say(s, migrate.SQLOptions(o.to))
	return nil
}

func values(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// intoRedis fills two hashes, or a cluster's keys.
func (o *importOptions) intoRedis(ctx context.Context, s Streams, t migrate.Tables) error {
	url, _, _ := strings.Cut(o.to, "?")
	client, err := redisset.OpenClient(url)
	if err != nil {
		return exitf(exUsage, "--to: %s", err)
	}
	defer client.Close()
	_, cluster := client.(*redis.ClusterClient)
	pairs := t.Pairs()
	progress := o.progress(s, "writing", len(pairs))
	for i, p := range pairs {
		if cluster {
			err = client.Set(ctx, p.Key(), p.Value, 0).Err()
		} else {
			err = client.HSet(ctx, p.Hash, p.Field, p.Value).Err()
		}
		if err != nil {
			return exitf(exUnavailable, "after %d of %d rows: %s", i, len(pairs), err)
		}
		progress(i + 1)
	}
	fmt.Fprintf(s.Err, "%d rows written\n", len(pairs))
	o.say(s, migrate.RedisOptions(url))
	return nil
}

// progress draws a bar on a terminal; elsewhere it does nothing.
func (o *importOptions) progress(s Streams, what string, all int) func(done int) {
	if !isTerminal(s.Err) || all < 100 {
		return func(int) {}
	}
	return func(done int) {
		if done%50 == 0 || done == all {
			fmt.Fprintf(s.Err, "\r%s %s", what, progressBar(done, all))
		}
		if done == all {
			fmt.Fprint(s.Err, "\r\x1b[K")
		}
	}
}

// withoutPassword hides the password of a URL.
func withoutPassword(url string) string {
	at := strings.LastIndexByte(url, '@')
	slashes := strings.Index(url, "//")
	if at < 0 || slashes < 0 || slashes > at {
		return url
	}
	user, _, _ := strings.Cut(url[slashes+2:at], ":")
	return url[:slashes+2] + user + ":[redacted]" + url[at:]
}
