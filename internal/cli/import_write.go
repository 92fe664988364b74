package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"dojang/internal/atomicfile"
	"dojang/internal/exit"
	"dojang/internal/migrate"
	"dojang/internal/problem"
	"dojang/internal/setup"
	"dojang/internal/words"
)

func (o *importOptions) write(ctx context.Context, s Streams, t migrate.Tables) error {
	scheme, _, _ := strings.Cut(o.to, ":")
	switch {
	case scheme == "dsn" || strings.HasPrefix(scheme, "redis") && o.to != "redis":
		return o.intoDatabase(ctx, s, t)
	case o.dryRun:
		fmt.Fprintf(s.Out, "%s would go to %s\n", rowsOf(t), o.to)
		return nil
	}
	switch o.to {
	case "sql":
		o.say(s, migrate.SQLOptions("dsn:BACKEND://USER:PASSWORD@HOST/DATABASE"))
		return t.WriteSQL(s.Out, o.replace)
	case "ldif":
		o.say(s, migrate.LDAPOptions("ldap://HOST/"+o.base))
		return t.WriteLDIF(s.Out, o.base, o.replace)
	case "redis":
		o.say(s, migrate.RedisOptions("redis://HOST:6379/0"))
		return t.WriteRedis(s.Out, o.replace)
	case "files":
		return o.writeFiles(s, t)
	}
	return exit.Errorf(exit.Usage, "--to is sql, ldif, redis, files, or a URL that begins with dsn: or redis:, not %q", o.to)
}

// rowsOf says how much is imported.
func rowsOf(t migrate.Tables) string {
	return words.Count(len(t.Keys), "key") + " and " + words.Count(len(t.Signing), "row") + " of the SigningTable"
}

// intoDatabase fills a database, and tells what became of the rows.
func (o *importOptions) intoDatabase(ctx context.Context, s Streams, t migrate.Tables) error {
	shown := s.progress("rows written", 0)
	n, err := t.Write(ctx, migrate.Target{URL: o.to, DryRun: o.dryRun, Replace: o.replace, Progress: shown.of})
	shown.end()
	var failure *migrate.Failure
	switch {
	case errors.As(err, &failure):
		code := map[migrate.Kind]int{migrate.Unavailable: exit.Unavailable, migrate.BadTarget: exit.Usage,
			migrate.BadRow: exit.DataErr}[failure.Kind]
		return exit.Errorf(code, "--to: %s", withHint(err))
	case err != nil:
		return exit.Errorf(exit.Unavailable, "%s", err)
	case o.dryRun:
		fmt.Fprintf(s.Out, "%s would go to %s: %s%s\n", rowsOf(t), problem.Redact(o.to), n, n.Told())
		if n.Refused() {
			fmt.Fprintln(s.Out, "because of the changed ones nothing is written without --replace")
		}
		return nil
	case n.Refused():
		return exit.Errorf(exit.DataErr,
			"nothing was written: %d of the rows are there with other values, which --replace writes over:%s", n.Changed(), n.Told())
	}
	fmt.Fprintf(s.Err, "%s written: %s\n", rowsOf(t), n)
	if strings.HasPrefix(o.to, "dsn:") {
		o.say(s, migrate.SQLOptions(o.to))
	} else {
		o.say(s, migrate.RedisOptions(o.to))
	}
	return nil
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

// writeFiles writes both tables, and makes their folder; one that is there is not
// replaced.
func (o *importOptions) writeFiles(s Streams, t migrate.Tables) error {
	var keys, signing strings.Builder
	if err := t.WriteFlat(&keys, &signing); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.directory) // a relative name in opendkim.conf is another file
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return exit.Errorf(exit.CantCreate, "--directory: %w", err)
	}
	for name, text := range map[string]string{"KeyTable": keys.String(), "SigningTable": signing.String()} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return exit.Errorf(exit.CantCreate, "%s is there already: move it away, or choose another --directory", path)
		}
		if err := setup.WriteSecret(path, []byte(text), atomicfile.Options{New: true}); err != nil {
			return exit.Errorf(exit.CantCreate, "%s", err)
		}
	}
	o.say(s, []string{"KeyTable      file:" + filepath.Join(dir, "KeyTable"), "SigningTable  file:" + filepath.Join(dir, "SigningTable")})
	return nil
}
