package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dojang/internal/config"
)

// TestRespell types the edit for each way to miss an option's name.
func TestRespell(t *testing.T) {
	for _, test := range []struct{ wrong, right string }{
		{"Selektor mail", "Selector mail"},
		{"  Selektor\tmail # note", "  Selector\tmail # note"},
		{"Selector: mail", "Selector mail"},
		{"Selector=mail", "Selector mail"},
		{`DiagnosticDirectory=/a&b\c/it's`, `DiagnosticDirectory /a&b\c/it's`},
		{"Selector mail\nSelektor other", ""}, // which of the two is meant?
		{"Nothing like it", ""},
	} {
		path := filepath.Join(t.TempDir(), "opendkim.conf")
		const before = "# Selektor\nMode s\n"
		if err := os.WriteFile(path, []byte(before+test.wrong+"\nSyslog yes\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		source := config.Source{File: path}
		c, problems := source.Load()
		h := &host{Config: c, File: path}
		command := ""
		for _, p := range problems {
			if strings.HasPrefix(p.Text, "unknown option") {
				command = h.respell(p)
			}
		}
		if command == "" || test.right == "" {
			if command != "" || test.right != "" {
				t.Errorf("%s: %q", test.wrong, command)
			}
			continue
		}
		edit, _, _ := strings.Cut(command, " && ")
		if out, err := exec.Command("sh", "-ec", edit).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", edit, err, out)
		}
		if got, _ := os.ReadFile(path); string(got) != before+test.right+"\nSyslog yes\n" {
			t.Errorf("%s: %s\n%s", test.wrong, edit, got)
		}
	}
}

// TestAppendLine types the command on files with and without an end of their last line.
func TestAppendLine(t *testing.T) {
	for before, after := range map[string]string{"": "", "a\n": "a\n", "a": "a\n", "a\n\n": "a\n\n"} {
		path := filepath.Join(t.TempDir(), "it's one")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		const line = `b 'c' \n %s $d`
		command := appendLine(path, line)
		if out, err := exec.Command("sh", "-ec", command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		if got, _ := os.ReadFile(path); string(got) != after+line+"\n" {
			t.Errorf("%q: %s\n%s", before, command, got)
		}
	}
}
