package service

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
	"dojang/internal/testutil/proctest"
)

// What a Socket without an address, or with that of all interfaces, hears is what
// Debian's opendkim hears.
func TestSocketFamilies(t *testing.T) {
	w := newWorld(t)
	theirs := testutil.Need(t, "/usr/sbin/opendkim")
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		l.Close()
	}
	for _, form := range []string{"inet6:PORT", "inet6:PORT@::", "inet6:PORT@[::]", "inet6:PORT@::1",
		"inet6:PORT@localhost", "inet:PORT", "inet:PORT@127.0.0.1", "inet:PORT@0.0.0.0"} {
		hears := func(program string) string {
			port := proctest.FreePort(t)
			socket := strings.Replace(form, "PORT", port, 1)
			cmd := exec.Command(program, "-f", "-x", "/dev/null", "-b", "v", "-p", socket)
			must(t, cmd.Start())
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			heard := func() (families string) {
				for _, host := range []string{"127.0.0.1", "::1"} {
					if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second); err == nil {
						conn.Close()
						families += host + " "
					}
				}
				return families
			}
			for range 200 {
				if heard() != "" {
					return heard() // it may have begun to listen in between
				}
				time.Sleep(20 * time.Millisecond)
			}
			return "nothing"
		}
		if ours, want := hears(filepath.Join(w.bin, "opendkim")), hears(theirs); ours != want {
			t.Errorf("%s: we hear %s, opendkim %s", form, ours, want)
		}
	}
}

// A filter that starts as root for another user reads what root alone may read,
// where nobody else can say what that is, and nothing through a name of that user's.
// A key of KeyTable is read again later, by that user, so it is to be theirs.
func TestWhatRootReadsAtTheStart(t *testing.T) {
	w := newWorld(t)
	nobody := uidOf(t, "nobody")
	theirs := w.path("theirs")
	must(t, os.Mkdir(theirs, 0o755))
	must(t, os.Chown(theirs, nobody, nobody))
	key, err := os.ReadFile(w.path("key.private"))
	must(t, err)
	must(t, os.WriteFile(theirs+"/put.private", key, 0o600)) // as root may have put it there
	must(t, os.WriteFile(w.path("other.private"), key, 0o600))
	must(t, os.Symlink(w.path("key.private"), theirs+"/link.private"))
	must(t, os.Link(w.path("other.private"), theirs+"/hard.private"))
	must(t, os.Symlink(w.path("KeyTable"), theirs+"/KeyTable"))
	must(t, os.Chmod(w.path("KeyTable"), 0o600))
	const serves = "Syslog yes\nSyslogSocket DIR/log\nSyslogSuccess yes\nMode s\nUserID nobody\nSocket local:DIR/theirs/s\n"
	const one = "Domain example.com\nSelector sel\nKeyFile "
	for _, test := range []struct{ name, config, want string }{ // want "" is a filter that starts
		{"root's own", one + "DIR/key.private\n", ""},
		{"root's in the user's folder", one + "DIR/theirs/put.private\n", ""},
		{"a link", one + "DIR/theirs/link.private\n", "link.private: Permission denied"},
		{"a hard link", one + "DIR/theirs/hard.private\n", "hard.private: Permission denied"},
		{"a table behind a link", "KeyTable DIR/theirs/KeyTable\nSigningTable refile:DIR/SigningTable\n", "theirs/KeyTable: Permission denied"},
		{"a key for later", "KeyTable DIR/KeyTable\nSigningTable refile:DIR/SigningTable\n", "key.private: Permission denied (for the filter's user, uid"},
	} {
		w.write("opendkim.conf", w.text(serves+test.config))
		r := w.run("", "dojang", "config", "check", "--config", "DIR/opendkim.conf")
		if test.want != "" {
			if !strings.Contains(r.err, test.want) {
				t.Errorf("%s: exit %d: %s", test.name, r.code, r.err)
			}
			continue
		}
		if r.code != 0 {
			t.Errorf("%s: exit %d: %s", test.name, r.code, r.err)
		}
		p := w.start(w.command("opendkim", "-f", "-x", "DIR/opendkim.conf"), "unix", theirs+"/s")
		if got := w.sendTo("unix", theirs+"/s"); !strings.Contains(got, "s=sel;") {
			t.Errorf("%s: not signed: %q\n%s", test.name, got, w.log)
		}
		p.Signal(syscall.SIGKILL)
		p.Wait(patience)
	}
}
