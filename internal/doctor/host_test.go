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
				command = h.mend(p)
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

// TestMend types the edit of each kind of problem that a program can take away: the line
// has none afterwards, and says what was meant.
func TestMend(t *testing.T) {
	for _, test := range []struct{ wrong, right string }{
		{"SignatureTTL 60", "SignatureTTL 604800"},
		{"SignatureTTL 14d", "SignatureTTL 1209600"},
		{"UMask 22", "UMask 022"},
		{`AuthservID "mx.example";`, "AuthservID mx.example"},
		{"SignatureAlgorithm rsa-sha1", "#SignatureAlgorithm rsa-sha1"},
		{"TestDNSData /dev/null # of ours", "#TestDNSData /dev/null # of ours"},
		{`SyslogName "two words\n"`, `SyslogName two words\n`},
		{"SyslogName = it's", "SyslogName it's"},
		{`Selector ""`, `#Selector ""`},
		{"Socket 8899", "Socket inet:8899@localhost"},
		{"Socket 8899@127.0.0.1", "Socket inet:8899@127.0.0.1"},
		{"Socket inet:[::1]:8899", "Socket inet6:8899@::1"},
		{"Nameservers 127.0.0.1; ::1", "Nameservers 127.0.0.1,::1"},
	} {
		path := filepath.Join(t.TempDir(), "it's a conf")
		if err := os.WriteFile(path, []byte("Syslog yes\n"+test.wrong+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := (&config.Source{File: path}).Load()
		edit := ""
		for _, p := range append(problems, c.Check()...) {
			if command := (&host{Config: c, File: path}).mend(p); p.Line == 2 && command != "" {
				edit, _, _ = strings.Cut(command, " && ")
			}
		}
		if out, err := exec.Command("sh", "-ec", edit).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", edit, err, out)
		}
		if got, _ := os.ReadFile(path); string(got) != "Syslog yes\n"+test.right+"\n" {
			t.Errorf("%s: %s\n%s", test.wrong, edit, got)
		}
		c, problems = (&config.Source{File: path}).Load()
		for _, p := range append(problems, c.Check()...) {
			if p.Line == 2 {
				t.Errorf("%s: %s", test.right, p)
			}
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

// TestExaminesNoHalfConfiguration wants nothing of doctor but what could not be read, and
// no command: a Socket that it misses may stand there.
func TestExaminesNoHalfConfiguration(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "opendkim.conf")
	if err := os.WriteFile(path, []byte("Mode sv\nInclude "+folder+"/nowhere.conf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, unreadable := range []string{path, folder, folder + "/none.conf"} {
		r := Examine(t.Context(), Options{Source: config.Source{File: unreadable}})
		if len(r) != 1 || !strings.Contains(r[0].Text, "cannot be read") || r[0].Status != Bad || r[0].Remedy != "" {
			t.Errorf("%s: %+v", unreadable, r)
		}
		c, _ := config.Load(unreadable)
		if found := c.Check(); c.IsWhole() || found != nil {
			t.Errorf("%s: %v", unreadable, found)
		}
	}
}
