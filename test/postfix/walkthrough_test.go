package postfix

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/smtptest"
)

var codeBlock = regexp.MustCompile("(?s)```(?:sh)?\n(.*?)```")

// blocks are what a reader of a walk-through types or sees.
func blocks(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + document)
	must(t, err)
	var found []string
	for _, m := range codeBlock.FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	if len(found) < 20 {
		t.Fatalf("%s has %d code blocks only", document, len(found))
	}
	return found
}

// block is the one that begins so.
func block(t *testing.T, beginning string) string {
	t.Helper()
	for _, b := range blocks(t, "walkthrough.md") {
		if strings.HasPrefix(b, beginning) {
			return b
		}
	}
	t.Fatalf("no block begins with %q", beginning)
	return ""
}

// TestWalkthroughs: both languages have the reader do the same.
func TestWalkthroughs(t *testing.T) {
	if diff := cmp.Diff(blocks(t, "walkthrough.md"), blocks(t, "walkthrough.ko.md")); diff != "" {
		t.Errorf("the walk-throughs differ in what they have their readers type (-en +ko):\n%s", diff)
	}
}

// TestWalkthroughWorks types what the walk-through says, in a folder of its own,
// up to mail signed over the UNIX socket of its section on key safety.
func TestWalkthroughWorks(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.Need(t, "postfix", "master", "awk", "perl")
	dns := dnstest.New(t, "")
	f := newFilter(t, dns.Addr, "")
	place := strings.NewReplacer("/etc/opendkim.conf", f.path("opendkim.conf"), "/etc/opendkim", f.dir, "/run/opendkim/", f.path("run")+"/",
		"/var/spool/postfix", f.path("postfix/queue"), "\nNameservers         127.0.0.1",
		"\nNameservers "+dns.Addr+"\nSyslogSocket "+f.path("run/log"))
	must(t, os.MkdirAll(f.path("postfix/queue"), 0o755))
	shell := func(script string) string {
		cmd := exec.Command("sh", "-e", "-c", place.Replace(script))
		cmd.Env = append(os.Environ(), "PATH="+f.bin+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, err.(*exec.ExitError).Stderr)
		}
		return string(out)
	}
	shell(block(t, "install -d -o opendkim -g opendkim -m 0750"))
	write(t, f.path("KeyTable"), place.Replace(block(t, "mail2026._domainkey")))
	write(t, f.path("SigningTable"), block(t, "*@example.com"))
	write(t, f.path("TrustedHosts"), block(t, "127.0.0.1\n"))
	shell(block(t, "install -d -o opendkim -g postfix"))
	conf := regexp.MustCompile(`(?m)^Socket.*\n`).ReplaceAllLiteralString(block(t, "Mode "), block(t, "Socket "))
	write(t, f.path("opendkim.conf"), place.Replace(conf))
	shell("dojang config check --config /etc/opendkim.conf")
	record := strings.TrimSpace(shell(block(t, "awk")))
	dns.AddTXT("mail2026._domainkey.example.com", record)
	f.tool(0, "opendkim-testkey", "-x", f.path("opendkim.conf"), "-d", "example.com", "-s", "mail2026", "-vvv")
	f.start()

	far := smtptest.NewSink(t)
	line, _, _ := strings.Cut(block(t, "postconf -e 'smtpd_milters = unix:"), "\n")
	_, socket, _ := strings.Cut(line, " = ")
	mta := startMTA(t, f.dir, strings.TrimSuffix(strings.TrimSpace(socket), "'"), far)
	info, err := os.Stat(filepath.Join(mta.dir, "queue/opendkim/opendkim.sock"))
	must(t, err)
	if info.Mode().Perm() != 0o770 { // UMask 007
		t.Errorf("the socket has mode %v", info.Mode())
	}
	c := dial(t, mta.smtp)
	c.Hello()
	id := c.Send("user@example.com", "friend@example.org", mail("user@example.com", "friend@example.org", "walk-through", "Hello.\r\n"))
	c.Quit()
	f.log.expect(t, id, infoLine+"DKIM-Signature field added (s=mail2026, d=example.com)")
	message := far.Await(t, "friend@example.org")
	expectSigned(t, dns.Addr, message, "pass d=example.com s=mail2026 i=@example.com")
	seen := "DKIM-Signature: " + strings.Join(smtptest.Fields(message, "DKIM-Signature"), "")
	if want := strings.TrimSpace(block(t, "DKIM-Signature: ")); !strings.HasPrefix(seen, want) {
		t.Errorf("the reader does not see %q but %q", want, seen)
	}
}
