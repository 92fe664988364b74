package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dojang/internal/build"
	"dojang/internal/config"
	"dojang/internal/dataset"
	"dojang/internal/privilege"
	"dojang/internal/testutil"
	"dojang/internal/testutil/configtest"
)

// victims are files of root's that the filter's user would like to have: a plain
// file and a socket.
type victims struct {
	t           *testing.T
	roots       string // a folder of root's
	theirs      string // one of the filter's user, below it
	account     build.Account
	file, other string
}

func newVictims(t *testing.T) *victims {
	testutil.NeedRoot(t)
	account, err := build.LookupAccount("nobody")
	if err != nil {
		t.Fatal(err)
	}
	v := &victims{t: t, roots: testutil.SecureDir(t), account: account}
	v.theirs, v.file, v.other = v.roots+"/theirs", v.roots+"/shadow", v.roots+"/roots.sock"
	l, err := net.Listen("unix", v.other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := errors.Join(os.Mkdir(v.theirs, 0o755), os.Chown(v.theirs, account.UID, account.GID),
		os.WriteFile(v.file, []byte("secret"), 0o600), os.Chmod(v.other, 0o600)); err != nil {
		t.Fatal(err)
	}
	return v
}

// check reports what the user got.
func (v *victims) check() {
	v.t.Helper()
	for _, path := range []string{v.file, v.other} {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			v.t.Fatalf("%s is gone: %v", path, err)
		}
		if st.Uid != 0 || st.Gid != 0 || st.Mode&0o777 != 0o600 {
			v.t.Fatalf("%s now belongs to %d:%d, mode %o", path, st.Uid, st.Gid, st.Mode&0o777)
		}
	}
	if text, err := os.ReadFile(v.file); string(text) != "secret" {
		v.t.Fatalf("the file was written: %q, %v", text, err)
	}
}

// swap does something again and again as the filter's user until the test is over.
func (v *victims) swap(do func()) (stop func()) {
	over, done := make(chan struct{}), make(chan error)
	go func() {
		done <- privilege.As(v.account.Rights(), -1, func() {
			for {
				select {
				case <-over:
					return
				default:
					do()
				}
			}
		})
	}()
	return func() {
		close(over)
		if err := <-done; err != nil {
			v.t.Error(err)
		}
	}
}

// While root makes a socket with an owner, group and mode in the filter's own
// folder, the filter's user puts links to root's files in its place as fast as
// they can: no file of root's changes hands.
func TestSocketsAreMadeWithoutRaces(t *testing.T) {
	v := newVictims(t)
	path := filepath.Join(v.theirs, "sock")
	stop := v.swap(func() {
		for i, target := range []string{v.file, v.other} {
			_ = os.Symlink(target, path+"."+strconv.Itoa(i))
			_ = os.Rename(path+"."+strconv.Itoa(i), path)
			_ = os.Remove(path)
		}
		_ = os.Link(v.other, path)
		_ = os.Remove(path)
	})
	defer stop()
	rounds, made := 400, 0
	for range rounds {
		for _, line := range []string{" mode=0666 owner=nobody", " mode=0660 owner=daemon group=mail", " mode=0600 group=mail"} {
			s, err := config.ParseSocket("local:" + path + line)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := Listen(s, v.account); err == nil {
				made++
				l.Close()
			}
			v.check()
		}
	}
	t.Logf("%d of %d sockets were made between the swaps", made, 3*rounds)
}

// The folder on the way is swapped for a link to one of root's: no socket and no
// pid file comes to stand there.
func TestFoldersAreNotSwapped(t *testing.T) {
	v := newVictims(t)
	way := filepath.Join(v.theirs, "way")
	stop := v.swap(func() {
		_ = os.Symlink(v.roots, way)
		_ = os.Remove(way)
		_ = os.Mkdir(way, 0o755)
		_ = os.RemoveAll(way)
	})
	defer stop()
	for range 400 {
		s := config.Socket{Network: "unix", Address: way + "/made.sock", Owner: "nobody", HasMode: true, Mode: 0o666}
		if l, err := Listen(s, v.account); err == nil {
			l.Close()
		}
		pid := openPidFile(pidFileOptions{Path: way + "/made.pid", Account: v.account}, slog.New(slog.DiscardHandler))
		pid.Write()
		pid.Remove()
		pid = openPidFile(pidFileOptions{Path: way + "/shadow", Account: v.account}, slog.New(slog.DiscardHandler))
		pid.Write()
		v.check()
		for _, name := range []string{"made.sock", "made.pid"} {
			if _, err := os.Lstat(filepath.Join(v.roots, name)); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s stands in root's folder: %v", name, err)
			}
		}
	}
}

// What owner=, group= and mode= say comes true wherever the folder is.
func TestSocketAccess(t *testing.T) {
	v := newVictims(t)
	daemon, err := build.LookupAccount("daemon")
	if err != nil {
		t.Fatal(err)
	}
	mail, err := build.LookupGroup("mail")
	if err != nil {
		t.Fatal(err)
	}
	third, setgid := v.roots+"/third", v.roots+"/setgid"
	if err := errors.Join(os.Mkdir(third, 0o700), os.Chown(third, daemon.UID, daemon.GID),
		os.Mkdir(setgid, 0o755), os.Chown(setgid, v.account.UID, daemon.GID), os.Chmod(setgid, 0o755|fs.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		folder, more string
		uid, gid     int
		mode         uint32
	}{
		{v.theirs, "mode=0660 group=mail", v.account.UID, mail, 0o660},
		{v.theirs, "mode=0666 owner=daemon group=mail", daemon.UID, mail, 0o666},
		{v.theirs, "mode=0600", v.account.UID, v.account.GID, 0o600},
		{v.roots, "mode=0660 owner=nobody group=mail", v.account.UID, mail, 0o660},
		{v.roots, "mode=0640 group=mail", 0, mail, 0o640},
		{third, "mode=0660 owner=nobody group=mail", v.account.UID, mail, 0o660},
		{setgid, "mode=0660 group=mail", v.account.UID, mail, 0o660},
		{setgid, "mode=0660 owner=daemon", daemon.UID, daemon.GID, 0o660},
	} {
		s, err := config.ParseSocket("local:" + test.folder + "/s " + test.more)
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []bool{false, true} { // a socket of an earlier run may be there
			l, err := Listen(s, v.account)
			if err != nil {
				t.Fatalf("%s %s: %v", test.folder, test.more, err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(left)
			var st unix.Stat_t
			if err := unix.Lstat(s.Address, &st); err != nil {
				t.Fatal(err)
			}
			if int(st.Uid) != test.uid || int(st.Gid) != test.gid || st.Mode&0o777 != test.mode {
				t.Errorf("%s %s: %d:%d %o", test.folder, test.more, st.Uid, st.Gid, st.Mode&0o777)
			}
			l.Close()
		}
	}
}

// A pid file that is a link, or has other names, is not written.
func TestPidFilesThatAreLinks(t *testing.T) {
	v := newVictims(t)
	if err := errors.Join(os.Symlink(v.file, v.theirs+"/symlink"), os.Link(v.file, v.theirs+"/hardlink"),
		os.Link(v.file, v.roots+"/hardlink")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{v.theirs + "/symlink", v.theirs + "/hardlink", v.roots + "/hardlink"} {
		var said strings.Builder
		if p := openPidFile(pidFileOptions{Path: path, Account: v.account}, slog.New(slog.NewTextHandler(&said, nil))); p != nil {
			t.Errorf("%s was opened", path)
		}
		if !strings.Contains(said.String(), "can't write pid to "+path) {
			t.Errorf("%s: said %s", path, said.String())
		}
	}
	if text, _ := os.ReadFile(v.file); string(text) != "secret" {
		t.Errorf("the file was written: %q", text)
	}
	// One that root left there long ago, in a folder of the filter's, is taken again.
	path := v.theirs + "/pid"
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := openPidFile(pidFileOptions{Path: path, Account: v.account}, slog.New(slog.DiscardHandler))
	p.Write()
	if text, _ := os.ReadFile(path); string(text) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("pid file: %q", text)
	}
	p.Remove()
	// A new one is root's there, whom alone tools believe (systemd.service(5) PIDFile).
	path = v.theirs + "/new"
	p = openPidFile(pidFileOptions{Path: path, Account: v.account}, slog.New(slog.DiscardHandler))
	p.Write()
	if info, err := os.Stat(path); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 || info.Mode() != 0o644 {
		t.Errorf("a new pid file: %v, %v", info, err)
	}
	p.Remove()
}

// A filter that changes its root directory keeps no folder open by which it could
// be left.
func TestPidFileKeepsNoFolderForAChroot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	for _, leaves := range []bool{false, true} {
		p := openPidFile(pidFileOptions{Path: path, Account: build.CurrentAccount(), Leaves: leaves}, slog.New(slog.DiscardHandler))
		if kept := p.folder >= 0; kept == leaves {
			t.Errorf("leaves %v: folder kept: %v", leaves, kept)
		}
		p.Write()
		p.Remove()
		if text, err := os.ReadFile(path); leaves && len(text) != 0 || !leaves && !errors.Is(err, syscall.ENOENT) {
			t.Errorf("leaves %v: %q, %v", leaves, text, err)
		}
	}
}

// Tables in the filter's own folder are written by root, with the filter's user changing
// their names for links: rows get into no file of root's, and make none.
func TestRowsFollowNoLinks(t *testing.T) {
	v := newVictims(t)
	table := dataset.TextTable{Path: filepath.Join(v.theirs, "KeyTable")}
	made := filepath.Join(v.roots, "ld.so.preload")
	change := []dataset.Change{{Key: "k", New: []string{"example.com:sel:/key"}}}
	for _, target := range []string{v.file, made} {
		if err := privilege.As(v.account.Rights(), -1, func() { _ = os.Symlink(target, table.Path) }); err != nil {
			t.Fatal(err)
		}
		if err := table.Append(dataset.Pair{Key: "k", Value: "example.com:sel:/key"}); !errors.Is(err, privilege.ErrLink) {
			t.Errorf("a row is appended behind a link to %s: %v", target, err)
		}
		if err := table.Swap(t.Context(), change); !errors.Is(err, privilege.ErrLink) {
			t.Errorf("a row is changed behind a link to %s: %v", target, err)
		}
		if err := os.Remove(table.Path); err != nil {
			t.Fatal(err)
		}
	}
	stop := v.swap(func() {
		for _, target := range []string{v.file, made} {
			_ = os.Symlink(target, table.Path+".n")
			_ = os.Rename(table.Path+".n", table.Path)
		}
		_ = os.Remove(table.Path)
	})
	for range 400 {
		_ = table.Append(dataset.Pair{Key: "k", Value: "example.com:sel:/key"})
		_ = table.Swap(t.Context(), change)
		v.check()
	}
	stop()
	if _, err := os.Lstat(made); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made: %v", made, err)
	}
}

// The filter's user writes another process into the pid file, or leads to another file:
// root tells nobody but a process of theirs to reload.
func TestReloadSignalsNoProcessOfOthers(t *testing.T) {
	v := newVictims(t)
	path := filepath.Join(v.theirs, "pid")
	cfg := configtest.Read(t, "PidFile "+path+"\n")
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGUSR1)
	defer signal.Stop(got)
	self := []byte(strconv.Itoa(os.Getpid()) + "\n")
	roots := filepath.Join(v.roots, "pid")
	if err := errors.Join(os.WriteFile(path, self, 0o644), os.Chown(path, v.account.UID, v.account.GID),
		os.WriteFile(roots, self, 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := SignalReload(cfg); err == nil {
		t.Error("a process of root's is told to reload by a file of the filter's user")
	}
	if err := errors.Join(os.Remove(path), os.Symlink(roots, path)); err != nil {
		t.Fatal(err)
	}
	if _, err := SignalReload(cfg); err == nil {
		t.Error("a process of root's is told to reload by a link of the filter's user")
	}
	if len(got) > 0 {
		t.Error("the signal came")
	}
	theirs := exec.Command("sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.02; done")
	theirs.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(v.account.UID), Gid: uint32(v.account.GID)}}
	out, err := theirs.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // the trap is set
		t.Error(err)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(strconv.Itoa(theirs.Process.Pid)), 0o644),
		os.Chown(path, v.account.UID, v.account.GID)); err != nil {
		t.Error(err)
	}
	if _, err := SignalReload(cfg); err != nil {
		t.Error(err)
		_ = theirs.Process.Kill()
	}
	if _ = theirs.Wait(); theirs.ProcessState.ExitCode() != 7 {
		t.Errorf("the filter's own process ended by %v", theirs.ProcessState)
	}
}
