package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameThePackagesSocket: what the packages write where smtpd is locked in
// (Debian) and where it is not (Red Hat), and what README and the walkthroughs have the
// reader type into Postfix, are one socket.
func TestDocumentsNameThePackagesSocket(t *testing.T) {
	readme := text(t, "../../README.md")
	line := regexp.MustCompile(`postconf -e 'smtpd_milters = (\S+)' .*# Red Hat: (\S+)`).FindStringSubmatch(readme)
	if line == nil {
		t.Fatal("README.md has no line for Postfix")
	}
	const queue = "/var/spool/postfix"
	for chroot, milter := range map[string]string{"y": line[1], "n": line[2]} {
		path := strings.TrimPrefix(milter, "unix:")
		if !strings.HasPrefix(path, "/") {
			path = queue + "/" + path // as Postfix finds it (MILTER_README)
		}
		written := firstConfiguration(t, chroot, queue)
		if !regexp.MustCompile(`(?m)^Socket\s+local:` + regexp.QuoteMeta(path) + "$").MatchString(written) {
			t.Errorf("chroot %s: README.md has Postfix look at %s, and the package writes\n%s", chroot, path, written)
		}
		if !strings.Contains(written, "smtpd_milters = "+milter+"'") {
			t.Errorf("chroot %s: the package's line for Postfix is not README.md's, %s", chroot, milter)
		}
	}
	for _, document := range []string{"walkthrough.md", "walkthrough.ko.md"} {
		said := text(t, "../../docs/"+document)
		for _, want := range []string{"smtpd_milters = " + line[1] + "'", "local:" + queue + "/" + strings.TrimPrefix(line[1], "unix:"),
			"`dojang', `S=local:" + strings.TrimPrefix(line[2], "unix:")} {
			if !strings.Contains(said, want) {
				t.Errorf("%s does not say %s", document, want)
			}
		}
	}
}

// firstConfiguration is what the packages' script writes on a machine whose Postfix locks
// smtpd in or does not.
func firstConfiguration(t *testing.T, chroot, queue string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{
		"postconf": `case "$1" in -F) echo "smtp/inet/chroot = ` + chroot + `";; -h) echo ` + queue + `;; esac`, "getent": "exit 0", "install": "exit 0",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "tmpfiles.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	packaging, err := filepath.Abs("../../packaging")
	if err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/usr/share/dojang/", packaging+"/", "/etc/", dir+"/").Replace(text(t,
		"../../packaging/first-configuration"))
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return text(t, filepath.Join(dir, "opendkim.conf"))
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
