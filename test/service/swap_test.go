package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dojang/internal/testutil"
)

// The filter is started again and again as root while a process of its user swaps
// the socket, the pid file and the table for links to files of root's: none of these
// ever changes owner, mode or content, and none is read.
func TestStartsWhileLinksAreSwapped(t *testing.T) {
	w := newWorld(t)
	setpriv := testutil.Need(t, "setpriv")
	theirs, victim := w.path("theirs"), w.path("shadow")
	must(t, os.Mkdir(theirs, 0o755))
	must(t, os.Chown(theirs, uidOf(t, "nobody"), -1))
	const secret = "k example.com:sel:/nothing/of/this/is/theirs\n"
	must(t, os.WriteFile(victim, []byte(secret), 0o600))
	must(t, os.Chmod(w.path("key.private"), 0o644))
	swap := exec.Command(setpriv, "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "sh", "-c",
		`while :; do for f in s pid KeyTable; do ln -sf "$1" n; mv -f n $f; done; rm -f s pid; echo 'k example.com:sel:'"$2" > n; mv -f n KeyTable; done`, "sh", victim, w.path("key.private"))
	swap.Dir = theirs
	swap.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, swap.Start())
	defer func() { _ = syscall.Kill(-swap.Process.Pid, syscall.SIGKILL); _ = swap.Wait() }()
	w.write("opendkim.conf", w.text("Syslog yes\nSyslogSocket DIR/log\nMode s\nUserID nobody\nRequireSafeKeys "+
		"no\nKeyTable DIR/theirs/KeyTable\nSigningTable refile:DIR/SigningTable\n"+
		"Socket local:DIR/theirs/s mode=0666 owner=nobody group=mail\nPidFile DIR/theirs/pid\n"))
	rounds, served := 6, 0
	if testutil.Long() {
		rounds = 500
	}
	for range rounds {
		var said strings.Builder
		cmd := w.command("opendkim", "-f", "-x", "DIR/opendkim.conf")
		cmd.Stderr = &said
		must(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(400 * time.Millisecond):
			served++
			_ = cmd.Process.Kill()
			<-ended
		}
		if strings.Contains(said.String(), "nothing/of/this") || strings.Contains(w.log.String(), "nothing/of/this") {
			t.Fatalf("the filter read root's file:\n%s%s", &said, w.log)
		}
		info, err := os.Stat(victim)
		must(t, err)
		text, err := os.ReadFile(victim)
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || st.Gid != 0 || info.Mode() != 0o600 || string(text) != secret {
			t.Fatalf("%s belongs to %d:%d now, mode %v: %q", filepath.Base(victim), st.Uid, st.Gid, info.Mode(), text)
		}
	}
	t.Logf("%d of %d starts came to serve", served, rounds)
}
