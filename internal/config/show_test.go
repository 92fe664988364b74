package config

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dojang/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

func TestDump(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "f", "Mode v\nMode sv\nLDAPBindPassword swordfish\nKeyTable "+
		"dsn:mysql://me:swordfish@db/x/table=t?keycol=k?datacol=d\nSocket local:/s both\nSocket inet:1\nADSPAction reject\n")
	c, _ := Load("f")
	c.Set("Domain", "example.com", CommandLine)
	var b bytes.Buffer
	if err := c.Dump(&b); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	want := []string{
		"Domain                        example.com  # command line",
		"KeyTable                      dsn:mysql://me:[redacted]@db/x/table=t?keycol=k?datacol=d  # f:4",
		"LDAPBindPassword              [redacted]  # f:3",
		"Mode                          sv  # f:2",
		"Socket                        local:/s both  # f:5",
		"Socket                        inet:1  # f:6",
		"Background                    yes  # default",
	}
	for _, w := range want {
		found := false
		for _, line := range got {
			found = found || strings.Join(strings.Fields(line), " ") == strings.Join(strings.Fields(w), " ")
		}
		if !found {
			t.Errorf("missing: %s", w)
		}
	}
	if strings.Contains(b.String(), "swordfish") || strings.Contains(b.String(), "ADSPAction") {
		t.Errorf("shown:\n%s", b.String())
	}
	// What is shown can be read again.
	write(t, "g", b.String())
	again, problems := Load("g")
	if problems.HasErrors() {
		t.Error(problems.Error())
	}
	if diff := cmp.Diff([]string{"KeyTable", "LDAPBindPassword"}, Changed(c, again)); diff != "" {
		t.Errorf("only passwords may differ: %s", diff)
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"dsn:pgsql://u:p@5432+h/d/table=t":   "dsn:pgsql://u:[redacted]@5432+h/d/table=t",
		"redis://:p@h:6379/0":                "redis://:[redacted]@h:6379/0",
		"dsn:pgsql://u@h/d":                  "dsn:pgsql://u@h/d",
		"ldap://h:389/?a?sub?(mail=$d@x)":    "ldap://h:389/?a?sub?(mail=$d@x)",
		"refile:/etc/opendkim/KeyTable":      "refile:/etc/opendkim/KeyTable",
		"http://u:p@a/,http://u:q@b/":        "http://u:[redacted]@a/,http://u:[redacted]@b/",
		"dsn:mysql://u:p=40q@h/d/table=keys": "dsn:mysql://u:[redacted]@h/d/table=keys",
	} {
		if got := redact(Find("KeyTable"), text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestExplain(t *testing.T) {
	explain := func(name string, exists bool) string {
		var b bytes.Buffer
		if ok, err := Explain(&b, name); ok != exists || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		return b.String()
	}
	want := `UMask (octal)

  The permission bits that new files and UNIX sockets do not get. Begin it
  with 0 to have it read as octal: 007 lets the user and the group use the
  socket, 002 everybody. Not obeyed by a reload.

  since:    OpenDKIM 2.11
  reload:   not obeyed: restart the filter
  example:  UMask 002
`
	if diff := cmp.Diff(want, explain("umask", true)); diff != "" {
		t.Error(diff)
	}
	if got := explain("KeyTabel", false); got != "There is no option \"KeyTabel\". Did you mean KeyTable?\n" {
		t.Error(got)
	}
	if got := explain("insecurekey", true); !strings.Contains(got, "status:   historic; read, told of and ignored") ||
		!strings.Contains(got, "instead:  UnprotectedKey") {
		t.Error(got)
	}
	for _, o := range Options() {
		for line := range strings.SplitSeq(explain(o.Name, true), "\n") {
			if len([]rune(line)) > 80 && strings.Contains(strings.TrimSpace(line), "  ") == false {
				t.Errorf("%s: a long line: %s", o.Name, line)
			}
		}
	}
}

func TestDocumentsNameEveryOption(t *testing.T) {
	var page, manual bytes.Buffer
	if err := WriteMarkdown(&page); err != nil {
		t.Fatal(err)
	}
	if err := WriteMan(&manual); err != nil {
		t.Fatal(err)
	}
	for _, o := range Options() {
		if heading := "\n### " + o.Name + "\n"; o.Status != Historic && strings.Count(page.String(), heading) != 1 {
			t.Errorf("%s has no heading", o.Name)
		}
		if o.Status == Historic && !strings.Contains(page.String(), "- **"+o.Name+"**") {
			t.Errorf("%s is not listed", o.Name)
		}
		if !strings.Contains(manual.String(), strings.ReplaceAll(o.Name, "-", `\-`)) {
			t.Errorf("%s is not in the manual", o.Name)
		}
	}
}

// man finds nothing to complain about.
func TestManualPageRenders(t *testing.T) {
	man := testutil.Need(t, "man")
	cmd := exec.Command(man, "--warnings", "-l", "../../packaging/man/opendkim.conf.5")
	cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "MAN_DISABLE_SECCOMP=1")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("%v: %s", err, complaints.String())
	}
	if !strings.Contains(out.String(), "SigningTable (dataset)") {
		t.Error("the page is not what it should be")
	}
}
