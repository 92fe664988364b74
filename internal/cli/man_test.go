package cli

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"dojang/internal/testutil"
)

// Each option in a classic tool's usage is in its manual page.
func TestManualPagesNameEveryOption(t *testing.T) {
	option := regexp.MustCompile(`(?m)^\t(--?[a-zA-Z-]+)`)
	for name, usage := range map[string]string{
		"opendkim-genkey": classicGenkeyUsage, "opendkim-testkey": classicTestkeyUsage, "opendkim-testmsg": classicTestmsgUsage,
		"opendkim-genzone": classicGenzoneUsage, "opendkim-atpszone": classicATPSZoneUsage,
	} {
		page, err := os.ReadFile("../../packaging/man/" + name + ".8")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(page), `\-`, "-")
		options := option.FindAllStringSubmatch(usage, -1)
		if len(options) < 5 {
			t.Fatalf("%s: only %d options found", name, len(options))
		}
		for _, o := range options {
			if !regexp.MustCompile(`(?m)^\.(B|BI|BR) (.* )?`+regexp.QuoteMeta(o[1])+`\b`).MatchString(text) && !strings.Contains(text, `\fB`+o[1]) {
				t.Errorf("%s(8) does not tell of %s", name, o[1])
			}
		}
	}
}

// Each classic tool has a manual page that man can print.
func TestManualPagesAreThere(t *testing.T) {
	man := testutil.Need(t, "man")
	for name := range classic {
		page := "../../packaging/man/" + name + ".8"
		if name == "opendkim" { // made from the help texts
			continue
		}
		cmd := exec.Command(man, "--warnings", "-l", page)
		cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "MAN_DISABLE_SECCOMP=1")
		var complaints strings.Builder
		cmd.Stderr = &complaints
		if out, err := cmd.Output(); err != nil || complaints.Len() > 0 || !strings.Contains(string(out), name) {
			t.Errorf("%s: %v %s", page, err, complaints.String())
		}
	}
}
