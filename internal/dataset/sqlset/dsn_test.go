package sqlset

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/privilege"
)

func TestParseDSN(t *testing.T) {
	for s, want := range map[string]DSN{
		// opendkim(8)'s example, with its colon too many
		"mysql:://dbuser:dbpass@3306+dbhost/odkim/table=macros?keycol=host?datacol=v1,v2": {
			Backend: "mysql", User: "dbuser", Password: "dbpass", Port: "3306", Host: "dbhost", Database: "odkim", Table: "macros", KeyColumn: "host", Columns: []string{"v1", "v2"}},
		// Modoboa
		"pgsql://user:password@5432+localhost/modoboa/table=dkim?keycol=domain_name?datacol=id": {
			Backend: "pgsql", User: "user", Password: "password", Port: "5432", Host: "localhost", Database: "modoboa", Table: "dkim", KeyColumn: "domain_name", Columns: []string{"id"}},
		"mysql://h/d/table=t?keycol=k?datacol=v,?filter=ID=20>=201000": {
			Backend: "mysql", Host: "h", Database: "d", Table: "t", KeyColumn: "k", Columns: []string{"v"}, Filter: "ID > 1000"},
		"postgresql://u:p=40=3A=2F=2B=3F=3D@h/d/TABLE=t?keycol=lower(k)?datacol=concat(a=2Cb),c?tls=require": {
			Backend: "pgsql", User: "u", Password: "p@:/+?=", Host: "h", Database: "d", Table: "t", KeyColumn: "lower(k)", Columns: []string{"concat(a,b)", "c"}, TLS: "require"},
		"sqlite3://=2Fvar=2Flib/keys.db/table=t?keycol=k?datacol=v": {
			Backend: "sqlite3", Host: "/var/lib", Database: "keys.db", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"sqlite3:///var/lib/keys.db/table=t?keycol=k?datacol=v": {
			Backend: "sqlite3", Database: "/var/lib/keys.db", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"sqlite3://localhost/var/lib/a=20b.db/Table=t?keycol=k?datacol=v": {
			Backend: "sqlite3", Host: "localhost", Database: "/var/lib/a b.db", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"sqlite3://localhost//keys.db/table=t?keycol=k?datacol=v": {
			Backend: "sqlite3", Host: "localhost", Database: "/keys.db", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"sqlite://keys.db/table=t?keycol=k?datacol=v": {
			Backend: "sqlite3", Host: ".", Database: "keys.db", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"sqlite://tables/keys.db/table=t?keycol=k?datacol=v": {
			Backend: "sqlite3", Host: "tables", Database: "keys.db", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"pgsql://h/d/table=t?keycol=k?datacol=v?ca=/etc/ca.pem": {Backend: "pgsql", Host: "h", Database: "d", Table: "t", KeyColumn: "k", Columns: []string{"v"}, TLS: "verify", CA: "/etc/ca.pem"},
		"mysql://u@h/d/table=t?keycol=k?datacol=v":              {Backend: "mysql", User: "u", Host: "h", Database: "d", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"pgsql://[::1]/d/table=t?keycol=k?datacol=v":            {Backend: "pgsql", Host: "::1", Database: "d", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"pgsql://5+2001:db8::a/d/table=t?keycol=k?datacol=v":    {Backend: "pgsql", Port: "5", Host: "2001:db8::a", Database: "d", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
		"mysql://5+=3A=3A1/d/table=t?keycol=k?datacol=v":        {Backend: "mysql", Port: "5", Host: "::1", Database: "d", Table: "t", KeyColumn: "k", Columns: []string{"v"}},
	} {
		got, err := ParseDSN(s)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", s, err, diff)
		}
	}
}

func TestParseDSNErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                                      "write backend://",
		"oracle://h/d/table=t":                  "unknown backend",
		"mysql://h":                             "no database",
		"mysql://h/d":                           "no table=",
		"mysql://h/d/table=t":                   "no keycol=",
		"mysql://h/d/table=t?keycol=k":          "no datacol=",
		"mysql://h/d/table=t?keycol":            "not name=value",
		"mysql://h/d/tabel=t":                   "unknown parameter",
		"mysql://x+h/d/table=t":                 "not a number",
		"mysql://65536+h/d/table=t":             "not a number from 1 to 65535",
		"mysql://::1:3306/d/table=t":            "write the port before the host, port+host",
		"mysql://[::1]:3306/d/table=t":          "write the port before the host, port+host",
		"mysql://h:3306/d/table=t":              "write the port before the host, port+host",
		"mysql://h/d/table=t=00?":               "NUL",
		"mysql://h/d/table=t?tls=perhaps":       "write disable, prefer",
		"mysql://h/d/table=t?tls=require?ca=/x": "write tls=verify",
	} {
		if _, err := ParseDSN(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", s, err, want)
		}
	}
}

// IPv6 addresses reach the drivers as such: PostgreSQL's took "::1" for the folder of its
// socket.
func TestHosts(t *testing.T) {
	for host, want := range map[string]string{"[::1]": "[::1]:1", "::1": "[::1]:1", "127.0.0.1": "127.0.0.1:1"} {
		for _, backend := range []string{"mysql", "pgsql"} {
			s, err := New(backend+"://u:p@1+"+host+"/d/table=t?keycol=k?datacol=v", Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "dial tcp "+want) {
				t.Errorf("%s, %s: %v", backend, host, err)
			}
		}
	}
}

// What a table is called in errors and figures, without its password.
func TestNames(t *testing.T) {
	const params = "/table=t?keycol=k?datacol=v"
	for dsn, want := range map[string]string{
		"mysql://h/d": "dsn:mysql://h/d/table=t", "pgsql://u:p@5+h/d": "dsn:pgsql://u@h/d/table=t", "pgsql://[::1]/d": "dsn:pgsql://[::1]/d/table=t",
		"sqlite3:///var/lib/keys.db": "dsn:sqlite3:///var/lib/keys.db/table=t", "sqlite3://=2Fvar/keys.db": "dsn:sqlite3:///var/keys.db/table=t",
	} {
		if d, err := ParseDSN(dsn + params); err != nil || d.String() != want {
			t.Errorf("%s: %s, %v; want %s", dsn, d, err, want)
		}
	}
}

// A pipe in the place of SQLite's file would have its reader wait for ever.
func TestPipesAreNoDatabases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{path, "/dev/zero", t.TempDir()} {
		if _, err := New("sqlite3://"+other+"/table=t?keycol=k?datacol=v", Options{}); hasSQLite && !errors.Is(err, privilege.ErrNotFile) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// TestQueryIsTheManPages: "SELECT v1,v2 FROM macros WHERE host = 'foo' AND ID > 1000", but the key is
// bound and asked for too.
func TestQueryIsTheManPages(t *testing.T) {
	d := DSN{Backend: "mysql", Table: "macros", KeyColumn: "host", Columns: []string{"v1", "v2"}, Filter: "ID > 1000"}
	for _, c := range []struct {
		d         DSN
		n         int
		existence bool
		want      string
	}{
		{d, 1, false, "SELECT host,v1,v2 FROM macros WHERE host = ? AND (ID > 1000)"},
		{d, 3, true, "SELECT host FROM macros WHERE host IN (?,?,?) AND (ID > 1000)"},
		{DSN{Backend: "pgsql", Table: "t", KeyColumn: "k", Columns: []string{"v"}, Filter: "a OR b ORDER BY c"}, 2, false, "SELECT k,v FROM t WHERE k IN ($1,$2) AND a OR b ORDER BY c"},
	} {
		if got := c.d.query(c.n, c.existence); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func FuzzDSN(f *testing.F) {
	f.Add("mysql://u:p@3306+h/d/table=t?keycol=k?datacol=v")
	f.Add("pgsql://=41:=@+/=/?==")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDSN(s)
		if err != nil {
			if len(err.Error()) > 400 {
				t.Fatal("long error")
			}
			return
		}
		if d.Table == "" || d.KeyColumn == "" || len(d.Columns) == 0 || backends[d.Backend] != d.Backend {
			t.Fatalf("%+v", d)
		}
		if d.Password != "" && len(d.Password) > 12 && strings.Contains(d.String(), d.Password) {
			t.Fatal("password shown")
		}
	})
}
