package doctor

import (
	"os/exec"
	"strings"
	"testing"

	"dojang/internal/config"
)

// Names of domains may come from tables that customers of a host write: none of them
// ends a word of a command that root is to type.
func TestHostileDomainsAreQuoted(t *testing.T) {
	c := config.New()
	for name, value := range map[string]string{"KeyTable": "file:/etc/opendkim/KeyTable",
		"SigningTable": "refile:/etc/opendkim/SigningTable"} {
		if problems := c.Set(name, value, config.CommandLine); problems.HasErrors() {
			t.Fatal(problems)
		}
	}
	h := &host{Config: c, File: "/etc/opendkim.conf", Filter: person{Name: "opendkim"}}
	for _, domain := range []string{"a.example;id", "a.example`id`", "$(id).example", "a'b.example", "a.example\nid",
		"a.example|id", "--x.example"} {
		command, _ := h.signFor(domain)
		first, _, _ := strings.Cut(command, " --selector")
		// printf tells the words as the shell reads them.
		out, err := exec.Command("sh", "-c", strings.Replace(first, "dojang genkey", "printf '%s|'", 1)).Output()
		if want := "--domain|" + domain + "|"; err != nil || string(out) != want {
			t.Errorf("%q: %q %v in %s", domain, out, err, command)
		}
	}
}
