package postfix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"dojang/internal/testutil"
	"dojang/internal/testutil/dnstest"
	"dojang/internal/testutil/proctest"
	"dojang/internal/testutil/smtptest"
)

// TestTroubles are the three that every walk-through of OpenDKIM warns of. Each
// is one domain of the same server; a fourth domain is without trouble. The
// filter is watched over by AutoRestart, as in most how-tos.
func TestTroubles(t *testing.T) {
	testutil.NeedRoot(t)
	testutil.Need(t, "postfix", "master", "perl")
	dns := dnstest.New(t, "")
	f := newFilter(t, dns.Addr, "AutoRestart yes\nAutoRestartRate 10/1h\n")
	var keys, patterns strings.Builder
	key := func(domain, path string) {
		fmt.Fprintf(&keys, "%s %s:s1:%s\n", domain, domain, path)
		fmt.Fprintf(&patterns, "*@%s %s\n", domain, domain)
	}
	made := func(domain, selector string) string {
		f.genkey(domain, selector)
		return f.path("keys/" + selector + ".private")
	}

	// The path in KeyTable is wrong.
	missing := f.path("keys/nowhere.private")
	key("missing.example", missing)

	// The key's group has members beside the filter. OpenDKIM looks at who is in
	// the group, not at whether that somebody can reach the file.
	group := account(t, "postfix").gid
	shared := made("shared.example", "shared")
	must(t, os.Chown(shared, account(t, "opendkim").uid, group))
	must(t, os.Chmod(shared, 0o640))
	key("shared.example", shared)

	// A directory above the key does not let the filter's user through.
	must(t, os.Mkdir(f.path("locked"), 0o700))
	denied := f.path("locked/denied.private")
	must(t, os.Rename(made("denied.example", "denied"), denied))
	key("denied.example", denied)

	fine := made("fine.example", "fine")
	key("fine.example", fine)
	write(t, f.path("KeyTable"), keys.String())
	write(t, f.path("SigningTable"), patterns.String())

	f.start()
	mta := startMTA(t, f.dir, "inet:"+f.socket, smtptest.NewSink(t))
	send := func(t *testing.T, domain string, code int) string {
		t.Helper()
		c := dial(t, mta.smtp)
		c.Hello()
		defer c.Quit()
		c.Envelope("user@"+domain, "friend@example.com")
		return c.Data(code, mail("user@"+domain, "friend@example.com", "trouble", "Hello.\r\n"))
	}
	for _, trouble := range []struct{ domain, line string }{
		{"missing.example", "can't load key from " + missing + ": No such file or directory"},
		{"shared.example", fmt.Sprintf(`shared.example: key data is not secure: %s is in group %d which has multiple users (e.g., "postfix")`, shared, group)},
		{"denied.example", "can't load key from " + denied + ": Permission denied"},
	} {
		t.Run(trouble.domain, func(t *testing.T) {
			send(t, trouble.domain, 451)
			f.log.wait(t, "^19 "+regexp.QuoteMeta(trouble.line)+"$")
			f.log.wait(t, `^19 [0-9A-F]+: error loading key '`+regexp.QuoteMeta(trouble.domain)+`'$`)
		})
	}
	t.Run("fine.example", func(t *testing.T) {
		_, id, _ := strings.Cut(send(t, "fine.example", 250), "queued as ")
		f.log.expect(t, id, infoLine+"DKIM-Signature field added (s=s1, d=fine.example)")
	})
	t.Run("mended", func(t *testing.T) { mend(t, f, missing, shared, denied, send) })
	t.Run("worker killed", func(t *testing.T) { restarts(t, f, mta) })
}

// mend does what the troubles' remedies are, reloads, and wants signatures.
func mend(t *testing.T, f *filter, missing, shared, denied string, send func(t *testing.T, domain string, code int) string) {
	f.genkey("missing.example", "late")
	must(t, os.Rename(f.path("keys/late.private"), missing))
	must(t, os.Chmod(shared, 0o600))
	must(t, os.Chmod(f.path("locked"), 0o711))
	f.reload("configuration reloaded")
	for _, domain := range []string{"missing.example", "shared.example", "denied.example"} {
		_, id, _ := strings.Cut(send(t, domain, 250), "queued as ")
		f.log.expect(t, id, infoLine+"DKIM-Signature field added (s=s1, d="+domain+")")
	}
}

// restarts kills the worker: its supervisor starts another, and mail goes on.
func restarts(t *testing.T, f *filter, mta *mta) {
	supervisor := f.pid()
	worker := childOf(t, supervisor)
	f.log.forget()
	must(t, syscall.Kill(worker, syscall.SIGKILL))
	f.log.wait(t, "^"+noticeLine+"terminated with signal 9, restarting$")
	proctest.Until(t, patience, "another worker", func() bool { next := findChild(supervisor); return next != 0 && next != worker })
	f.log.wait(t, "Filter v.* starting")
	c := dial(t, mta.smtp)
	c.Hello()
	id := c.Send("user@fine.example", "friend@example.com", mail("user@fine.example", "friend@example.com", "again", "Hello.\r\n"))
	f.log.expect(t, id, infoLine+"DKIM-Signature field added (s=s1, d=fine.example)")
	c.Quit()
	must(t, syscall.Kill(supervisor, syscall.SIGTERM))
	proctest.Until(t, patience, "the end of the supervisor", func() bool { return syscall.Kill(supervisor, 0) != nil })
	if f.pid() != 0 {
		t.Error("the pid file is still there")
	}
	if last := findChild(supervisor); last != 0 {
		t.Errorf("worker %d lives on without its supervisor", last)
	}
}

func childOf(t *testing.T, pid int) int {
	t.Helper()
	child := findChild(pid)
	if child == 0 {
		t.Fatalf("process %d has no child", pid)
	}
	return child
}

// findChild is a process whose parent is pid, 0 when there is none.
func findChild(pid int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// "PID (NAME) STATE PARENT ...", and the name may hold anything.
		_, after, _ := strings.Cut(string(text[max(0, strings.LastIndexByte(string(text), ')')):]), " ")
		var state string
		var parent, child int
		fmt.Sscan(after, &state, &parent)
		if parent == pid && state != "Z" {
			fmt.Sscan(string(text), &child)
			return child
		}
	}
	return 0
}
