package databases

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/redis/go-redis/v9"

	"dojang/internal/cli"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/testutil"
	"dojang/internal/testutil/databasetest"
	"dojang/internal/testutil/proctest"
)

func base64Text(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// flat are tables in files with keys in files, and what is to be signed by them.
type flat struct {
	records records
	args    []string // of dojang import
	want    map[string]string
	keyIDs  string
	// quoteKey is the key of quote.example as base64.
	quoteKey string
	wrap     string // age recipient
}

func newFlat(t testing.TB) flat {
	t.Helper()
	f := flat{records: records{}, want: map[string]string{
		"joe@example.com": "example.com/ed example.com/rsa", "x@sub.example.com": "example.com/ed/list@example.com", "x@example.com": "example.com/ed example.com/rsa",
		"o'brien@quote.example": "quote.example/a", "x@quote.example": "", "x@도장.example": "example.com/ed",
	}}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	r, ed, quote := rsaKey(t), edKey(t), edKey(t)
	f.records.publish("rsa", "example.com", r)
	f.records.publish("ed", "example.com", ed)
	f.records.publish("a", "quote.example", quote)
	f.quoteKey = quote.line
	keys := "k-rsa example.com:rsa:" + file("rsa.private", r.pem) + ":rsa-sha256\nk-ed example.com:ed:" +
		file("ed.private", ed.pem) + "\nquote.example quote.example:a:" + quote.line + "\n"
	// "%" is the key that is called as the sender's domain.
	signing := "*@example.com k-rsa\n*@example.com k-ed\n*@*.example.com k-ed:list@example.com\no'brien@quote.example " +
		"%\n*@도장.example k-ed\n"
	id, err := age.GenerateX25519Identity()
	must(t, err)
	f.keyIDs, f.wrap = "KeyIdentities "+file("identities", id.String()+"\n")+"\n", id.Recipient().String()
	f.args = []string{"--key-table", "refile:" + file("KeyTable", keys), "--signing-table", "refile:" + file("SigningTable", signing)}
	return f
}

// run calls `dojang import` and returns what it printed.
func (f flat) run(t testing.TB, args ...string) (out, messages string) {
	t.Helper()
	return runImport(t, "", append(args, f.args...)...)
}

func runImport(t testing.TB, in string, args ...string) (out, messages string) {
	t.Helper()
	code, out, messages := tryImport(t, in, args...)
	if code != 0 {
		t.Fatalf("%q: exit %d\n%s%s", args, code, out, messages)
	}
	return out, messages
}

func tryImport(t testing.TB, in string, args ...string) (code int, out, messages string) {
	t.Helper()
	empty := filepath.Join(t.TempDir(), "opendkim.conf")
	must(t, os.WriteFile(empty, nil, 0o600))
	var o, e bytes.Buffer
	args = append([]string{"dojang", "import", "--config", empty}, args...)
	code = cli.Main(context.Background(), args, cli.Streams{In: strings.NewReader(in), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// printed are the lines for opendkim.conf that an import told.
func printed(t testing.TB, messages string) string {
	t.Helper()
	_, options, ok := strings.Cut(messages, "in opendkim.conf:\n")
	if !ok || !strings.Contains(options, "KeyTable") || !strings.Contains(options, "SigningTable") {
		t.Fatalf("no lines for opendkim.conf:\n%s", messages)
	}
	return options
}

func (f flat) signs(t *testing.T, options string) {
	t.Helper()
	f.records.expect(t, startFilter(t, options), f.want)
}

// importSQL imports into a database itself and by a script for its client.
func importSQL(t *testing.T, dsn string, run func(string)) {
	f := newFlat(t)
	fresh := func() { run("DROP TABLE dkim_keys; DROP TABLE dkim_signing;\n") }
	fresh()
	out, _ := f.run(t, "--to", dsn, "--dry-run")
	if !strings.Contains(out, "3 keys and 4 rows") || strings.Contains(out, "geheim") {
		t.Errorf("dry run: %q", out)
	}
	if _, err := openSQL(t, dsn).Exec("SELECT * FROM dkim_keys"); err == nil {
		t.Error("a dry run made tables")
	}
	f.again(t, 64, "--replace is for databases and scripts", "--to", "files", "--directory", t.TempDir(), "--replace")
	_, messages := f.run(t, "--to", dsn)
	f.signs(t, printed(t, messages))
	fresh()
	t.Run("wrapped", func(t *testing.T) {
		_, messages := f.run(t, "--to", dsn, "--wrap", f.wrap)
		f.signs(t, printed(t, messages)+f.keyIDs)
		var plain int
		must(t, openSQL(t, dsn).QueryRow("SELECT count(*) FROM dkim_keys WHERE private_key NOT LIKE 'age:%'").Scan(&plain))
		if plain != 0 {
			t.Errorf("%d keys are not wrapped", plain)
		}
	})
	fresh()
	t.Run("script", func(t *testing.T) {
		out, messages := f.run(t, "--to", "sql")
		run(out)
		f.signs(t, strings.ReplaceAll(printed(t, messages), "dsn:BACKEND://USER:PASSWORD@HOST/DATABASE", dsn))
	})
	fresh()
	t.Run("again", func(t *testing.T) { importSQLAgain(t, f, dsn, run) })
	fresh()
	t.Run("paths", func(t *testing.T) {
		_, messages := f.run(t, "--to", dsn, "--paths")
		f.signs(t, printed(t, messages))
	})
}

// again imports once more and compares what is told, and its exit status.
func (f flat) again(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	got, out, messages := tryImport(t, "", append(args, f.args...)...)
	if got != code || !strings.Contains(out+messages, want) || strings.Contains(out, "geheim") {
		t.Errorf("%q: exit %d, want %d and %q:\n%s%s", args, got, code, want, out, messages)
	}
}

// importSQLAgain imports into tables that have rows: one that was changed, one that is
// gone, one that no file has.
func importSQLAgain(t *testing.T, f flat, dsn string, run func(string)) {
	f.again(t, 0, "3 keys and 4 rows of the SigningTable would go to ", "--to", dsn, "--dry-run")
	f.again(t, 0, ": 7 new, 0 changed, 0 unchanged\n", "--to", dsn, "--dry-run")
	f.again(t, 0, "written: 7 new, 0 changed, 0 unchanged", "--to", dsn)
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", dsn)
	run("UPDATE dkim_keys SET selector='other', algorithm='' WHERE name='k-rsa'; DELETE FROM dkim_signing WHERE " +
		"author='example.com'; INSERT INTO dkim_signing VALUES ('mine.example','k-ed','');\n")
	const differs = "\n  dkim_keys \"k-rsa\": selector, algorithm\n"
	const counts = "1 new, 1 changed, 5 unchanged"
	f.again(t, 0, counts+differs+"because of the changed ones nothing is written without --replace", "--to", dsn, "--dry-run")
	f.again(t, 65, "nothing was written: 1 of the rows are there with other values, which --replace writes over:"+differs, "--to", dsn)
	f.again(t, 0, counts+differs, "--to", dsn, "--dry-run", "--replace")
	count := func(where string) (n int) {
		must(t, openSQL(t, dsn).QueryRow("SELECT count(*) FROM "+where).Scan(&n))
		return n
	}
	if n := count("dkim_signing WHERE author='example.com'"); n != 0 {
		t.Error("something was written though the import was refused, or in a dry run")
	}
	f.again(t, 0, "written: "+counts, "--to", dsn, "--replace")
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", dsn, "--replace")
	if n := count("dkim_signing WHERE author='mine.example'"); n != 1 {
		t.Error("a row that is only in the database is gone")
	}
	// A key that is the same, in another form; and wrapped keys, which always differ.
	run("UPDATE dkim_keys SET private_key='-----BEGIN PRIVATE KEY-----\n" + f.quoteKey +
		"\n-----END PRIVATE KEY-----\n' WHERE name='quote.example';\n")
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", dsn)
	f.again(t, 65, "nothing was written: 3 of the rows are", "--to", dsn, "--wrap", f.wrap)
	run("UPDATE dkim_signing SET key_name='k-ed' WHERE author='example.com'; DELETE FROM dkim_keys WHERE name='k-rsa';\n")
	script, messages := f.run(t, "--to", "sql", "--replace")
	run(script)
	f.signs(t, strings.ReplaceAll(printed(t, messages), "dsn:BACKEND://USER:PASSWORD@HOST/DATABASE", dsn))
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", dsn)
	// To MariaDB this is the row of example.com, to PostgreSQL another one.
	run("UPDATE dkim_signing SET author='Example.COM' WHERE author='example.com';\n")
	f.again(t, 0, "changed, 6 unchanged", "--to", dsn, "--replace")
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", dsn)
}

func importRedis(t *testing.T, url string) {
	f := newFlat(t)
	_, messages := f.run(t, "--to", url)
	f.signs(t, printed(t, messages))
	options, err := redis.ParseURL(url)
	must(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	redisCLI := func(t *testing.T, script string) {
		host, port, _ := strings.Cut(options.Addr, ":")
		answer := proctest.Run(t, script, testutil.Need(t, "redis-cli"), "-h", host, "-p", port, "-a", "geheim", "--no-auth-warning")
		if strings.Contains(answer, "ERR") {
			t.Error(answer)
		}
	}
	t.Run("again", func(t *testing.T) { importRedisAgain(t, f, url, client, redisCLI) })
	must(t, client.FlushAll(context.Background()).Err())
	t.Run("script", func(t *testing.T) {
		out, messages := f.run(t, "--to", "redis", "--wrap", f.wrap)
		redisCLI(t, out)
		f.signs(t, strings.ReplaceAll(printed(t, messages), "redis://HOST:6379/0", url)+f.keyIDs)
	})
}

func importRedisAgain(t *testing.T, f flat, url string, client *redis.Client, redisCLI func(*testing.T, string)) {
	ctx := context.Background()
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", url)
	must(t, client.HSet(ctx, "dkim:signing", "example.com", "k-rsa", "mine.example", "k-ed").Err())
	must(t, client.HDel(ctx, "dkim:keys", "k-ed").Err())
	const counts, differs = "1 new, 1 changed, 5 unchanged", "\n  dkim:signing \"example.com\"\n"
	f.again(t, 0, counts+differs, "--to", url, "--dry-run")
	f.again(t, 65, "nothing was written: 1 of the rows are there with other values, which --replace writes over:"+differs, "--to", url)
	if client.HExists(ctx, "dkim:keys", "k-ed").Val() {
		t.Error("something was written though the import was refused, or in a dry run")
	}
	f.again(t, 0, "written: "+counts, "--to", url, "--replace")
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", url)
	if !client.HExists(ctx, "dkim:signing", "mine.example").Val() {
		t.Error("a row that is only in the database is gone")
	}
	// A script leaves what is there, or writes over it.
	must(t, client.HSet(ctx, "dkim:signing", "example.com", "k-rsa").Err())
	must(t, client.HDel(ctx, "dkim:keys", "k-ed").Err())
	for _, c := range []struct {
		args []string
		want string
	}{{nil, "k-rsa"}, {[]string{"--replace"}, "k-rsa,k-ed"}} {
		out, _ := f.run(t, append(c.args, "--to", "redis")...)
		redisCLI(t, out)
		if got := client.HGet(ctx, "dkim:signing", "example.com").Val(); got != c.want || !client.HExists(ctx, "dkim:keys", "k-ed").Val() {
			t.Errorf("after the script of %q: %q", c.args, got)
		}
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	url, f := startRedisCluster(t), newFlat(t)
	_, messages := f.run(t, "--to", url)
	f.signs(t, printed(t, messages))
	f.again(t, 0, "written: 0 new, 0 changed, 7 unchanged", "--to", url)
	f.again(t, 65, "nothing was written: 3 of the rows are", "--to", url, "--wrap", f.wrap)
}

func importLDAP(t *testing.T, d directory) {
	f := newFlat(t)
	out, messages := f.run(t, "--to", "ldif", "--base", "ou=dkim,dc=test")
	d.add(t, out)
	options := strings.ReplaceAll(printed(t, messages), "ldap://HOST/", d.url) + directoryLogin
	f.signs(t, options)
	t.Run("again", func(t *testing.T) {
		// One entry is gone, one has other keys and an identity.
		d.modify(t, "dn: cn=o'brien@quote.example,ou=signing,ou=dkim,dc=test\nchangetype: delete\n\ndn: "+
			"cn=example.com,ou=signing,ou=dkim,dc=test\nchangetype: modify\nreplace: DKIMSelector\nDKIMSelector: "+
			"k-ed\n-\nadd: DKIMIdentity\nDKIMIdentity: x@example.com\n\n")
		f.records.expect(t, startFilter(t, options),
			map[string]string{"joe@example.com": "example.com/ed/x@example.com", "o'brien@quote.example": ""})
		d.addMore(t, out)
		f.records.expect(t, startFilter(t, options),
			map[string]string{"joe@example.com": "example.com/ed/x@example.com", "o'brien@quote.example": "quote.example/a"})
		changes, _ := f.run(t, "--to", "ldif", "--base", "ou=dkim,dc=test", "--replace")
		d.modify(t, changes)
		f.signs(t, options)
	})
}

// Configurations of other filters, with keys that their own tools made, move into
// files and into a database.
func TestOtherFilters(t *testing.T) {
	t.Parallel()
	dsn, client := databasetest.StartRedis(t)
	for name, prepare := range map[string]func(*testing.T, string) (config, record string){"rspamd": rspamd,
		"dkimpy-milter": dkimpy, "amavis": amavis} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config, record := prepare(t, dir)
			r := records{"mail._domainkey.example.com": record}
			want := map[string]string{"a@example.com": "example.com/mail", "a@sub.example.com": ""}
			if name == "rspamd" { // its use_esld
				want["a@sub.example.com"] = "example.com/mail"
			}
			_, messages := runImport(t, config, "--from", name, "--to", "files", "--directory", dir)
			r.expect(t, startFilter(t, printed(t, messages)), want)
			must(t, client.FlushAll(context.Background()).Err())
			_, messages = runImport(t, config, "--from", name, "--to", dsn)
			r.expect(t, startFilter(t, printed(t, messages)), want)
		})
	}
}

// recordIn collects the quoted strings of a zone file's text.
func recordIn(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, `"`) {
		if i%2 == 1 {
			b.WriteString(part)
		}
	}
	return b.String()
}

func rspamd(t *testing.T, dir string) (config, record string) {
	rspamadm := testutil.Need(t, "rspamadm")
	zone := proctest.Run(t, "", rspamadm, "dkim_keygen", "-s", "mail", "-d", "example.com", "-b", "2048", "-k", dir+"/example.com.mail.key")
	return fmt.Sprintf("# local.d/dkim_signing.conf\nenabled = true;\nallow_username_mismatch = true;\npath = "+
		"\"%s/$domain.$selector.key\";\nselector = \"mail\";\n", dir), recordIn(zone)
}

func dkimpy(t *testing.T, dir string) (config, record string) {
	dknewkey := testutil.Need(t, "dknewkey")
	proctest.Run(t, "", dknewkey, "--ktype", "ed25519", dir+"/mail")
	zone, err := os.ReadFile(dir + "/mail.dns")
	must(t, err)
	return "Domain example.com\nSelectorEd25519 mail\nKeyFileEd25519 " + dir + "/mail.key\nMode sv\n", string(zone)
}

func amavis(t *testing.T, _ string) (config, record string) {
	amavisd := testutil.Need(t, "amavisd")
	// Amavis reads its configuration and keys as its own user.
	readable := datasettest.Folder(t, 0o755)
	proctest.Run(t, "", testutil.Need(t, "openssl"), "genrsa", "-out", readable+"/mail.pem", "2048")
	must(t, os.Chmod(readable+"/mail.pem", 0o644))
	conf := "use strict;\n$MYHOME = '" + readable +
		"'; $mydomain = 'example.com'; $myhostname = 'mx.example.com';\n$daemon_user = 'amavis'; $daemon_group = " +
		"'amavis';\ndkim_key('example.com', 'mail', '" + readable + "/mail.pem');\n1;\n"
	must(t, os.WriteFile(readable+"/amavisd.conf", []byte(conf), 0o644))
	keys := proctest.Run(t, "", amavisd, "-c", readable+"/amavisd.conf", "showkeys")
	return keys, recordIn(keys)
}
