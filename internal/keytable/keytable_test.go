package keytable

import (
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dojang/internal/config"
	"dojang/internal/testutil"
)

// Tables that list their rows are listed; the rows of others are those that are named,
// by the command line or the SigningTable.
func TestTablesOfOtherTypes(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(testutil.KeyPEM(testutil.ReadKey(t, "../keyrecord/testdata/s1024.private"))), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database := filepath.Join(dir, "keys.db")
	db, err := sql.Open("sqlite", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE keys (name, domain, selector, key); INSERT INTO keys VALUES ('a', 'example.com', 'x', "+
		"?), ('b', 'example.org', 'y', ?)", key, key); err != nil {
		t.Fatal(err)
	}
	sqlite := "dsn:sqlite3://" + database + "/table=keys?keycol=name?datacol=domain,selector,key"
	lua := "lua:" + write("table.lua", fmt.Sprintf("if query == 'a' then return 'example.com', 'x', %q end\nif query == 'b' "+
		"then return 'example.org', 'y', %q end\nreturn nil\n", key, key))
	conf := write("conf", "KeyTable "+lua+"\nSigningTable csl:*@example.com=a,*@example.net=a\n")
	both := []string{"x example.com", "y example.org"}
	for name, tt := range map[string]struct {
		table string // "": the configuration's
		names []string
		want  []string
	}{
		"a database":           {sqlite, nil, both},
		"one row of it":        {sqlite, []string{"b"}, both[1:]},
		"a script, by names":   {lua, []string{"a", "b"}, both},
		"by the signing table": {"", nil, both[:1]},
		"a script alone":       {lua + "?", nil, nil},
	} {
		cfg, problems := config.Load(conf)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		table, err := Open(t.Context(), cmp.Or(strings.TrimSuffix(tt.table, "?"), cfg.KeyTable.Value), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		if tt.want == nil {
			cfg.SigningTable.Value = ""
		}
		var got []string
		err = table.Rows(t.Context(), tt.names, func(place, text string) { t.Errorf("%s: %s: %s", name, place, text) }, func(row Row) {
			if _, err := table.Load(t.Context(), row); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, row.Selector+" "+row.Domain)
		})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if (err == nil) == (tt.want == nil) || err != nil && !strings.Contains(err.Error(), "give the names of its rows") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
