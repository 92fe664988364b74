package databases

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/problem"
	"dojang/internal/testutil"
	"dojang/internal/testutil/databasetest"
	"dojang/internal/testutil/proctest"
)

// refuses expects that a filter does not start, for the reason given, and tells
// what to type; never the password.
func refuses(t *testing.T, options, reason, hint string) {
	t.Helper()
	s, problems := tryFilter(t, options)
	if s != nil {
		t.Errorf("started with\n%s", options)
		return
	}
	for _, p := range problems {
		if p.Severity == problem.Error &&
			(!strings.Contains(p.Text, reason) || !strings.Contains(p.Hint, hint) || strings.Contains(p.Text, "geheim")) {
			t.Errorf("%s\n  hint %q; want %q, %q", p.String(), p.Hint, reason, hint)
		}
	}
}

const (
	unknown   = "certificate signed by unknown authority"
	otherName = "x509: cannot validate certificate for 127.0.0.1"
	nameHint  = "write the server's name as its certificate has it"
)

// overTLS tests tables in an SQL server that has a certificate. dsn names it
// localhost; encrypted says of a DSN how the server sees its connection.
func overTLS(t *testing.T, tb tables, c datasettest.Certificates, dsn string, encrypted func(params string) string) {
	with := func(dsn, params string) string { return strings.ReplaceAll(sqlOptions(dsn), "\n", params+"\n") }
	want := map[string]string{"jim@example.com": "example.com/a"}
	for params, tls := range map[string]bool{"": true, "?tls=prefer": true, "?tls=require": true,
		"?tls=verify?ca=" + c.CA: true, "?ca=" + c.CA: true, "?tls=disable": false} {
		if got := encrypted(params) != ""; got != tls {
			t.Errorf("%q: encrypted %v", params, got)
		}
		tb.records.expect(t, startFilter(t, with(dsn, params)+tb.identities), want)
	}
	const hint = "write ?ca=/path/authority.pem"
	refuses(t, with(dsn, "?tls=verify"), unknown, hint)
	refuses(t, with(dsn, "?tls=verify?ca="+c.Other), unknown, hint)
	refuses(t, with(strings.Replace(dsn, "localhost", "127.0.0.1", 1), "?ca="+c.CA), otherName, nameHint)
	refuses(t, with(dsn, "?ca=/nowhere/ca.pem"), "/nowhere/ca.pem: No such file", "ls -l")
	refuses(t, with(dsn, "?ca="+c.Key), "no certificate in", "")
	f := newFlat(t)
	f.again(t, 0, "3 keys and 4 rows", "--to", dsn+"?ca="+c.CA, "--dry-run")
	f.again(t, 69, unknown+"\n    hint: ", "--to", dsn+"?ca="+c.Other, "--dry-run")
}

// askOne reads one value, "" for NULL, over a connection of a DSN.
func askOne(t *testing.T, dsn, key string) string {
	t.Helper()
	set, err := sqlset.New(strings.TrimPrefix(dsn, "dsn:"), sqlset.Options{})
	must(t, err)
	defer set.Close()
	values, err := set.Lookup(context.Background(), key, 1)
	must(t, err)
	return strings.Join(values, "")
}

func TestPostgreSQLOverTLS(t *testing.T) {
	t.Parallel()
	c, tb := datasettest.NewCertificates(t), newTables(t)
	datasettest.AsUser(t, "postgres", []string{c.Folder})
	p := databasetest.StartPostgres(t, "-c", "ssl=on", "-c", "ssl_cert_file="+c.Cert, "-c", "ssl_key_file="+c.Key)
	p.Run(t, tb.sql()+"CREATE VIEW seen AS SELECT 'tls' AS k, cipher AS v FROM pg_stat_ssl WHERE pid = pg_backend_pid();")
	dsn := strings.Replace(p.DSN, "127.0.0.1", "localhost", 1)
	overTLS(t, tb, c, dsn, func(params string) string { return askOne(t, dsn+"/table=seen?keycol=k?datacol=v"+params, "tls") })
	t.Run("only", func(t *testing.T) {
		hba := p.Arg("-D") + "/pg_hba.conf"
		must(t, os.WriteFile(hba, []byte("hostssl all all all scram-sha-256\n"), 0o644))
		p.Run(t, "SELECT pg_reload_conf()")
		tb.records.expect(t, startFilter(t, sqlOptions(dsn)+tb.identities), map[string]string{"jim@example.com": "example.com/a"})
		refuses(t, strings.ReplaceAll(sqlOptions(dsn), "\n", "?tls=disable\n"), "no encryption", "")
	})
	t.Run("none", func(t *testing.T) {
		without := databasetest.StartPostgres(t)
		refuses(t, strings.ReplaceAll(sqlOptions(without.DSN), "\n", "?tls=require\n"), "server refused TLS connection", "")
	})
}

func TestMariaDBOverTLS(t *testing.T) {
	t.Parallel()
	c, tb := datasettest.NewCertificates(t), newTables(t)
	datasettest.AsUser(t, "mysql", []string{c.Folder})
	m := databasetest.StartMariaDB(t, "--ssl-cert="+c.Cert, "--ssl-key="+c.Key)
	m.Run(t, tb.sql())
	dsn := strings.Replace(m.DSN, "127.0.0.1", "localhost", 1)
	overTLS(t, tb, c, dsn, func(params string) string {
		return askOne(t, dsn+"/table=information_schema.SESSION_STATUS?keycol=VARIABLE_NAME?datacol=VARIABLE_VALUE"+params, "SSL_CIPHER")
	})
	t.Run("only", func(t *testing.T) {
		m.Run(t, "SET GLOBAL require_secure_transport=ON")
		tb.records.expect(t, startFilter(t, sqlOptions(dsn)+tb.identities), map[string]string{"jim@example.com": "example.com/a"})
		refuses(t, strings.ReplaceAll(sqlOptions(dsn), "\n", "?tls=disable\n"), "Access denied", "")
	})
	t.Run("none", func(t *testing.T) {
		without := databasetest.StartMariaDB(t, "--skip-ssl")
		refuses(t, strings.ReplaceAll(sqlOptions(without.DSN), "\n", "?tls=require\n"), "TLS requested but server does not support TLS", "")
	})
}

func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	c, tb := datasettest.NewCertificates(t), newTables(t)
	port := proctest.FreePort(t)
	_, client := databasetest.StartRedis(t, c.Redis("", port)[1:]...)
	keys, signing := tb.pairs()
	must(t, client.HSet(t.Context(), "keys", keys).Err())
	must(t, client.HSet(t.Context(), "signing", signing).Err())
	options := func(url, params string) string {
		return "KeyTable " + url + "?hash=keys" + params + "\nSigningTable " + url + "?hash=signing" + params + "\n" + tb.identities
	}
	url := "rediss://:geheim@localhost:" + port
	for _, good := range []string{options(url, "&ca="+c.CA), options(url, "&tls=require"),
		options(strings.Replace(url, "rediss", "redis", 1), "&tls=verify&ca="+c.CA)} {
		tb.records.expect(t, startFilter(t, good), map[string]string{"jim@example.com": "example.com/a"})
	}
	const hint = "write ca=/path/authority.pem"
	refuses(t, options(url, ""), unknown, hint)
	refuses(t, options(url, "&ca="+c.Other), unknown, hint)
	refuses(t, options(strings.Replace(url, "localhost", "127.0.0.1", 1), "&ca="+c.CA), otherName, nameHint)
	refuses(t, options(strings.Replace(url, "rediss", "redis", 1), ""), "", "")
	f := newFlat(t)
	_, messages := f.run(t, "--to", url+"?ca="+c.CA)
	f.signs(t, printed(t, messages))
	f.again(t, 69, unknown+"\n    hint: "+"name the file", "--to", url+"?ca="+c.Other)
}

// A sentinel over TLS tells of a master over TLS.
func TestRedisSentinelOverTLS(t *testing.T) {
	t.Parallel()
	c, tb := datasettest.NewCertificates(t), newTables(t)
	port, sentinelPort, dir := proctest.FreePort(t), proctest.FreePort(t), datasettest.Folder(t, 0o700)
	_, client := databasetest.StartRedis(t, append(c.Redis("", port)[1:], "--tls-replication", "yes")...)
	keys, signing := tb.pairs()
	must(t, client.HSet(t.Context(), "keys", keys).Err())
	must(t, client.HSet(t.Context(), "signing", signing).Err())
	conf := "dir " + dir + "\nsentinel resolve-hostnames yes\nsentinel announce-hostnames yes\nsentinel monitor keys localhost " +
		port + " 1\nsentinel auth-pass keys geheim\n"
	must(t, os.WriteFile(dir+"/sentinel.conf", []byte(conf), 0o600))
	datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+sentinelPort),
		slices.Concat([]string{testutil.Need(t, "redis-server"), dir + "/sentinel.conf", "--sentinel"},
			c.Redis("", sentinelPort)[1:],
			[]string{"--port", "0", "--bind", strings.Join(datasettest.Localhost(), " "), "--tls-replication", "yes"})...)
	url := "redis+sentinel://:geheim@localhost:" + sentinelPort + "/keys?tls=verify&ca=" + c.CA
	tb.records.expect(t, startFilter(t, "KeyTable "+url+"&hash=keys\nSigningTable "+url+"&hash=signing\n"+tb.identities),
		map[string]string{"jim@example.com": "example.com/a"})
	url = strings.Replace(url, c.CA, c.Other, 1)
	refuses(t, "KeyTable "+url+"&hash=keys\nSigningTable "+url+"&hash=signing\n"+tb.identities, unknown, "ca=/path/authority.pem")
}

// The servers of a cluster tell of each other by name.
func TestRedisClusterOverTLS(t *testing.T) {
	t.Parallel()
	c, f := datasettest.NewCertificates(t), newFlat(t)
	url := strings.ReplaceAll(startRedisCluster(t, c), "127.0.0.1", "localhost")
	_, messages := f.run(t, "--to", url+"?ca="+c.CA)
	f.signs(t, printed(t, messages))
	f.again(t, 69, unknown+"\n    hint: ", "--to", url+"?tls=verify")
}

func TestLDAPOverTLS(t *testing.T) {
	c, tb := datasettest.NewCertificates(t), newTables(t)
	d := startDirectory(t, tb.ldif(), c)
	secured, startTLS := d, d
	secured.url = d.tls
	startTLS.url = strings.Replace(d.url, "127.0.0.1", "localhost", 1)
	for name, options := range map[string]string{"ldaps": directoryOptions(secured),
		"StartTLS": directoryOptions(startTLS) + "LDAPUseTLS yes\n"} {
		const hint = "write TLS_CACERT /path/authority.pem into /etc/ldap/ldap.conf"
		byAddress := strings.ReplaceAll(options, "localhost", "127.0.0.1")
		t.Run(name, func(t *testing.T) {
			refuses(t, options, unknown, hint)
			t.Setenv("LDAPTLS_CACERT", c.Other)
			refuses(t, options, unknown, hint)
			t.Setenv("LDAPTLS_REQCERT", "never")
			tb.records.expect(t, startFilter(t, byAddress+tb.identities), map[string]string{"jim@example.com": "example.com/a"})
			t.Setenv("LDAPTLS_CACERT", c.CA)
			t.Setenv("LDAPTLS_REQCERT", "")
			tb.records.expect(t, startFilter(t, options+tb.identities), map[string]string{"jim@example.com": "example.com/a"})
			refuses(t, byAddress, otherName, nameHint)
			t.Setenv("LDAPTLS_CACERT", "/nowhere/ca.pem")
			refuses(t, options, "/nowhere/ca.pem: No such file", "ls -l")
		})
	}
}
