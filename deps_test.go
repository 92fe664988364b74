package dojang

import (
	"os/exec"
	"strings"
	"testing"
)

// below says for each package which of ours it may import; what is not listed
// may import nothing of ours. Imports point down only: a package knows those
// below it and never those above.
var below = read(`
header:
taglist:
milter:
authres:
dkim: header taglist
internal/plain:
internal/problem:
internal/exit: internal/problem
internal/getopt:
internal/privilege:
internal/logging: internal/plain
internal/atomicfile: internal/privilege
internal/flight:
internal/lru:
internal/keyrecord: dkim taglist
internal/resolver: dkim internal/flight internal/privilege internal/problem
internal/keycheck: dkim taglist internal/keyrecord internal/resolver
internal/words: dkim internal/keyrecord
internal/web: dkim header internal/event internal/explain internal/keycheck internal/keyrecord internal/privilege internal/resolver internal/status internal/web/html internal/words
internal/web/html:
internal/statistics: dkim
internal/zone: internal/build internal/config internal/dataset internal/exit internal/keycheck internal/keyrecord internal/keytable internal/policy
internal/rsaengine:
internal/copied: dkim header
internal/event: internal/logging internal/plain internal/problem
internal/event/gen:
internal/config: dkim internal/dataset internal/getopt internal/policy internal/privilege internal/problem internal/resolver
internal/config/gen: internal/config
internal/dataset: internal/atomicfile internal/problem internal/privilege
internal/keystore: dkim internal/dataset internal/flight internal/lru internal/problem internal/privilege
internal/bre:
internal/policy: dkim header authres taglist internal/bre internal/copied internal/dataset internal/keystore internal/event internal/statistics internal/plain
internal/kept: internal/atomicfile
internal/reputation: header internal/dataset internal/event internal/kept internal/lru internal/policy
internal/status: dkim internal/kept
internal/script: dkim header internal/policy internal/event internal/dataset internal/privilege internal/statistics internal/plain
internal/message: dkim header internal/policy internal/event internal/resolver internal/status internal/statistics
internal/filter: milter internal/message internal/policy internal/event
internal/report: dkim header taglist internal/atomicfile internal/policy internal/event internal/resolver internal/statistics internal/plain
internal/explain: dkim header internal/copied internal/keyrecord internal/resolver internal/words
internal/metrics: dkim
internal/testutil:
internal/testutil/dnstest: internal/testutil
internal/testutil/proctest:
internal/testutil/zonetest: internal/testutil internal/testutil/proctest internal/testutil/dnstest
internal/testutil/filtertest: dkim header milter internal/testutil internal/testutil/proctest
internal/testutil/maildkim: internal/testutil internal/testutil/proctest
internal/testutil/configtest: internal/config
internal/testutil/smtptest: internal/testutil internal/testutil/proctest
internal/doctor: dkim header internal/build internal/config internal/dataset internal/doctor/postfix internal/keyrecord internal/keystore internal/keytable internal/message internal/policy internal/problem internal/resolver internal/status internal/trial internal/words milter
internal/doctor/postfix:
internal/loadgen: milter
internal/rehearse: dkim authres taglist milter internal/event internal/filter internal/plain internal/words
internal/publish: header internal/keyrecord internal/privilege internal/problem internal/resolver
internal/rotate/settings: internal/config internal/keyrecord internal/problem internal/publish internal/resolver
internal/rotate/settings/gen: internal/rotate/settings
internal/rotate/publication: internal/keycheck internal/keyrecord internal/problem internal/publish internal/rotate/settings
internal/migrate: internal/dataset internal/dataset/redisset internal/dataset/sqlset internal/keystore internal/problem
internal/testutil/dmarctest: internal/testutil internal/testutil/filtertest internal/testutil/proctest internal/testutil/smtptest
internal/rotate: internal/atomicfile internal/config internal/dataset internal/keycheck internal/keyrecord internal/keystore internal/privilege internal/publish internal/rotate/settings internal/status
internal/cli/gen: internal/cli
internal/build/pages: dkim header internal/app internal/build internal/config internal/exit internal/explain internal/keycheck internal/keyrecord internal/privilege internal/resolver internal/status internal/trial internal/web
internal/setup: internal/atomicfile internal/build internal/config internal/dataset internal/exit internal/keyrecord internal/keystore internal/keytable internal/problem internal/words milter
internal/build/rotation: internal/app internal/atomicfile internal/build internal/config internal/dataset internal/doctor internal/exit internal/keycheck internal/keystore internal/problem internal/publish internal/resolver internal/rotate internal/rotate/publication internal/rotate/settings internal/status
internal/testutil/databasetest: internal/dataset/datasettest internal/dataset/sqlset internal/testutil internal/testutil/proctest
internal/trial: dkim header internal/build internal/config internal/exit internal/explain internal/filter internal/keystore internal/keytable internal/logging internal/message internal/policy internal/problem
internal/keytable: dkim internal/build internal/config internal/dataset internal/exit internal/keycheck internal/keystore internal/problem internal/resolver internal/words
`)

// read reads lines "package: what it may import".
func read(text string) map[string]string {
	list := map[string]string{}
	for line := range strings.Lines(text) {
		if name, imports, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			list[name] = strings.TrimSpace(imports)
		}
	}
	return list
}

// TestImportsPointDown holds packages to the direction of the architecture.
// build, app, cli and main compose and may import everything.
func TestImportsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		path = strings.TrimPrefix(path, "dojang/")
		switch {
		case path == "dojang", strings.HasPrefix(path, "cmd/"), strings.HasPrefix(path, "test/"), strings.HasPrefix(path, "bench"),
			path == "internal/app", path == "internal/build", path == "internal/cli", strings.HasPrefix(path, "internal/rsaengine/asm"):
			continue
		}
		seen++
		allowed, known := below[path]
		if !known && strings.HasPrefix(path, "internal/dataset/") {
			allowed, known = "internal/dataset internal/dataset/remote internal/flight internal/lru internal/privilege "+
				"internal/problem internal/testutil internal/testutil/proctest", true
		}
		if !known {
			t.Errorf("%s is not in the list of packages: say what it may import", path)
			continue
		}
		for i := range strings.FieldsSeq(imports) {
			name, ours := strings.CutPrefix(i, "dojang/")
			if ours && !strings.Contains(" "+allowed+" ", " "+name+" ") {
				t.Errorf("%s imports %s, which is not below it", path, name)
			}
		}
	}
	if seen < 10 {
		t.Fatalf("only %d packages were looked at", seen)
	}
}

// way are the packages that a message passes through.
var way = strings.Fields("header taglist dkim authres milter internal/dataset internal/keystore internal/resolver " +
	"internal/policy internal/script internal/report internal/reputation internal/message internal/filter")

// TestNothingOfAMessagesWayKnowsItsUsers: not even a test of such a package imports what
// stands at the top, for then what is tested would be a tool's idea of the filter.
func TestNothingOfAMessagesWayKnowsItsUsers(t *testing.T) {
	for _, path := range way {
		out, err := exec.Command("go", "list", "-f", `{{join .TestImports " "}} {{join .XTestImports " "}}`, "./"+path).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", path, err)
		}
		for i := range strings.FieldsSeq(string(out)) {
			if i == "dojang/internal/app" || i == "dojang/internal/cli" {
				t.Errorf("the tests of %s import %s", path, i)
			}
		}
	}
}

// TestCommandsKnowNoCraft: what makes and judges keys, reads DNS and asks databases is
// not the commands' own: they say what is wanted and print what comes back.
func TestCommandsKnowNoCraft(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports " "}}`, "./internal/cli").Output()
	if err != nil {
		t.Fatal(err)
	}
	for i := range strings.FieldsSeq(string(out)) {
		switch {
		case i == "crypto/rsa", i == "crypto/x509", i == "encoding/pem", i == "database/sql",
			i == "dojang/internal/keyrecord", i == "dojang/internal/resolver", strings.HasPrefix(i, "dojang/internal/resolver/"),
			strings.HasSuffix(i, "/agekey"), strings.Contains(i, "redis"):
			t.Errorf("internal/cli imports %s", i)
		}
	}
}
