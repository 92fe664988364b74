package cli

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if _, err := db.Exec("CREATE TABLE keys (name, domain, selector, key); INSERT INTO keys VALUES ('a', 'example.com', 'x', ?), ('b', 'example.org', 'y', ?)", key, key); err != nil {
		t.Fatal(err)
	}
	sqlite := "dsn:sqlite3://" + database + "/table=keys?keycol=name?datacol=domain,selector,key"
	lua := "lua:" + write("table.lua", fmt.Sprintf("if query == 'a' then return 'example.com', 'x', %q end\nif query == 'b' then return 'example.org', 'y', %q end\nreturn nil\n", key, key))
	conf := write("conf", "KeyTable "+lua+"\nSigningTable csl:*@example.com=a,*@example.net=a\n")
	both := []string{"x._domainkey.example.com.", "y._domainkey.example.org."}
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"a database":           {[]string{sqlite}, both},
		"one row of it":        {[]string{sqlite, "b"}, both[1:]},
		"a script, by names":   {[]string{lua, "a", "b"}, both},
		"by the signing table": {[]string{"--config", conf}, both[:1]},
	} {
		out := runModernTool(t, append([]string{"zone"}, tt.args...)...)
		var got []string
		for line := range strings.Lines(out) {
			got = append(got, strings.Fields(line)[0])
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	var errs strings.Builder
	if code := Main(t.Context(), []string{"dojang", "zone", lua}, Streams{strings.NewReader(""), &errs, &errs}); code == 0 || !strings.Contains(errs.String(), "give the names of its rows") {
		t.Errorf("%d %s", code, &errs)
	}
}
