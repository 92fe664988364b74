package rotation

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
)

// A key that stands in its row of a database changes there, when the filter has seen it.
func TestKeyInDatabase(t *testing.T) {
	testutil.Need(t, "sqlite3")
	l := &life{site: newSite(t, "bind", byBIND+fast+"State DIR/state\n")}
	path, _ := l.key("example.com", "old")
	pem, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var key strings.Builder
	for line := range strings.Lines(string(pem)) {
		if !strings.HasPrefix(line, "-") {
			key.WriteString(strings.TrimSpace(line))
		}
	}
	sql := func(text string) string {
		out, err := exec.Command("sqlite3", l.path("t.db"), text).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", text, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	sql("CREATE TABLE keys (name TEXT PRIMARY KEY, domain TEXT, selector TEXT, key TEXT, note TEXT);" +
		"INSERT INTO keys VALUES ('k', 'example.com', 'old', '" + key.String() + "', 'ours'), ('o', 'other.example', 's', 'x', 'theirs');" +
		"CREATE TABLE authors (author TEXT PRIMARY KEY, name TEXT); INSERT INTO authors VALUES ('example.com', 'k');")
	dsn := "dsn:sqlite3://" + l.path("t.db") + "/table="
	conf := l.write("opendkim.conf", "KeyTable "+dsn+"keys?keycol=name?datacol=domain,selector,key\n"+
		"SigningTable "+dsn+"authors?keycol=author?datacol=name\nDataSetCacheTTL 1\nSocket local:"+l.dir+
		"/s\nMetricsSocket local:"+l.dir+"/metrics\nStatusSocket local:"+l.dir+
		"/status\nMode s\n", 0o644)
	l.publish(0, "example.com")
	text, _ := os.ReadFile(conf)
	l.filter = filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), l.dir, string(text), nil)
	if out, code := l.run("keys", "adopt", "example.com"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	if out, code := l.run("rotate", "emergency", "example.com", "--yes"); code != 0 {
		t.Fatalf("%d\n%s\n%+v", code, out, l.keys())
	}
	time.Sleep(2 * time.Second)
	got := selectors(l)
	if want := "example.com|" + got + "|ours"; got == "old" || got == "" ||
		sql("SELECT domain, selector, note FROM keys WHERE name = 'k'") != want {
		t.Errorf("signed by %q; the row is %q", got, sql("SELECT domain, selector, note FROM keys WHERE name = 'k'"))
	}
	if now := sql("SELECT key FROM keys WHERE name = 'k'"); now == key.String() || strings.Contains(now, "\n") {
		t.Errorf("the key is still the old one, or not on one line")
	}
	if other := sql("SELECT * FROM keys WHERE name = 'o'"); other != "o|other.example|s|x|theirs" {
		t.Errorf("the other row is %q", other)
	}
	if left, _ := filepath.Glob(l.path("state/pending/*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
