package rotation

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/filtertest"
)

// until runs as the timer does until f reports true.
func (l *life) until(f func() bool) {
	l.t.Helper()
	out := ""
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(300 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("it does not end:\n%s\n%+v", out, l.keys())
		}
		said, code := l.run("rotate", "run")
		if out += said; code != 0 && code != 75 {
			l.t.Logf("%d: %s", code, said)
		}
	}
}

func (l *life) state(selector string) string {
	for _, it := range l.keys() {
		if it.Selector == selector {
			return it.State
		}
	}
	return ""
}

func selectors(l *life) string { return strings.Join(l.signer("a@example.com"), " ") }

// From the command to the first good signature, and to the revocation of the old key.
func TestEmergencyCommand(t *testing.T) {
	l := newLife(t, "bind", byBIND+"Interval 180d\n")
	if got := selectors(l); got != "old" {
		t.Fatalf("signed by %q", got)
	}
	if out, code := l.run("rotate", "emergency", "example.com"); code != 64 || !strings.Contains(out, "--yes") {
		t.Errorf("without a terminal: %d\n%s", code, out)
	}
	start := time.Now()
	out, code := l.run("rotate", "emergency", "example.com", "--yes")
	took := time.Since(start)
	t.Logf("%s\n%s", took, out)
	if code != 0 || took > 10*time.Second {
		t.Errorf("%d after %s", code, took)
	}
	if got := selectors(l); got == "old" || got == "" {
		t.Errorf("signed by %q", got)
	}
	if got := l.Server.Text(t, "old._domainkey.example.com"); got != "v=DKIM1; k=ed25519; p=" {
		t.Errorf("the old record is %q", got)
	}
	if _, err := os.Stat(l.path("old.private")); err == nil {
		t.Error("the old key is still there")
	}
	table, _ := os.ReadFile(l.path("KeyTable"))
	if got := strings.ReplaceAll(string(table), selectors(l),
		"NEW"); got != "# the keys\nk\texample.com:NEW:"+l.dir+"/example.com.NEW.private   # first\n" {
		t.Errorf("the table is %q", table)
	}
}

// A key of Domain, Selector and KeyFile changes in opendkim.conf, also in a file that it
// includes.
func TestLifeInConfiguration(t *testing.T) {
	testutil.NeedRoot(t)
	l := &life{site: newSite(t, "bind", byBIND+fast+"State DIR/state\n")}
	path, _ := l.key("example.com", "old")
	l.write("keys.conf", "# of ours\nSelector   old # as ever\nKeyFile "+path+"\n", 0o644)
	l.write("opendkim.conf", "Include "+l.path("keys.conf")+"\nDomain example.com\nSocket "+
		"local:"+l.dir+"/s\nMetricsSocket local:"+l.dir+"/metrics\nStatusSocket local:"+l.dir+"/status\nMode s\n", 0o644)
	l.publish(0)
	conf, _ := os.ReadFile(l.path("opendkim.conf"))
	l.filter = filtertest.Start(t, filepath.Join(testutil.Build(t), "opendkim"), l.dir, string(conf), nil)
	if out, code := l.run("keys", "adopt", "example.com"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	if out, code := l.run("rotate", "emergency", "example.com", "--yes"); code != 0 {
		t.Fatalf("%d\n%s\n%+v", code, out, l.keys())
	}
	got := selectors(l)
	if got == "old" || got == "" {
		t.Fatalf("signed by %q", got)
	}
	text, _ := os.ReadFile(l.path("keys.conf"))
	if want := "# of ours\nSelector   " + got + " # as ever\nKeyFile " + l.path("example.com."+got+".private") +
		"\n"; string(text) != want {
		t.Errorf("%q, want %q", text, want)
	}
}

// A domain comes and leaves with one command each.
func TestAddAndRetire(t *testing.T) {
	l := newLife(t, "bind", "Publisher bind rfc2136 server=SERVER key=DIR/dns/tsig.key\nZone * bind\n"+fast)
	out, code := l.run("keys", "add", "host.example")
	t.Logf("%d\n%s", code, out)
	added := func() []string { return l.signer("a@host.example") }
	l.until(func() bool { return len(added()) == 1 })
	selector := added()[0]
	if got := l.Server.Text(t, selector+"._domainkey.host.example"); !strings.HasPrefix(got, "v=DKIM1; ") {
		t.Errorf("the record is %q", got)
	}
	if got := selectors(l); got != "old" {
		t.Errorf("the other domain is signed by %q", got)
	}
	l.until(func() bool { return l.state(selector) == "signing" })
	if out, code := l.run("keys", "retire", "host.example"); code != 0 && code != 75 {
		t.Errorf("%d\n%s", code, out)
	}
	if got := added(); len(got) != 0 {
		t.Errorf("still signed by %v", got)
	}
	for name, want := range map[string]string{"KeyTable": "# the keys\nk\texample.com:old:" + l.path("old.private") +
		"   # first\n", "SigningTable": "*@example.com k\n"} {
		if got, _ := os.ReadFile(l.path(name)); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	l.until(func() bool { return l.state(selector) == "" })
	if got := l.Server.Text(t, selector+"._domainkey.host.example"); got != "" {
		t.Errorf("the record is still %q", got)
	}
}

// What a run ends with.
func TestRotateExitStatus(t *testing.T) {
	l := newLife(t, "bind", byBIND+fast)
	for _, c := range []struct {
		args []string
		want int
	}{{[]string{"rotate", "run"}, 69}, {[]string{"rotate", "start", "example.com"}, 69}, {[]string{"keys", "adopt", "--all"},
		0}, {[]string{"rotate", "run"}, 0}, {[]string{"keys", "adopt", "other.example"}, 69},
		{[]string{"rotate", "stop", "example.com"}, 0}, {[]string{"rotate", "abort", "example.com"}, 69}, {[]string{"rotate", "log"}, 0}, {[]string{"rotate", "sync-list"}, 0}} {
		if out, code := l.run(c.args...); code != c.want {
			t.Errorf("%q: %d, want %d\n%s", c.args, code, c.want, out)
		}
	}
	lock, err := os.OpenFile(l.path("state/lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if out, code := l.run("rotate", "run"); code != 75 || !strings.Contains(out, "another run") {
		t.Errorf("beside another run: %d\n%s", code, out)
	}
	if out, code := l.run("keys"); code != 0 {
		t.Errorf("keys beside another run: %d\n%s", code, out)
	}
	lock.Close()
	l.write("rotate.conf", "Intervall 1h\n", 0o644)
	if out, code := l.run("rotate", "run"); code != 78 || !strings.Contains(out, "Interval") {
		t.Errorf("a mistake: %d\n%s", code, out)
	}
}

// Debian's opendkim loads the tables that came of it, and signs with them.
func TestOpenDKIMSignsWithTheResult(t *testing.T) {
	opendkim := testutil.Need(t, "opendkim")
	l := newLife(t, "bind", byBIND+"Interval 180d\n")
	path, _ := l.rsa("example.com", "rsa")
	l.write("KeyTable", "# the keys\nk\texample.com:rsa:"+path+"   # first\n", 0o644)
	l.publish(0)
	if out, code := l.run("rotate", "emergency", "example.com", "--yes"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	want := selectors(l)
	l.write("mail", "From: a@example.com\r\nSubject: s\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n", 0o644)
	l.write("debian.conf", "KeyTable "+l.path("KeyTable")+"\nSigningTable refile:"+l.path("SigningTable")+
		"\nSocket local:"+l.path("debian.s")+"\nMode s\n", 0o644)
	cmd := exec.Command(opendkim, "-x", l.path("debian.conf"), "-t", l.path("mail"), "-vv")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil || want == "rsa" || !strings.Contains(said.String(), "s="+want+";") {
		t.Errorf("%v: want s=%s\n%s", err, want, said.String())
	}
}
