package sqlset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/dataset"
	"dojang/internal/dataset/datasettest"
	"dojang/internal/dataset/remote"
	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// tables is SQL that makes the tables of all tests; text is the type of a key.
func tables(text string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE rows1 (k %s PRIMARY KEY, a varchar(200), b varchar(200), c varchar(200), enabled int);\n", text)
	for _, r := range datasettest.Rows() {
		values := []string{"NULL", "NULL", "NULL"}
		for i, v := range r.Values {
			values[i] = quote(v)
		}
		fmt.Fprintf(&b, "INSERT INTO rows1 VALUES (%s,%s,1);\n", quote(r.Key), strings.Join(values, ","))
	}
	b.WriteString("INSERT INTO rows1 VALUES ('disabled','x','y','z',0);\n")
	// Modoboa's table, as its documentation has it.
	b.WriteString("CREATE TABLE dkim (id int PRIMARY KEY, domain_name varchar(100), selector varchar(100), " +
		"private_key_path varchar(200));\n")
	b.WriteString("INSERT INTO dkim VALUES " +
		"(1,'example.com','modoboa','/var/lib/dkim/example.com.pem'),(2,'example.org','modoboa','/var/lib/dkim/example.org.pem');\n")
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const rowsParams = "/table=rows1?keycol=k?datacol=a,b,c"

func openSet(t testing.TB, dsn string, r remote.Options) *remote.Set {
	t.Helper()
	set, err := dataset.Open(context.Background(), "dsn:"+dsn,
		dataset.Options{Openers: map[string]dataset.Opener{"dsn": Opener(Options{}, r)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	return set.(*remote.Set)
}

// suite runs what every server passes. base is the DSN up to the database.
func suite(t *testing.T, base string) {
	t.Run("conformance", func(t *testing.T) {
		datasettest.Run(t, openSet(t, base+rowsParams, remote.Options{TTL: -1, NegativeTTL: -1}), datasettest.Options{})
	})
	t.Run("raw", func(t *testing.T) {
		s, err := New(base+rowsParams+"?filter=enabled=20=3D=201", Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		datasettest.Run(t, s, datasettest.Options{})
		if _, err := s.Lookup(context.Background(), "disabled", 1); !errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("the filter is not applied: %v", err)
		}
	})
	t.Run("modoboa", func(t *testing.T) { modoboa(t, base) })
	t.Run("wrong", func(t *testing.T) {
		for _, params := range []string{"/table=nothere?keycol=k?datacol=a", "/table=rows1?keycol=nope?datacol=a",
			"/table=rows1?keycol=k?datacol=nope", "/table=rows1?keycol=k?datacol=a?filter=)("} {
			_, err := dataset.Open(context.Background(), "dsn:"+base+params,
				dataset.Options{Openers: map[string]dataset.Opener{"dsn": Opener(Options{}, remote.Options{})}})
			if err == nil || strings.Contains(err.Error(), "geheim") {
				t.Errorf("%s: %v", params, err)
			}
		}
	})
	t.Run("walk", func(t *testing.T) {
		n := 0
		err := dataset.Walk(context.Background(), openSet(t, base+rowsParams, remote.Options{}),
			func(dataset.Entry) error { n++; return nil })
		if n != len(datasettest.Rows())+1 || err != nil {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

// modoboa uses the strings of its documentation: the key column is a number.
func modoboa(t *testing.T, base string) {
	ctx := context.Background()
	keys := openSet(t, base+"/table=dkim?keycol=id?datacol=domain_name,selector,private_key_path", remote.Options{})
	signing := openSet(t, base+"/table=dkim?keycol=domain_name?datacol=id", remote.Options{FoldCase: true})
	var name string
	err := dataset.SigningLookup(ctx, signing, "user", "example.org", 2, false,
		func(e dataset.Entry) bool { name = e.Values[0]; return true })
	if name != "2" || err != nil {
		t.Fatalf("signing: %q, %v", name, err)
	}
	got, err := keys.Lookup(ctx, name, 4)
	if diff := cmp.Diff([]string{"example.org", "modoboa", "/var/lib/dkim/example.org.pem"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, key := range []string{"3", "abc", "2 OR 1=1", "99999999999999999999", "", "2.5"} {
		if got, err := keys.Lookup(ctx, key, 3); !errors.Is(err, dataset.ErrNotFound) {
			t.Errorf("%q: %v, %v", key, got, err)
		}
	}
	rows, err := keys.LookupBatch(ctx, []string{"abc", "1", "zz", "2"}, 1)
	if diff := cmp.Diff([][]string{nil, {"example.com"}, nil, {"example.org"}}, rows); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// outage stops the server under load: every answer is right, comes from the last known
// row, or is a temporary failure.
func outage(t *testing.T, base string, p *datasettest.Process) {
	o := remote.Options{TTL: -1, NegativeTTL: -1, Timeout: 2 * time.Second, MinBackoff: 10 * time.Millisecond,
		MaxBackoff: 100 * time.Millisecond}
	o.KeepStale = -1
	datasettest.Outage(t, openSet(t, base+rowsParams, o), p.Kill, p.Start)
	o.KeepStale = time.Hour
	var told [remote.Failed + 1]atomic.Int64
	o.OnLookup = func(_ string, o remote.Outcome, _ time.Duration) { told[o].Add(1) }
	set := openSet(t, base+rowsParams, o)
	if _, err := set.Lookup(context.Background(), "three", 3); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				if got, err := set.Lookup(context.Background(), "three", 3); err != nil ||
					got[0] != "example.com" || got[2] != "/etc/keys/s1.private" {
					t.Errorf("known row: %v, %v", got, err)
				}
				if got, err := set.Lookup(context.Background(), "42", 3); err == nil &&
					got[0] != "example.org" || errors.Is(err, dataset.ErrNotFound) {
					t.Errorf("row first asked for in the outage: %v, %v", got, err)
				}
			}
		})
	}
	await := func(what string, o remote.Outcome, more int64) {
		t.Helper()
		before := told[o].Load()
		proctest.Until(t, time.Minute, what, func() bool { return told[o].Load() > before+more })
	}
	p.Kill()
	await("old rows", remote.Stale, 10)
	p.Start()
	await("its rows", remote.Found, 0)
	close(stop)
	wg.Wait()
}

// longOnly skips what starts a server in short, which takes seconds; SQLite is asked the same.
func longOnly(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("a server takes seconds to start")
	}
}

// standsStill holds its connection back, and gives it another.
func standsStill(t *testing.T, base string) {
	before, after, _ := strings.Cut(base, "+127.0.0.1")
	login, port := before[:strings.LastIndexByte(before, '@')+1], before[strings.LastIndexByte(before, '@')+1:]
	datasettest.StandsStill(t, "tcp", "127.0.0.1:"+port, func(address string) dataset.Set {
		_, port, _ := strings.Cut(address, ":")
		set, err := New(login+port+"+127.0.0.1"+after+rowsParams, Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { set.Close() })
		return remote.New(set, remote.Options{TTL: -1, NegativeTTL: -1, KeepStale: -1, Timeout: time.Second})
	})
}

// postgres starts a server; run gives SQL to its psql.
func postgres(t testing.TB) (base string, p *datasettest.Process, run func(sql string)) {
	longOnly(t)
	const bin = "/usr/lib/postgresql/*/bin"
	initdb, server := datasettest.Find(t, "initdb", bin), datasettest.Find(t, "postgres", bin)
	psql := testutil.Need(t, "psql")
	dir, port := datasettest.Folder(t, 0o755), proctest.FreePort(t)
	passwords := filepath.Join(dir, "pw")
	if err := os.WriteFile(passwords, []byte("geheim/+:@=\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := datasettest.AsUser(t, "postgres", []string{dir}, initdb, "-D", dir+"/data", "-U", "dkim",
		"--pwfile="+passwords, "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--no-locale")
	proctest.Run(t, "", args[0], args[1:]...)
	args = datasettest.AsUser(t, "postgres", nil, server, "-D", dir+"/data", "-p", port, "-k", dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap")
	base = "pgsql://dkim:geheim=2F=2B=3A=40=3D@" + port + "+127.0.0.1/postgres"
	ready := func() bool {
		db, err := New(base+"/table=pg_database?keycol=datname?datacol=datname", Options{Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		return db.Ping(context.Background()) == nil
	}
	p = datasettest.Start(t, ready, args...)
	t.Setenv("PGPASSWORD", "geheim/+:@=")
	return base, p, func(sql string) {
		proctest.Run(t, sql, psql, "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", port, "-U", "dkim", "postgres")
	}
}

func TestPostgreSQL(t *testing.T) {
	base, p, run := postgres(t)
	run(tables("text") + swapTables)
	suite(t, base)
	t.Run("swap", func(t *testing.T) { swaps(t, base) })
	t.Run("socket", func(t *testing.T) {
		dsn := strings.Replace(base, "127.0.0.1", strings.ReplaceAll(filepath.Dir(p.Arg("-D")), "/", "=2F"), 1)
		got, err := openSet(t, strings.Replace(dsn, "pgsql:", "postgresql:", 1)+rowsParams,
			remote.Options{}).Lookup(context.Background(), "one", 1)
		if err != nil || got[0] != "v1" {
			t.Error(got, err)
		}
	})
	t.Run("outage", func(t *testing.T) { outage(t, base, p) })
	t.Run("still", func(t *testing.T) { standsStill(t, base) })
	t.Run("login", func(t *testing.T) {
		wrong := strings.Replace(base, "geheim", "falsch", 1)
		_, err := dataset.Open(context.Background(), "dsn:"+wrong+rowsParams,
			dataset.Options{Openers: map[string]dataset.Opener{"dsn": Opener(Options{}, remote.Options{})}})
		if err == nil || !strings.Contains(err.Error(), "password authentication failed") || strings.Contains(err.Error(), "falsch") {
			t.Error(err)
		}
	})
}

// mariadb starts a server with the tables.
func mariadb(t testing.TB) (base, socket string, p *datasettest.Process) {
	longOnly(t)
	install, server, client := testutil.Need(t, "mariadb-install-db"), testutil.Need(t, "mariadbd"), testutil.Need(t, "mariadb")
	dir, port := datasettest.Folder(t, 0o755), proctest.FreePort(t)
	socket = dir + "/s"
	args := datasettest.AsUser(t, "mysql", []string{dir}, install, "--no-defaults", "--datadir="+dir+"/data",
		"--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-flush-log-at-trx-commit=0")
	proctest.Run(t, "", args[0], args[1:]...)
	args = datasettest.AsUser(t, "mysql", nil, server, "--no-defaults", "--datadir="+dir+"/data",
		"--socket="+socket, "--port="+port, "--bind-address=127.0.0.1", "--pid-file="+dir+"/pid",
		"--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve")
	p = datasettest.Start(t, proctest.Dials("unix", socket), args...)
	proctest.Run(t, "CREATE DATABASE mail CHARACTER SET utf8mb4; CREATE USER 'dkim'@'%' IDENTIFIED BY 'geheim/+:@='; "+
		"GRANT SELECT ON mail.* TO 'dkim'@'%'; USE mail; SET sql_mode='NO_BACKSLASH_ESCAPES';\n"+
		tables("varchar(200)")+swapTables+
		"GRANT INSERT, UPDATE, DELETE ON mail.swap1 TO 'dkim'@'%'; GRANT INSERT, UPDATE, DELETE ON mail.swap3 TO 'dkim'@'%';\n",
		client, "--no-defaults", "-u", "root", "--socket="+socket, "--default-character-set=utf8mb4")
	return "mysql://dkim:geheim=2F=2B=3A=40=3D@" + port + "+127.0.0.1/mail", socket, p
}

func TestMariaDB(t *testing.T) {
	base, socket, p := mariadb(t)
	suite(t, base)
	t.Run("swap", func(t *testing.T) { swaps(t, base) })
	t.Run("socket", func(t *testing.T) {
		got, err := openSet(t, "mariadb://dkim:geheim=2F=2B=3A=40=3D@"+strings.ReplaceAll(socket, "/", "=2F")+"/mail"+rowsParams,
			remote.Options{}).Lookup(context.Background(), "one", 1)
		if err != nil || got[0] != "v1" {
			t.Error(got, err)
		}
	})
	t.Run("outage", func(t *testing.T) { outage(t, base, p) })
	t.Run("still", func(t *testing.T) { standsStill(t, base) })
}

func BenchmarkMariaDB(b *testing.B) {
	base, _, _ := mariadb(b)
	datasettest.Bench(b, "cold", openSet(b, base+rowsParams, remote.Options{TTL: -1, NegativeTTL: -1}))
	datasettest.Bench(b, "warm", openSet(b, base+rowsParams, remote.Options{TTL: time.Hour, NegativeTTL: time.Hour}))
}

func BenchmarkSQLite(b *testing.B) {
	dir := datasettest.Folder(b, 0o700)
	proctest.Run(b, tables("text"), testutil.Need(b, "sqlite3"), dir+"/t.db")
	datasettest.Bench(b, "cold", openSet(b, "sqlite3://"+strings.ReplaceAll(dir, "/", "=2F")+"/t.db"+rowsParams,
		remote.Options{TTL: -1, NegativeTTL: -1}))
}

func TestSQLite(t *testing.T) {
	sqlite := testutil.Need(t, "sqlite3")
	dir := datasettest.Folder(t, 0o700)
	proctest.Run(t, tables("text"), sqlite, dir+"/a b.db")
	folder := strings.ReplaceAll(dir, "/", "=2F")
	suite(t, "sqlite3://"+folder+"/a=20b.db")
	got, err := openSet(t, "sqlite3://localhost/"+folder+"=2Fa=20b.db"+rowsParams, remote.Options{}).Lookup(context.Background(), "one", 1)
	if err != nil || got[0] != "v1" {
		t.Error(got, err)
	}
	_, err = dataset.Open(context.Background(), "dsn:sqlite3://"+folder+"/none.db"+rowsParams,
		dataset.Options{Openers: map[string]dataset.Opener{"dsn": Opener(Options{}, remote.Options{})}})
	if err == nil {
		t.Error("a missing file is made")
	}
}

// BenchmarkPostgreSQL looks senders up among a million domains.
func BenchmarkPostgreSQL(b *testing.B) {
	base, _, run := postgres(b)
	run("CREATE TABLE big AS SELECT 'domain' || i || '.example' AS k, 'key' || i AS a FROM generate_series(1,1000000) " +
		"i; ALTER TABLE big ADD PRIMARY KEY (k); ANALYZE big;")
	for name, o := range map[string]remote.Options{"cold": {TTL: -1, NegativeTTL: -1}, "warm": {TTL: time.Hour, NegativeTTL: time.Hour}} {
		set, err := dataset.Open(context.Background(), "dsn:"+base+"/table=big?keycol=k?datacol=a",
			dataset.Options{Openers: map[string]dataset.Opener{"dsn": Opener(Options{}, o)}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					host := fmt.Sprintf("domain%d.example", 1+i*7919%100_000)
					err := dataset.SigningLookup(context.Background(), set, "user", host, 2, false,
						func(dataset.Entry) bool { return true })
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		set.Close()
	}
}
