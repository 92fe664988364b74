package databases

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/dataset/sqlset"
	"dojang/internal/migrate"
	"dojang/internal/testutil"
)

const page = "../../docs/datasets.md"

// copyable is an example of the page's table.
var copyable = regexp.MustCompile("(?m)^\\| [^|]+ \\| `(\\w+) ([^`]+)` \\|")

// lines are the page's copyable ones.
func lines(page []byte) (found []string) {
	for _, m := range copyable.FindAllSubmatch(page, -1) {
		found = append(found, string(m[1])+" "+string(m[2]))
	}
	return found
}

// TestEveryFormOfThePage: each line of docs/datasets.md is one that the filter takes;
// the suites of the back-ends ask servers by the same forms.
func TestEveryFormOfThePage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	translated, err := os.ReadFile(strings.Replace(page, ".md", ".ko.md", 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(text), lines(translated)); diff != "" {
		t.Errorf("the translation has other lines (-original +translation):\n%s", diff)
	}
	kinds := map[string]bool{}
	for _, m := range copyable.FindAllStringSubmatch(string(text), -1) {
		c := config.New()
		if problems := c.Set(m[1], m[2], config.CommandLine); problems.HasErrors() {
			t.Errorf("%s %s: %v", m[1], m[2], problems)
		}
		spec, err := dataset.ParseSpec(m[2])
		if err != nil {
			t.Errorf("%s: %v", m[2], err)
			continue
		}
		kinds[spec.Type] = true
		if spec.Type == dataset.TypeDSN {
			if _, err := sqlset.ParseDSN(spec.Args); err != nil {
				t.Errorf("%s: %v", m[2], err)
			}
		}
	}
	for kind := range build.Openers(config.New(), build.Parts{}) {
		if kind != dataset.TypeErlang && !kinds[kind] {
			t.Errorf("the page has no example of %s", kind)
		}
	}
}

// TestSQLiteFromNothing types the page's commands.
func TestSQLiteFromNothing(t *testing.T) {
	testutil.Need(t, "sqlite3")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	dir := t.TempDir()
	record := testutil.KeyRecord(testutil.RSAKey())
	for name, text := range map[string]string{
		"mail2026.private": testutil.KeyPEM(testutil.RSAKey()),
		"KeyTable":         "mail2026 example.com:mail2026:" + filepath.Join(dir, "mail2026.private") + "\n",
		"SigningTable":     "*@example.com mail2026\n",
		"records":          "mail2026._domainkey.example.com " + record + "\n",
		"opendkim.conf":    "KeyTable " + filepath.Join(dir, "KeyTable") + "\nSigningTable refile:" + filepath.Join(dir, "SigningTable") + "\nTestPublicKeys " + filepath.Join(dir, "records") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	block = strings.NewReplacer("/etc/opendkim.conf", filepath.Join(dir, "opendkim.conf"), "/var/lib/opendkim", dir).Replace(block)
	wants := []string{"", "example.com", "mail2026._domainkey.example.com", "mail2026._domainkey.example.com."}
	i := 0
	for command := range strings.Lines(block) {
		command = strings.TrimSpace(command)
		if strings.HasPrefix(command, "dojang testkey") {
			command += " --config " + filepath.Join(dir, "opendkim.conf")
		}
		cmd := exec.Command("sh", "-ec", command)
		cmd.Env = append(os.Environ(), "PATH="+testutil.Build(t)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), wants[i]) {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		i++
	}
	if i != len(wants) {
		t.Errorf("%d commands were typed", i)
	}
}

// The lines for opendkim.conf of an SQLite file, which --to cannot fill.
func TestLinesForSQLite(t *testing.T) {
	keys, signing := migrate.DSNs("dsn:sqlite3:///var/lib/opendkim/mail.db")
	for _, dsn := range []string{keys, signing} {
		if d, err := sqlset.ParseDSN(strings.TrimPrefix(dsn, "dsn:")); err != nil || d.Database != "/var/lib/opendkim/mail.db" {
			t.Errorf("%s: %+v %v", dsn, d, err)
		}
	}
}
