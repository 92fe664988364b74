package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// leavesOut tells of each build tag which modules go, and a data set that then does
// not work.
var leavesOut = []struct{ tag, modules, set, named string }{
	{"nomysql", "github.com/go-sql-driver/mysql", "dsn:mysql://u:p@127.0.0.1/db/table=t?keycol=k?datacol=v", "dsn:mysql:"},
	{"nopgsql", "github.com/jackc/pgx/v5", "dsn:pgsql://u:p@127.0.0.1/db/table=t?keycol=k?datacol=v", "dsn:pgsql:"},
	{"nosqlite", "modernc.org/sqlite modernc.org/libc", "dsn:sqlite3:///nowhere/db/table=t?keycol=k?datacol=v", "dsn:sqlite3:"},
	{"noredis", "github.com/redis/go-redis/v9", "redis://127.0.0.1:1/0?prefix=p", "redis:"},
	{"noldap", "github.com/go-ldap/ldap/v3", "ldap://127.0.0.1:1/dc=test?cn?sub?(cn=$d)", "ldap:"},
	{"nomemcache", "github.com/bradfitz/gomemcache", "memcache:127.0.0.1:1/p", "memcache:"},
}

// modules are those that the program is made of under the tags.
func modules(t *testing.T, tags string) map[string]bool {
	t.Helper()
	list := map[string]bool{}
	for module := range strings.FieldsSeq(shell(t, "../..", "go list -tags '"+tags+
		"' -deps -f '{{with .Module}}{{.Path}}{{end}}' ./cmd/dojang")) {
		list[module] = true
	}
	return list
}

func TestTagsLeaveDriversOut(t *testing.T) {
	all := modules(t, "")
	for _, test := range leavesOut {
		without := modules(t, test.tag)
		for module := range all {
			if gone := strings.Contains(" "+test.modules+" ", " "+module+" "); gone && without[module] {
				t.Errorf("with %s there still is %s", test.tag, module)
			}
		}
		for _, other := range leavesOut {
			if m := strings.Fields(other.modules)[0]; other.tag != test.tag && !without[m] {
				t.Errorf("with %s there is no %s", test.tag, m)
			}
		}
	}
}

// TestLeftOutIsTold builds the program without any of them: it says so, and each set
// that needs one is an error of the configuration that names it.
func TestLeftOutIsTold(t *testing.T) {
	var tags []string
	for _, test := range leavesOut {
		tags = append(tags, test.tag)
	}
	dir := testutil.SecureDir(t)
	shell(t, "../..", "CGO_ENABLED=0 go build -trimpath -tags "+strings.Join(tags, ",")+" -o "+dir+"/opendkim ./cmd/dojang")
	abilities := shell(t, dir, "./opendkim -V")
	for _, test := range leavesOut {
		if !strings.Contains(abilities, "Left out of this build:") || !strings.Contains(abilities, " "+test.named) {
			t.Errorf("opendkim -V does not say that %s is left out:\n%s", test.named, abilities)
		}
		conf := filepath.Join(dir, "conf")
		must(t, os.WriteFile(conf, []byte("Mode v\nSocket local:"+dir+"/s\nExemptDomains "+test.set+"\n"), 0o600))
		out, err := exec.Command(filepath.Join(dir, "opendkim"), "-n", "-x", conf).CombinedOutput()
		if exit, _ := err.(*exec.ExitError); exit == nil || exit.ExitCode() != 78 ||
			!strings.Contains(string(out), test.named+" was left out") || !strings.Contains(string(out), test.tag) {
			t.Errorf("%s: %v\n%s", test.set, err, out)
		}
	}
}
