package rotation

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/databasetest"
)

// inline is a row's key as it stands in a column.
func (r mailRow) inline(m *mail) string {
	data, err := os.ReadFile(r.path)
	if err != nil {
		m.t.Fatal(err)
	}
	var key strings.Builder
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "-") {
			key.WriteString(strings.TrimSpace(line))
		}
	}
	return key.String()
}

// sqlTables are tables in which every other row holds its key itself, and the other a path.
func sqlTables(m *mail, dsn string, run func(text string)) string {
	run("CREATE TABLE dkim_keys (name VARCHAR(200) PRIMARY KEY, domain TEXT, selector TEXT, private_key TEXT, algorithm TEXT, note TEXT);" +
		"CREATE TABLE authors (author VARCHAR(200) PRIMARY KEY, name TEXT)")
	for i, r := range m.rows {
		key, algorithm := r.path, "'ed25519-sha256'"
		if i%2 == 0 {
			key, algorithm = r.inline(m), "NULL"
		}
		run(fmt.Sprintf("INSERT INTO dkim_keys VALUES ('%s', '%s', '%s', '%s', %s, 'ours');INSERT INTO authors VALUES ('%s', '%s');",
			r.name, r.domain, r.selector, key, algorithm, r.domain, r.name))
	}
	return "KeyTable " + dsn + "/table=dkim_keys?keycol=name?datacol=domain,selector,private_key,algorithm\nSigningTable " +
		dsn + "/table=authors?keycol=author?datacol=name\nDataSetCacheTTL 1\n"
}

// Mail verifies while keys change in the rows of databases and in files, behind each name
// server.
func TestMailFromDatabases(t *testing.T) {
	backends := map[string]func(m *mail) string{
		"postgresql": func(m *mail) string {
			p := databasetest.StartPostgres(m.t)
			return sqlTables(m, p.DSN, func(text string) { p.Run(m.t, text) })
		},
		"mariadb": func(m *mail) string {
			db := databasetest.StartMariaDB(m.t)
			return sqlTables(m, db.DSN, func(text string) { db.Run(m.t, text) })
		},
		"redis": func(m *mail) string {
			url, client := databasetest.StartRedis(m.t)
			for i, r := range m.rows {
				key := r.path
				if i%2 == 0 {
					key = r.inline(m)
				}
				client.HSet(m.t.Context(), "keys", r.name, r.domain+":"+r.selector+":"+key)
				client.HSet(m.t.Context(), "authors", r.domain, r.name)
			}
			return "KeyTable " + url + "?hash=keys\nSigningTable " + url + "?hash=authors\nDataSetCacheTTL 1\n"
		},
	}
	kinds := []string{"knot", "bind", "powerdns"}
	only, n := rand.IntN(len(backends)), 0
	for name, tables := range backends {
		if n++; !testutil.Long() && n-1 != only {
			continue
		}
		kind := kinds[n%len(kinds)]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMail(t, rig{kind: kind, domains: three[:2], rotate: quickly, tables: tables})
			m.flows(2, time.Minute)
		})
	}
}
