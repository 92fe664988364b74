package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
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
