// Package databasetest starts real database servers for tests.
package databasetest

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// Postgres is a PostgreSQL server with an empty database.
type Postgres struct {
	*datasettest.Process
	DSN  string // up to the database
	URL  string // for psql
	Port string
}

// StartPostgres starts one, with more arguments of postgres(1).
func StartPostgres(t testing.TB, more ...string) Postgres {
	t.Helper()
	const bin = "/usr/lib/postgresql/*/bin"
	initdb, server := datasettest.Find(t, "initdb", bin), datasettest.Find(t, "postgres", bin)
	testutil.Need(t, "psql")
	dir, port := datasettest.Folder(t, 0o755), proctest.FreePort(t)
	if err := os.WriteFile(dir+"/pw", []byte("geheim/+:@=\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := datasettest.AsUser(t, "postgres", []string{dir}, initdb, "-D", dir+"/data", "-U", "dkim",
		"--pwfile="+dir+"/pw", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--no-locale")
	proctest.Run(t, "", args[0], args[1:]...)
	args = append(datasettest.AsUser(t, "postgres", nil, server, "-D", dir+"/data", "-p", port, "-k", dir,
		"-c", "listen_addresses="+strings.Join(datasettest.Localhost(), ","), "-c", "fsync=off",
		"-c", "dynamic_shared_memory_type=mmap"), more...) // which is gone with the folder
	p := Postgres{
		DSN:  "dsn:pgsql://dkim:geheim=2F=2B=3A=40=3D@" + port + "+127.0.0.1/postgres",
		URL:  "postgres://dkim:geheim%2F%2B%3A%40%3D@127.0.0.1:" + port + "/postgres",
		Port: port,
	}
	p.Process = datasettest.Start(t, func() bool { return answers(t, p.DSN+"/table=pg_database?keycol=datname?datacol=datname") }, args...)
	return p
}

func answers(t testing.TB, dsn string) bool {
	set, err := sqlset.New(strings.TrimPrefix(dsn, "dsn:"), sqlset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	return set.Ping(context.Background()) == nil
}

// Run runs SQL and returns what psql prints of it.
func (p Postgres) Run(t testing.TB, text string) string {
	t.Helper()
	return proctest.Run(t, text, testutil.Need(t, "psql"), "-qAt", "-v", "ON_ERROR_STOP=1", p.URL)
}

// MariaDB is a server with the database mail; dkim may do everything in it.
type MariaDB struct {
	*datasettest.Process
	DSN    string // up to the database
	Socket string
}

// StartMariaDB starts one, with more arguments of mariadbd(8).
func StartMariaDB(t testing.TB, more ...string) MariaDB {
	t.Helper()
	install, server, client := testutil.Need(t, "mariadb-install-db"), testutil.Need(t, "mariadbd"), testutil.Need(t, "mariadb")
	dir, port := datasettest.Folder(t, 0o755), proctest.FreePort(t)
	m := MariaDB{DSN: "dsn:mysql://dkim:geheim=2F=2B=3A=40=3D@" + port + "+127.0.0.1/mail", Socket: dir + "/s"}
	args := datasettest.AsUser(t, "mysql", []string{dir}, install, "--no-defaults", "--datadir="+dir+"/data",
		"--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-flush-log-at-trx-commit=0")
	proctest.Run(t, "", args[0], args[1:]...)
	args = append(datasettest.AsUser(t, "mysql", nil, server, "--no-defaults", "--datadir="+dir+"/data",
		"--socket="+m.Socket, "--port="+port, "--bind-address="+strings.Join(datasettest.Localhost(), ","), "--pid-file="+dir+"/pid",
		"--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"), more...)
	m.Process = datasettest.Start(t, proctest.Dials("unix", m.Socket), args...)
	proctest.Run(t, "CREATE DATABASE mail CHARACTER SET utf8mb4; CREATE USER 'dkim'@'%' IDENTIFIED BY 'geheim/+:@='; "+
		"GRANT ALL ON mail.* TO 'dkim'@'%';", client, "--no-defaults", "-u", "root", "--socket="+m.Socket)
	return m
}

// Run runs SQL and returns what mariadb prints of it.
func (m MariaDB) Run(t testing.TB, text string) string {
	t.Helper()
	return proctest.Run(t, text, testutil.Need(t, "mariadb"), "--no-defaults", "-u", "root",
		"--socket="+m.Socket, "--default-character-set=utf8mb4", "-N", "-B", "mail")
}

// StartRedis starts a server that wants a password and returns its URL.
func StartRedis(t testing.TB, more ...string) (url string, client *redis.Client) {
	t.Helper()
	dir, port := datasettest.Folder(t, 0o700), proctest.FreePort(t)
	args := append([]string{testutil.Need(t, "redis-server"), "--port", port, "--bind",
		strings.Join(datasettest.Localhost(), " "), "--dir", dir, "--save", "", "--requirepass", "geheim"}, more...)
	datasettest.Start(t, proctest.Dials("tcp", "127.0.0.1:"+port), args...)
	client = redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, Password: "geheim"})
	t.Cleanup(func() { client.Close() })
	return "redis://:geheim@127.0.0.1:" + port, client
}
